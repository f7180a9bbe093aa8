"""Searching, paging, counting and exporting logs, of any number of sources at once (docs/logs.md).

Frames are read by a few threads: decompression lets go of the interpreter's lock. At most four searches work at a time;
the next waits for one of them to give something.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from engine.clock import now_ns
from engine.errors import NotFound, Unavailable
from engine.logs import levels
from engine.logs import search as logs_search
from engine.logs.frames import FOREVER, ArchivedFrame, Frame
from engine.logs.matching import Filter, Matcher
from engine.logs.search import Batch, Cursor, End, Found, Order, Progress
from engine.services.log_sources import LogSources, Opened, Selector
from engine.values import Scope

_AT_ONCE = 4
_WAIT_S = 0.2
_COUNTING_S = 2.0
_ALL = (-1, -1), (1 << 63, 1 << 63)
Gone = Callable[[], bool]
Records = Generator[Batch | Progress | End, None, None]


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, oldest first, and whether there is more on either side."""

    found: Sequence[Found]
    begin: bool
    end: bool


@dataclass(frozen=True, slots=True)
class Histogram:
    """Lines by time and level: `counts[level][bucket]`. `reached_ns`: back to when all was counted."""

    since_ns: int
    until_ns: int
    step_ns: int
    counts: Sequence[Sequence[int]]
    complete: bool
    reached_ns: int


class Results:
    """A search under way: the sources it is in, and what it gives."""

    def __init__(self, opened: Opened, matcher: Matcher, records: Iterator[Batch | Progress | End]) -> None:
        self.sources = opened.sources
        self.matcher = matcher
        self.records = records


