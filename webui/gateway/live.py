"""Open engine requests, so that a right taken away ends the streams that lived on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from webui.access import Actor, Resource, Verb, can
from webui.services.accounts import Accounts


@dataclass(eq=False, slots=True)
class Stream:
    """One open request: whose, for what, and how to end it."""

    actor: Actor
    verb: Verb
    resource: Resource
    close: Callable[[], None]


class LiveStreams:
    """All open requests of signed-in users."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._streams: set[Stream] = set()

    def __len__(self) -> int:
        return len(self._streams)

    @contextmanager
    def held(self, stream: Stream) -> Iterator[None]:
        """Keep the stream listed for the block."""
        self._streams.add(stream)
        try:
            yield
        finally:
            self._streams.discard(stream)

    def recheck(self) -> None:
        """End each stream whose session or token is gone, or whose user may no longer do this."""
        streams = list(self._streams)
        if not streams:
            return
        present = self._accounts.refresh([stream.actor for stream in streams])
        for stream in streams:
            if not can(present.get((stream.actor.via, stream.actor.credential)), stream.verb, stream.resource):
                stream.close()
