"""Many containers' logs in one subscription: those that fit a choice, those that come later too.

Each container has its one tail (`tails`), whoever else watches it. What tails give within 50 ms is one frame. Whoever
joins is sent the past of each container first, and goes on with everybody's frames at the positions where that ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool

from webui.client.logblocks import Chunk
from webui.errors import WebError
from webui.realtime.delay import Delay
from webui.realtime.feed import DockerEvent, Feeds
from webui.realtime.hub import Hub, Source, Subscription
from webui.realtime.logchoice import PROJECT, SERVICE, Choice, name_of
from webui.realtime.logstreams import Request
from webui.realtime.pending import Parts, Payload
from webui.realtime.tails import Listener, Tail, Tails, grouped, history
from webui.services.hosts import Hosts

_BATCH_S = 0.05
_BATCH_CHARS = 256 * 1024
_DEBOUNCE_S = 0.03
_MOST = 200
_AT_ONCE = 6
_TELLING = frozenset({"start", "destroy", "rename"})


@dataclass(eq=False, slots=True)
class Member:
    """One container of the choice. `sent` is the position up to which its lines were published to all."""

    n: int
    row: Mapping[str, Any]
    tail: Tail
    sent: int = 0
    live: bool = False
    chunks: list[Chunk] = field(default_factory=list)

    listener: Listener | None = None

    def describe(self) -> dict[str, Any]:
        """Return what a browser is told of it."""
        return _described(self.n, self.row, running=self.live)


def _described(n: int, row: Mapping[str, Any], *, running: bool) -> dict[str, Any]:
    labels = row.get("Labels") or {}
    return {
        "n": n,
        "id": row["Id"],
        "name": name_of(row),
        "project": labels.get(PROJECT, ""),
        "service": labels.get(SERVICE, ""),
        "image": row.get("Image", ""),
        "running": running,
    }


class MergedLogs(Source):
    """The logs of one choice, of one host and team."""

    linger_s = 2.0

    def __init__(
        self, hub: Hub, key: Hashable, hosts: Hosts, feeds: Feeds, tails: Tails, at: tuple[str, str], choice: Choice
    ) -> None:
        super().__init__(hub, key)
        self._hosts, self._feeds, self._tails, self._at, self._choice = hosts, feeds, tails, at, choice
        self._members: dict[str, Member] = {}
        self._omitted = 0
        self._due = Event()
        self._loaded = Event()
        self._numbers = 0
        self._waiting: list[Member] = []
        self._chars = 0
        self._delay = Delay(_BATCH_S, self._flush)

    def start(self) -> None:
        """Listen for containers, then run."""
        self._feeds.listen(*self._at, self)
        super().start()

    def run(self) -> None:
        """Take up containers as they come."""
        while True:
            self._due.wait()
            gevent.sleep(_DEBOUNCE_S)
            self._due.clear()
            try:
                self._refresh()
            except (WebError, OSError):
                gevent.spawn_later(1.0, self._due.set)

    def close(self) -> None:
        """Give everything back."""
        self._feeds.leave(*self._at, self)
        self._delay.stop()
        for member in self._members.values():
            self._leave(member)

    def pending(self) -> Parts:
        """Return the ring for a slow client."""
        return Parts()

    def connected(self) -> None:
        """Look which containers there are."""
        self._due.set()

    def events(self, batch: list[DockerEvent]) -> None:
        """Look again when a container starts or goes."""
        if any(event.get("Type") == "container" and event.get("Action") in _TELLING for event in batch):
            self._due.set()

    def disconnected(self, reason: str) -> None:
        """Wait: `connected` follows."""

    def join(self, subscription: Subscription, request: Request, after: Mapping[str, int]) -> None:
        """Send a newcomer the past of each container, then let it go on with all."""
        self._loaded.wait()
        told: dict[str, tuple[Member, int]] = {}
        self._send_gone(subscription, after)
        while subscription.lives:
            behind = [m for key, m in self._members.items() if not self._is_level(told.get(key), m)]
            if not behind:
                break
            fresh = [m.describe() for m in behind if m.row["Id"] not in told or told[m.row["Id"]][0] is not m]
            if fresh and not self.send_alone(subscription, {"sources": fresh}):
                return
            pool = Pool(_AT_ONCE)
            for member in behind:
                key = member.row["Id"]
                position = told[key][1] if key in told else after.get(key)
                told[key] = (member, -1)
                pool.spawn(self._send_past, subscription, member, request, position, told)
            pool.join()
        self.hub.begin(subscription, list(self._level(told)))

    def _is_level(self, told: tuple[Member, int] | None, member: Member) -> bool:
        return (
            told is not None
            and told[0] is member
            and told[1] >= 0
            and (told[1] >= member.sent or member.tail.knows(told[1]))
        )

    def _level(self, told: Mapping[str, tuple[Member, int]]) -> Iterator[Payload]:
        if self._omitted:
            yield {"omitted": self._omitted}
        for key, member in self._members.items():
            chunks = member.tail.after(told[key][1], member.sent) if key in told else []
            for chunk in grouped(chunks):
                yield _parts([(member.n, chunk)])
            if not member.live:
                yield {"ended": [member.n]}

    def _send_past(
        self,
        subscription: Subscription,
        member: Member,
        request: Request,
        position: int | None,
        told: dict[str, tuple[Member, int]],
    ) -> None:
        target = member.sent
        try:
            if position is None or position < target:
                for chunk in member.tail.history(request.query(position), target):
                    if not self.send_alone(subscription, _parts([(member.n, chunk)])):
                        return
        except (WebError, OSError):
            pass  # the container has gone this moment, and its log is not to be read: others go on
        told[member.row["Id"]] = (member, max(target, position or 0))

    def _send_gone(self, subscription: Subscription, after: Mapping[str, int]) -> None:
        """Send the rest of containers that the browser knew and that are gone by now."""
        for key, position in after.items():
            if key in self._members:
                continue
            self._numbers += 1
            n, engine = self._numbers, self._hosts.watcher(*self._at)
            if not self.send_alone(subscription, {"sources": [_described(n, {"Id": key}, running=False)]}):
                return
            try:
                for chunk in history(engine, key, {"after": position}):
                    if not self.send_alone(subscription, _parts([(n, chunk)])):
                        return
            except (WebError, OSError):
                pass  # not kept
            if not self.send_alone(subscription, {"ended": [n]}):
                return

    # members

    def _refresh(self) -> None:
        engine = self._hosts.watcher(*self._at)
        rows = [row for row in engine.call("GET", "/containers/json", {"all": "1"}) if self._choice.takes(row)]
        rows.sort(key=lambda row: row.get("Created", 0), reverse=True)
        self._omitted = max(0, len(rows) - _MOST)
        known = {row["Id"]: row for row in rows[:_MOST]}
        for key in [key for key in self._members if key not in known]:
            member = self._members[key]
            if member.tail.done.is_set():
                del self._members[key]
                self._leave(member)
        new = []
        for key, row in known.items():
            old = self._members.get(key)
            if old is None:
                new.append(self._add(row, 0 if self._loaded.is_set() else None))
            elif row.get("State") == "running" and not old.live:
                self._leave(old)
                new.append(self._add(row, old.sent))
        gevent.joinall(new, timeout=5.0)
        self._loaded.set()

    def _leave(self, member: Member) -> None:
        if member.listener:
            member.tail.leave(member.listener)
        self._tails.release(self._at, member.tail)

    def _add(self, row: Mapping[str, Any], position: int | None) -> gevent.Greenlet:
        old = self._members.get(row["Id"])
        if old is None:
            self._numbers += 1
        member = Member(old.n if old else self._numbers, row, self._tails.open(self._at, row["Id"]))
        member.live = True
        return gevent.spawn(self._follow, member, position)

    def _follow(self, member: Member, position: int | None) -> None:
        """Take a container up: from where its tail begins, or with all that came after a position."""
        tail = member.tail
        tail.ready.wait()
        member.sent = tail.position if position is None else position
        member.live = not tail.done.is_set()
        self._members[member.row["Id"]] = member
        if position is not None:
            self.publish({"sources": [member.describe()]})
            while not tail.knows(member.sent) and member.sent < tail.position:
                target = tail.position
                try:
                    for chunk in tail.history({"after": member.sent}, target):
                        self._flush()
                        self._send([(member, chunk)])
                except (WebError, OSError):
                    pass  # gone, and not kept
                member.sent = target
            for chunk in tail.after(member.sent, tail.position):
                self._take(member, chunk)
        if tail.done.is_set():
            self._ended(member)
            return
        member.listener = lambda chunk: self._take(member, chunk)
        tail.listen(member.listener)
        gevent.spawn(self._watch_end, member)

    def _watch_end(self, member: Member) -> None:
        member.tail.done.wait()
        if self._members.get(member.row["Id"]) is member:
            self._ended(member)
            self._due.set()  # it may have started again before its log came to the end

    def _ended(self, member: Member) -> None:
        self._flush()
        member.live = False
        self.publish({"ended": [member.n]})

    def _take(self, member: Member, chunk: Chunk) -> None:
        if self._members.get(member.row["Id"]) is not member:
            return
        if not member.chunks:
            self._waiting.append(member)
        member.chunks.append(chunk)
        self._chars += len(chunk.text)
        if self._chars >= _BATCH_CHARS:
            self._flush()
        else:
            self._delay.start()

    def _flush(self) -> None:
        self._delay.stop()
        waiting, self._waiting, self._chars = self._waiting, [], 0
        parts = []
        for member in waiting:
            chunks, member.chunks = member.chunks, []
            parts += [(member, chunk) for chunk in chunks]
        if parts:
            self._send(parts)

    def _send(self, parts: list[tuple[Member, Chunk]]) -> None:
        for member, chunk in parts:
            member.sent = chunk.position
        self.publish(_parts([(member.n, chunk) for member, chunk in parts]))


def _parts(parts: list[tuple[int, Chunk]]) -> Payload:
    skipped: Counter[str] = Counter()
    told = []
    for n, chunk in parts:
        told.append({"n": n, "lines": chunk.text, "position": chunk.position})
        if chunk.skipped:
            skipped[str(n)] += chunk.skipped
    return {"parts": told, **({"skipped": dict(skipped)} if skipped else {})}
