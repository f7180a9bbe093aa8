"""Requests to one repository of one registry: addresses, who asks, and what a refusal means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from urllib.parse import urljoin, urlsplit

from engine.errors import BerthError
from engine.refs import Reference
from engine.registry.auth import Authorizer, Credentials
from engine.registry.challenge import parse_challenges
from engine.registry.errors import Refusal, parse_refusal
from engine.registry.lines import Lines
from engine.registry.transport import Body, Response, Transport, discard, read_limited

Explain = Callable[[Refusal, Reference], BerthError]
"""Makes the error of a request that was refused."""


class Session:
    """Sends requests as one user; every method from any thread.

    `base` "" is the registry's own address; `actions` is what a token has to allow: `pull`, `pull,push`.
    """

    def __init__(
        self,
        transport: Transport,
        base: str,
        reference: Reference,
        credentials: Credentials,
        *,
        actions: str,
        explain: Explain,
    ) -> None:
        self._transport = transport
        self._base = base
        self._reference = reference
        self._authorizer = Authorizer(transport, credentials)
        self._scope = f"repository:{reference.path}:{actions}"
        self._explain = explain
        self._lines = Lines()

    def close(self) -> None:
        """End every request under way; nothing can be asked afterwards. From any thread."""
        self._lines.close()

    def url(self, path: str) -> str:
        """Return the address of a path below the repository; an address, also one relative to the root, stays."""
        base = self._base or self._transport.base(self._reference.domain)
        return urljoin(f"{base}/v2/{self._reference.path}/", path)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        *,
        accept: Collection[int] = (200,),
    ) -> Response:
        """Return an answer whose status is one of `accept`, its body still to be read; else raise what it means.

        Where the registry asks who we are, the request is sent a second time. Credentials go to the registry only.
        """
        url = self.url(path)
        own = urlsplit(url)[:2] == urlsplit(self.url(""))[:2]
        for attempt in (1, 2):
            sent = self._authorizer.header if own else ""
            authorization = {"Authorization": sent} if sent else {}
            with self._lines:
                response = self._transport.send(method, url, {**(headers or {}), **authorization}, body)
            if response.status in accept:
                return response
            challenges = parse_challenges(response.headers.get("WWW-Authenticate", ""))
            if response.status != 401 or attempt == 2 or not challenges or not own:
                scheme_error = next((c.parameters["error"] for c in challenges if "error" in c.parameters), "")
                refusal = parse_refusal(response.status, read_limited(response), scheme_error)
                raise self._explain(refusal, self._reference)
            discard(response)
            self._authorizer.answer(challenges, sent, self._scope)
        raise AssertionError("unreachable")
