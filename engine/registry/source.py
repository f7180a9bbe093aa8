"""Where images come from: what a pull needs of a registry, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from engine.ids import Digest


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest as its bytes, which have this digest; `media_type` is the sender's word."""

    data: bytes
    media_type: str
    digest: Digest


class BlobStream(Protocol):
    """Bytes of a blob under way. Iterate it once; `close` from any thread ends the iteration."""

    offset: int
    """Where the bytes begin: the offset asked for, or 0 where the sender can't resume."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield chunks; `errors.Transient` where the connection breaks."""

    def close(self) -> None:
        """End it."""


class Source(Protocol):
    """One repository. Every method from any thread; failures are `engine.errors` in Docker's words."""

    def manifest(self, tag_or_digest: str) -> Fetched:
        """Return a manifest or index; the bytes of one asked for by digest are verified."""

    def blob(self, digest: str, offset: int = 0) -> BlobStream:
        """Open a blob from `offset` on; what comes is *not* verified."""

    def tags(self) -> list[str]:
        """Return all tags of the repository."""