class LogSearch:
    """Answers questions about what is in logs."""

    def __init__(self, sources: LogSources) -> None:
        self._sources = sources
        self._turns = threading.Semaphore(_AT_ONCE)
        self._pool = ThreadPoolExecutor(max(2, min(4, os.cpu_count() or 2)), "log-search")

    def close(self) -> None:
        """End the threads, after what they are at."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def search(
        self, scope: Scope, selector: Selector, wanted: Filter, order: Order, is_gone: Gone = lambda: False
    ) -> Iterator[Results]:
        """Search for the time of the block. Raises InvalidArgument for a bad pattern."""
        matcher = Matcher(wanted)
        found = self._sources.list_(scope, selector, wanted.since_ns, wanted.until_ns)
        opened = self._sources.open(found)
        records = logs_search.search(opened.logs, matcher, order, self._pool, is_gone)
        try:
            yield Results(opened, matcher, self._in_turn(records, is_gone))
        finally:
            records.close()
            opened.close()

    def page(
        self, scope: Scope, selector: Selector, wanted: Filter, order: Order, is_gone: Gone = lambda: False
    ) -> tuple[Page, Results]:
        """Return a page of lines: before the cursor (`order.newest`) or after it."""
        with self.search(scope, selector, wanted, order, is_gone) as results:
            found, complete = _collect(results)
        last = order.cursor is None
        if order.newest:
            return Page(found[::-1], begin=complete, end=last), results
        return Page(found, begin=last, end=complete), results

    def context(self, scope: Scope, reference: str, cursor: Cursor, before: int, after: int) -> tuple[Page, Results]:
        """Return the lines around a line of one source. Raises NotFound where the line is no more."""
        source = self._sources.get(scope, reference)
        selector = Selector(ids=(source.id,))
        just_before = Cursor(cursor.time_ns, cursor.source, cursor.position - 1)
        following = Order(newest=False, limit=after + 1, cursor=just_before)
        later, results = self.page(scope, selector, Filter(), following)
        if not later.found or later.found[0].cursor != cursor:
            raise NotFound("No such line: the log does not have it any more")
        begin, earlier = False, Page((), begin=False, end=False)
        if before:
            earlier, _ = self.page(scope, selector, Filter(), Order(newest=True, limit=before, cursor=cursor))
            begin = earlier.begin
        return Page([*earlier.found, *later.found], begin=begin, end=later.end), results

    def histogram(self, scope: Scope, selector: Selector, wanted: Filter, buckets: int, is_gone: Gone) -> Histogram:
        """Count what a filter takes, by time and level, newest first, for at most two seconds."""
        matcher = Matcher(wanted)
        found = self._sources.list_(scope, selector, wanted.since_ns, wanted.until_ns)
        with self._turn(is_gone):
            opened = self._sources.open(found)
            try:
                frames = [f for log in opened.logs.values() for f in log.frames if matcher.can_hold(f)]
                return _Counting(matcher, frames, buckets).run(is_gone)
            finally:
                opened.close()

    @contextmanager
    def _turn(self, is_gone: Gone) -> Iterator[None]:
        while not self._turns.acquire(timeout=_WAIT_S):
            if is_gone():
                raise Unavailable("the client has gone")
        try:
            yield
        finally:
            self._turns.release()

    def _in_turn(self, records: Records, is_gone: Gone) -> Iterator[Batch | Progress | End]:
        """Let others search while a client takes what was found."""
        while True:
            with self._turn(is_gone):
                record = next(records, None)
            if record is None:
                return
            yield record


def _collect(results: Results) -> tuple[list[Found], bool]:
    found: list[Found] = []
    complete = False
    for record in results.records:
        if isinstance(record, Batch):
            found += record.found
        elif isinstance(record, End):
            complete = record.complete
    return found, complete


class _Counting:
    """One histogram being made."""

    def __init__(self, matcher: Matcher, frames: Sequence[Frame], buckets: int) -> None:
        wanted = matcher.wanted
        self._matcher = matcher
        self._frames = sorted(frames, key=lambda frame: frame.max_ns, reverse=True)
        now = now_ns()
        self._since = wanted.since_ns or min((frame.min_ns for frame in frames), default=now)
        last = max((now if frame.max_ns == FOREVER else frame.max_ns for frame in frames), default=now)
        self._until = max(wanted.until_ns or last, self._since)
        self._step = (self._until - self._since) // buckets + 1
        self._counts = [[0] * buckets for _ in levels.NAMES]
        self._plain = replace(wanted, since_ns=0, until_ns=0, levels=None).takes_all

    def run(self, is_gone: Gone) -> Histogram:
        deadline = time.monotonic() + _COUNTING_S
        reached, complete = self._until, True
        for index, frame in enumerate(self._frames):
            if is_gone() or time.monotonic() > deadline:
                complete, reached = False, min(frame.max_ns, reached)
                break
            self._count(frame)
            reached = self._frames[index + 1].max_ns if index + 1 < len(self._frames) else self._since
        return Histogram(self._since, self._until, self._step, self._counts, complete, min(reached, self._until))

    def _count(self, frame: Frame) -> None:
        within = frame.min_ns >= self._since and frame.max_ns <= self._until
        first, last = (frame.min_ns - self._since) // self._step, (frame.max_ns - self._since) // self._step
        if self._plain and frame.counts is not None and within and first == last:
            for level, count in enumerate(frame.counts):
                self._add(first, level, count)
            return
        if self._plain and isinstance(frame, ArchivedFrame):
            times, graves = frame.heads()
        elif self._plain:
            block = frame.load()
            times, graves = block.heads.times, levels.detect_all(block.lines)
        else:
            hits = self._matcher.scan(frame, *_ALL, 0, 1 << 62)
            times, graves = [hit.time_ns for hit in hits], bytes(hit.level for hit in hits)
        since, until, step = self._since, self._until, self._step
        places = [(time_ns - since) // step if since <= time_ns <= until else -1 for time_ns in times]
        for (place, level), count in Counter(zip(places, graves, strict=True)).items():
            self._add(place, level, count)

    def _add(self, place: int, level: int, count: int) -> None:
        wanted = self._matcher.wanted.levels
        if 0 <= place < len(self._counts[0]) and (wanted is None or level in wanted):
            self._counts[level][place] += count
