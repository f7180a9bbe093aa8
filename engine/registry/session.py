"""Requests to one repository of one registry: addresses, who asks, and what a refusal means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from urllib.parse import urljoin, urlsplit

from engine.errors import BerthError, Unauthorized, Unavailable
from engine.refs import Reference
from engine.registry.auth import Authorizer, Credentials
from engine.registry.challenge import parse_challenges
from engine.registry.errors import Refusal, Transient, parse_refusal, parse_wait
from engine.registry.lines import Lines
from engine.registry.transport import Body, Response, Transport, discard, read_limited

Explain = Callable[[Refusal, Reference], BerthError]
"""Makes the error of a request that was refused."""


class Session:
    """Sends requests as one user; every method from any thread.

    `base` "" is the registry's own address; `actions` is what a token has to allow: `pull`, `pull,push`; `scope` takes
    the place of the repository's.
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
        scope: str = "",
    ) -> None:
        self._transport = transport
        self._base = base
        self._reference = reference
        self._authorizer = Authorizer(transport, credentials)
        self._is_push = "push" in actions
        self._scope = scope or f"repository:{reference.path}:{actions}"
        self._explain = explain
        self._lines = Lines()
        self._answered = False

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
            response = self._send(method, url, {**(headers or {}), **authorization}, body)
            if response.status in accept:
                return response
            challenges = parse_challenges(response.headers.get("WWW-Authenticate", ""))
            final = attempt == 2 or not own or not challenges or sent.startswith("Basic ")
            if response.status != 401 or final:
                scheme_error = next((c.parameters["error"] for c in challenges if "error" in c.parameters), "")
                refusal = parse_refusal(response.status, read_limited(response), scheme_error)
                refused = self._explain(refusal, self._reference)
                if isinstance(refused, Transient):
                    refused.wait = parse_wait(response.headers.get("Retry-After", ""))
                raise refused
            discard(response)
            try:
                self._authorizer.answer(challenges, sent, self._scope)
            except (Unauthorized, Unavailable) as error:
                raise type(error)(f"{self._blame(path)}{error}") from error
        raise AssertionError("unreachable")

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Body) -> Response:
        try:
            with self._lines:
                response = self._transport.send(method, url, headers, body)
        except Unavailable as error:
            if self._answered:
                raise
            # Docker finds out by a request of its own whether the registry is there.
            root = urljoin(url, "/v2/")
            raise type(error)(str(error).replace(f'{method.title()} "{url}": ', f'Get "{root}": ', 1)) from error
        self._answered = True
        return response

    def _blame(self, path: str) -> str:
        """Return what Docker puts before an error of authentication: the request that it is asked for by."""
        if self._is_push:
            return ""
        method = "Head" if path.startswith("manifests/") and ":" not in path else "Get"
        return f'{method} "{self.url(path)}": '
