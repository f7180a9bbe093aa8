"""Where images go: what a push needs of a registry, and nothing more; and how HTTP does it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from typing import Protocol
from urllib.parse import urlencode

from engine.errors import BerthError, InvalidArgument, Unavailable
from engine.ids import Digest
from engine.refs import Reference, digest_of
from engine.registry.auth import Credentials
from engine.registry.errors import Transient, explain_push_refusal
from engine.registry.session import Session
from engine.registry.transport import Transport, discard

Content = Callable[[], Iterable[bytes]]
"""Opens a blob's bytes from their beginning; called again where they have to be sent again."""


class Sink(Protocol):
    """One repository to push to. Every method from any thread; failures are `engine.errors` in Docker's words."""

    def has(self, digest: str) -> bool:
        """Say whether the repository has a blob."""

    def mount(self, digest: str, source: str) -> bool:
        """Take a blob over from another repository of the registry, False where it does not do that."""

    def upload(self, content: Content, expected: str = "") -> tuple[Digest, int]:
        """Send a blob, return its digest and size; it is not there before all of it is.

        InvalidArgument where the bytes are not those of `expected`, `errors.Transient` where the connection breaks.
        """

    def put_manifest(self, tag: str, data: bytes, media_type: str) -> Digest:
        """Put a manifest under a tag; what it names is there."""

    def close(self) -> None:
        """End every request under way; the sink is of no use afterwards."""


class HttpSink:
    """A `Sink` over HTTP (OCI distribution spec, "Push")."""

    def __init__(self, transport: Transport, reference: Reference, credentials: Credentials) -> None:
        self._session = Session(
            transport, "", reference, credentials, actions="pull,push", explain=explain_push_refusal
        )  # fmt: skip

    def has(self, digest: str) -> bool:
        """See `Sink.has`."""
        response = self._session.ask("HEAD", f"blobs/{digest}", accept=(200, 404))
        discard(response)
        return response.status == 200

    def mount(self, digest: str, source: str) -> bool:
        """See `Sink.mount`."""
        query = urlencode({"mount": digest, "from": source})
        try:
            response = self._session.ask("POST", f"blobs/uploads/?{query}", accept=(201, 202))
        except Transient:
            raise
        except BerthError:  # not ours to read there, or a registry that knows no mounts
            return False
        discard(response)
        location = response.headers.get("Location", "")
        if response.status == 202 and location:
            self._give_up(location)
        return response.status == 201

    def upload(self, content: Content, expected: str = "") -> tuple[Digest, int]:
        """See `Sink.upload`."""
        started = self._session.ask("POST", "blobs/uploads/", accept=(202,))
        discard(started)
        location = _location(started.headers.get("Location"))
        sent = _Sent()
        try:
            # A stream that urllib3 left in the middle would stay open, and its threads with it.
            with ExitStack() as streams:
                patched = self._session.ask(
                    "PATCH", location, {"Content-Type": "application/octet-stream"},
                    lambda: streams.enter_context(closing(sent.counted(content()))), accept=(202, 204),
                )  # fmt: skip
            discard(patched)
            location = _location(patched.headers.get("Location"))
            if expected and sent.digest != expected:
                raise InvalidArgument(f"digest mismatch: expected {expected}, sent {sent.digest}")
        except BerthError:
            self._give_up(location)
            raise
        query = urlencode({"digest": sent.digest})
        joint = "&" if "?" in location else "?"
        discard(self._session.ask("PUT", f"{location}{joint}{query}", accept=(201, 204)))
        return sent.digest, sent.size

    def put_manifest(self, tag: str, data: bytes, media_type: str) -> Digest:
        """See `Sink.put_manifest`."""
        discard(
            self._session.ask("PUT", f"manifests/{tag}", {"Content-Type": media_type}, data, accept=(200, 201, 202))
        )
        return digest_of(data)

    def close(self) -> None:
        """See `Sink.close`."""
        self._session.close()

    def _give_up(self, location: str) -> None:
        try:
            discard(self._session.ask("DELETE", self._session.url(location), accept=(200, 202, 204, 404)))
        except BerthError:
            pass  # the registry forgets it in time


class _Sent:
    """Digest and length of what was sent, taken as it passes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> Digest:
        return Digest(f"sha256:{self._hash.hexdigest()}")

    def counted(self, chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
        self._hash, self.size = hashlib.sha256(), 0
        for chunk in chunks:
            self._hash.update(chunk)
            self.size += len(chunk)
            yield chunk


def _location(header: str | None) -> str:
    if not header:
        raise Unavailable("invalid answer of the registry: an upload without a Location")
    return header
