"""Engine events, as they come, in batches of at most 50 ms."""

from __future__ import annotations

from collections.abc import Hashable

import gevent
from gevent.event import Event

from webui.realtime.feed import DockerEvent, Feeds
from webui.realtime.hub import Hub, Source
from webui.realtime.pending import EventRing

_BATCH_S = 0.05


class EventSource(Source):
    """The events of one host and namespace."""

    def __init__(self, hub: Hub, key: Hashable, feeds: Feeds, at: tuple[str, str]) -> None:
        super().__init__(hub, key)
        self._feeds, self._at = feeds, at
        self._batch: list[DockerEvent] = []
        self._some = Event()

    def start(self) -> None:
        """Listen, then run."""
        self._feeds.listen(*self._at, self)
        super().start()

    def run(self) -> None:
        """Send batches."""
        while True:
            self._some.wait()
            self._some.clear()
            batch, self._batch = self._batch, []
            self.publish({"events": batch})
            gevent.sleep(_BATCH_S)

    def close(self) -> None:
        """Stop listening."""
        self._feeds.leave(*self._at, self)

    def pending(self) -> EventRing:
        """Return the ring for a slow client."""
        return EventRing()

    def connected(self) -> None:
        """Nothing to do: only what happens from now on is sent."""

    def events(self, batch: list[DockerEvent]) -> None:
        """Add to the batch."""
        self._batch += batch
        self._some.set()

    def disconnected(self, reason: str) -> None:
        """Host health tells it."""
