"""Goes through the frames of many logs in the order of time, several at once; gives hits when their place is sure.

Newest first, a hit is given when no frame left can hold a later line; so answers begin at once and end early. Lines are
ordered by time, source, position; a `Cursor` is a place in that order.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.errors import InvalidArgument
from engine.logs.frames import Frame, OpenLog
from engine.logs.matching import Hit, Matcher

_PROGRESS_S = 0.25
_AHEAD = 4
SHORT_ID = 12
_EVERY = (-1, -1)
_NONE = (1 << 63, 1 << 63)
_CURSOR = re.compile(r"(\d{1,19})\.(\d{1,19})\.([0-9a-f]{12})\Z")


class Cursor(NamedTuple):
    """A line's place among the lines of all sources; `source` is the id's first 12 characters."""

    time_ns: int
    source: str
    position: int

    def render(self) -> str:
        """Return it as text."""
        return f"{self.time_ns}.{self.position}.{self.source}"


def parse_cursor(text: str) -> Cursor | None:
    """Return a cursor from its text, None from an empty one. Raises InvalidArgument."""
    if not text:
        return None
    match = _CURSOR.match(text)
    if match is None:
        raise InvalidArgument(f"cursor: not one that this API gave: {text[:80]!r}")
    return Cursor(int(match[1]), match[3], int(match[2]))


class Found(NamedTuple):
    """A hit and the source it is of."""

    source: str
    hit: Hit

    @property
    def cursor(self) -> Cursor:
        """Its place."""
        return Cursor(self.hit.time_ns, self.source[:SHORT_ID], self.hit.position)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some hits, in final order."""

    found: list[Found]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: bytes, hits, and the time down (or up) to which all was seen."""

    scanned: int
    total: int
    hits: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more comes: all was seen, or so many were found as were asked for, and `cursor` goes on."""

    hits: int
    complete: bool
    cursor: str
    scanned: int
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Order:
    """Newest first or not, how many (0: all), after which line."""

    newest: bool = True
    limit: int = 0
    cursor: Cursor | None = None

    def bounds(self, source: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the (time, position) between which a source's lines are still to come."""
        if self.cursor is None:
            return _EVERY, _NONE
        at, own = self.cursor, source[:SHORT_ID]
        if own == self.cursor.source:
            place = (at.time_ns, at.position)
        else:
            taken = (own > at.source) if self.newest else (own < at.source)
            place = (at.time_ns, -1 if taken == self.newest else 1 << 63)
        return (_EVERY, place) if self.newest else (place, _NONE)


class _Task(NamedTuple):
    bound: int
    source: str
    frame: Frame


@dataclass(slots=True)
class _State:
    total: int
    started: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    scanned: int = 0
    hits: int = 0
    last: Cursor | None = None


def search(
    logs: Mapping[str, OpenLog], matcher: Matcher, order: Order, pool: Executor, is_gone: Callable[[], bool]
) -> Generator[Batch | Progress | End, None, None]:
    """Yield what is found in some logs (by source id), now and then how far it is, and in the end an `End`.

    Closing the generator stops the work; the logs may be closed after that.
    """
    tasks = deque(_tasks(logs, matcher, order))
    state = _State(sum(task.frame.size for task in tasks))
    running: deque[tuple[_Task, Future[list[Hit]]]] = deque()
    waiting: list[Found] = []
    try:
        while (tasks or running) and not is_gone():
            while tasks and len(running) < _AHEAD:
                task = tasks.popleft()
                running.append((task, pool.submit(_scan, task, matcher, order)))
            task, future = running.popleft()
            waiting += [Found(task.source, hit) for hit in future.result()]
            state.scanned += task.frame.size
            left = running[0][0] if running else tasks[0] if tasks else None
            ready, waiting = _settled(waiting, left, order, state.hits)
            if ready:
                state.hits += len(ready)
                state.last = ready[-1].cursor
                yield Batch(ready)
            if order.limit and state.hits >= order.limit:
                break
            if left is not None and time.monotonic() - state.told > _PROGRESS_S:
                state.told = time.monotonic()
                yield Progress(state.scanned, state.total, state.hits, left.bound)
        yield _end(state, complete=not (tasks or running or waiting or is_gone()))
    finally:
        for _, future in running:
            future.cancel()
        for _, future in running:
            if not future.cancelled():
                future.exception()


def _end(state: _State, *, complete: bool) -> End:
    cursor = "" if complete or state.last is None else state.last.render()
    seconds = time.monotonic() - state.started
    return End(state.hits, complete, cursor, state.scanned, state.total, seconds)


def _tasks(logs: Mapping[str, OpenLog], matcher: Matcher, order: Order) -> list[_Task]:
    tasks = []
    for source, log in logs.items():
        lowest, highest = order.bounds(source)
        for frame in log.frames:
            if matcher.can_hold(frame) and frame.max_ns >= lowest[0] and frame.min_ns <= highest[0]:
                tasks.append(_Task(frame.max_ns if order.newest else frame.min_ns, source, frame))
    tasks.sort(key=lambda task: (task.bound, task.frame.position), reverse=order.newest)
    return tasks


def _scan(task: _Task, matcher: Matcher, order: Order) -> list[Hit]:
    lowest, highest = order.bounds(task.source)
    wanted = order.limit + 1 if order.limit else 1 << 62  # one more tells that there is more
    return matcher.scan(task.frame, lowest, highest, wanted if order.newest else 0, 0 if order.newest else wanted)


def _settled(waiting: list[Found], left: _Task | None, order: Order, given: int) -> tuple[list[Found], list[Found]]:
    """Return the hits that nothing still to come can precede, in order, and those that must wait."""
    waiting.sort(key=lambda found: found.cursor, reverse=order.newest)
    room = order.limit - given if order.limit else len(waiting)
    if left is None:
        return waiting[:room], waiting[room:]
    count = 0
    for found in waiting:
        time_ns = found.hit.time_ns
        if not (time_ns > left.bound if order.newest else time_ns < left.bound):
            break
        count += 1
    count = min(count, room)
    return waiting[:count], waiting[count : room + 1]


def around(found: Sequence[Found], cursor: Cursor) -> int:
    """Return where in ordered hits a cursor's line is; -1 where it is not."""
    return next((index for index, one in enumerate(found) if one.cursor == cursor), -1)
