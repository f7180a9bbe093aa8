"""The journal: every change of state has a sequence number, and its record is in the change's own transaction.

`Bus` hands committed events to subscribers. A subscriber has a bounded queue: the slow one loses events and sees
a `skipped` count, the engine is never held up.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the journal. `type`, `action`, `attributes` are Docker's; `seq` 0 until it is recorded."""

    type: str
    action: str
    actor_id: str
    namespace: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    time_ns: int = 0
    seq: int = 0
    by: str = ""
    """Who asked (Berth-Actor), or `engine` where nobody did."""


class Subscription:
    """A bounded queue of events; iterate it with `get`, end it with `close`."""

    def __init__(self, bus: Bus, limit: int) -> None:
        self._bus = bus
        self._limit = limit
        self._queue: deque[Event] = deque()
        self._ready = threading.Condition()
        self._closed = False
        self.skipped = 0

    def put(self, event: Event) -> None:
        """Take an event; drop and count the oldest when full."""
        with self._ready:
            if len(self._queue) >= self._limit:
                self._queue.popleft()
                self.skipped += 1
            self._queue.append(event)
            self._ready.notify()

    def get(self, timeout: float | None = None) -> Event | None:
        """Return the next event; None after `timeout` seconds, or at once when closed and drained."""
        with self._ready:
            self._ready.wait_for(lambda: self._queue or self._closed, timeout)
            return self._queue.popleft() if self._queue else None

    @property
    def closed(self) -> bool:
        """Whether the subscription was ended."""
        return self._closed

    def close(self) -> None:
        """End the subscription and wake its reader."""
        self._bus.drop(self)
        with self._ready:
            self._closed = True
            self._ready.notify_all()


class Bus:
    """Hands events to subscribers in the order of their sequence numbers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []

    def subscribe(self, limit: int = 10_000) -> Subscription:
        """Return a subscription that sees every event published from now on."""
        subscription = Subscription(self, limit)
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def publish(self, event: Event) -> None:
        """Hand a recorded event to every subscriber; never blocks on one."""
        with self._lock:
            for subscription in self._subscriptions:
                subscription.put(event)

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription; unknown ones are ignored."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

    def close(self) -> None:
        """End every subscription (the engine stops)."""
        for subscription in list(self._subscriptions):
            subscription.close()
