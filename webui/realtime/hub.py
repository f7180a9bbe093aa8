"""The hub: one source however many browsers watch, one encoding of each frame, a window for every client.

A `Source` lives while somebody is subscribed (and a little longer). Its subscribers are kept in slots: the first
subscription of each client in slot 0, a second one of the same client in slot 1, and so on. A slot has one number,
which is what clients call `sub`, so that a frame is the same bytes for all its clients.

Flow: a client has at most 16 frames of a subscription unacknowledged; what comes meanwhile goes to its `Pending`.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

import gevent
from gevent import Greenlet
from gevent.event import Event

from webui.errors import WebError
from webui.realtime.pending import Payload, Pending

_LOG = logging.getLogger(__name__)
WINDOW = 16
Emit = Callable[[str, Payload, list[str]], None]
"""Sends an event with its data to clients (Socket.IO ids), encoded once."""


@dataclass(eq=False, slots=True)
class Subscription:
    """One client's interest in one source."""

    sid: str
    slot: Slot
    pending: Pending
    started: bool = False
    inflight: int = 0
    behind: bool = False
    room: Event = field(default_factory=Event)
    """Set when the client has acknowledged something, or has gone."""

    @property
    def number(self) -> int:
        """What the client calls it."""
        return self.slot.number

    @property
    def lives(self) -> bool:
        """Whether the client is still there and wants it."""
        return self.slot.subscriptions.get(self.sid) is self


@dataclass(eq=False, slots=True)
class Slot:
    """Subscriptions that share frames: at most one of each client."""

    number: int
    source: Source
    subscriptions: dict[str, Subscription] = field(default_factory=dict)


class Source:
    """Something to watch. Subclasses run in a greenlet, publish frames, and say what a newcomer gets first."""

    linger_s = 10.0

    def __init__(self, hub: Hub, key: Hashable) -> None:
        self.hub = hub
        self.key = key
        self.slots: list[Slot] = []
        self.drained = Event()
        self.drained.set()
        self.begun = Event()
        self._greenlet: Greenlet | None = None

    def run(self) -> None:
        """Follow the upstream until killed."""
        raise NotImplementedError

    def first(self) -> Iterable[Payload]:
        """Return the frames that bring a newcomer up to now; empty while nothing is known."""
        return ()

    def pending(self) -> Pending:
        """Return a new store for a slow client's frames."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what `run` holds; called once, after its greenlet has ended."""

    def start(self) -> None:
        """Run in a greenlet; an unexpected failure ends all subscriptions."""
        self._greenlet = gevent.spawn(self._guarded)

    def stop(self) -> None:
        """End the greenlet and let go."""
        if self._greenlet and self._greenlet is not gevent.getcurrent():
            self._greenlet.kill()
        self.close()

    def publish(self, payload: Payload) -> None:
        """Send a frame to every subscriber that has room; for others it waits."""
        for slot in self.slots:
            ready = []
            for subscription in slot.subscriptions.values():
                if not subscription.started:
                    continue
                if subscription.behind or subscription.inflight >= WINDOW:
                    self._hold(subscription, payload)
                else:
                    subscription.inflight += 1
                    ready.append(subscription.sid)
            if ready:
                self.hub.emit("frame", {"sub": slot.number, **payload}, ready)

    def begin(self, subscription: Subscription, first: Iterable[Payload]) -> None:
        """Send a newcomer its first frames; from here on it gets what is published."""
        subscription.started = True
        self.begun.set()
        for payload in first:
            self._hold(subscription, payload)
        self.flush(subscription)

    def acknowledge(self, subscription: Subscription, count: int) -> None:
        """Note that the client has dealt with `count` frames, and send what waited."""
        subscription.inflight = max(0, subscription.inflight - count)
        subscription.room.set()
        self.flush(subscription)

    def send_alone(self, subscription: Subscription, payload: Payload) -> bool:
        """Send a frame to one client before it has begun, when it has room; False once it is gone."""
        while subscription.lives and subscription.inflight >= WINDOW:
            subscription.room.clear()
            subscription.room.wait()
        if not subscription.lives:
            return False
        subscription.inflight += 1
        self.hub.emit("frame", {"sub": subscription.number, **payload}, [subscription.sid])
        return True

    def flush(self, subscription: Subscription) -> None:
        """Send what waits, as far as the window goes."""
        while subscription.behind and subscription.inflight < WINDOW:
            payload = subscription.pending.take()
            if payload is None:
                subscription.behind = False
                break
            subscription.inflight += 1
            self.hub.emit("frame", {"sub": subscription.number, **payload}, [subscription.sid])
        if not any(s.behind for slot in self.slots for s in slot.subscriptions.values()):
            self.drained.set()

    def end(self, error: str = "") -> None:
        """Tell every subscriber that nothing more comes."""
        for slot in self.slots:
            sids = list(slot.subscriptions)
            for subscription in slot.subscriptions.values():
                if not subscription.started:
                    self.begin(subscription, self.first())
                while (payload := subscription.pending.take()) is not None:
                    self.hub.emit("frame", {"sub": slot.number, **payload}, [subscription.sid])
            if sids:
                self.hub.emit("end", {"sub": slot.number, **({"error": error} if error else {})}, sids)
        self.hub.forget(self)

    def _hold(self, subscription: Subscription, payload: Payload) -> None:
        subscription.pending.add(payload)
        subscription.behind = True
        self.drained.clear()

    def _guarded(self) -> None:
        try:
            self.run()
        except WebError as error:
            self.end(error.message)
        except Exception:
            _LOG.exception("source failed key=%s", self.key)
            self.end("internal error; the web tier's log has it")


class Hub:
    """All sources and who watches them."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self._sources: dict[Hashable, Source] = {}
        self._numbers = itertools.count(1)

    @property
    def sources(self) -> list[Source]:
        """The sources that run."""
        return list(self._sources.values())

    def subscribe(self, sid: str, key: Hashable, make: Callable[[], Source]) -> Subscription:
        """Return a new subscription of a client; the source is made if it isn't there. `begin` starts the frames."""
        source = self._sources.get(key)
        if source is None:
            source = make()
            self._sources[key] = source
            source.start()
        slot = next((slot for slot in source.slots if sid not in slot.subscriptions), None)
        if slot is None:
            slot = Slot(next(self._numbers), source)
            source.slots.append(slot)
        subscription = Subscription(sid, slot, source.pending())
        slot.subscriptions[sid] = subscription
        return subscription

    def begin(self, subscription: Subscription, first: Iterable[Payload] | None = None) -> None:
        """Start a subscription's frames (its answer to the client must be out by now)."""
        slot = subscription.slot
        if slot.subscriptions.get(subscription.sid) is subscription and not subscription.started:
            slot.source.begin(subscription, slot.source.first() if first is None else first)

    def acknowledge(self, subscription: Subscription, count: int) -> None:
        """Take a client's acknowledgement of `count` frames."""
        subscription.slot.source.acknowledge(subscription, count)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Take a subscription away; the source ends a little after its last one."""
        slot, source = subscription.slot, subscription.slot.source
        if slot.subscriptions.get(subscription.sid) is subscription:
            del slot.subscriptions[subscription.sid]
            subscription.room.set()
            source.flush(subscription)
        if not any(slot.subscriptions for slot in source.slots):
            gevent.spawn_later(source.linger_s, self._end_if_unused, source)

    def forget(self, source: Source) -> None:
        """Drop a source that has ended."""
        if self._sources.get(source.key) is source:
            del self._sources[source.key]
            source.stop()

    def close(self) -> None:
        """End all sources."""
        for source in self.sources:
            self.forget(source)

    def _end_if_unused(self, source: Source) -> None:
        if not any(slot.subscriptions for slot in source.slots):
            self.forget(source)
