"""Where in a log to begin and to end: by time (binary search) and by count from the end (backwards in blocks).

A place is a `Position`: which file, which byte; always the beginning of a physical line. A line may be in the making at
a place (its pieces before, its end after it); then `skip` says for each stream how many line ends to leave out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from engine.logs.drivers import k8s_file
from engine.logs.files import Segment

_WINDOW = 1 << 15
"""Bytes that are looked through line by line; longer than any physical line."""
_LOOK_BACK = 1 << 20
"""How far a line's earlier pieces may lie before it, where the other stream wrote in between."""
_FIRST_BLOCK = 1 << 14
_BLOCK = 1 << 20


class Position(NamedTuple):
    """The beginning of a physical line: number of the file (oldest 0), offset in it."""

    file: int
    offset: int


class Start(NamedTuple):
    """A place to begin and the line ends of each stream to leave out there."""

    position: Position
    skip: dict[bytes, int]


def end_of(segments: Sequence[Segment]) -> Position:
    """Return the end of the log as it was when it was opened, without a line half written."""
    for index in range(len(segments) - 1, -1, -1):
        size = segments[index].size
        if size or index == 0:
            last = segments[index].read(max(0, size - _WINDOW), min(size, _WINDOW))
            return Position(index, size - (len(last) - last.rfind(b"\n") - 1))
    return Position(0, 0)


def span_of(segments: Sequence[Segment]) -> tuple[int, int]:
    """Return the times of the first and the last physical line; (0, 0) for no lines."""
    times = []
    for segment in segments:
        if segment.size:
            head = segment.read(0, k8s_file.HEAD)
            times.append(k8s_file.parse_time(head))
    for segment in reversed(segments):
        lines = segment.read(max(0, segment.size - _WINDOW), min(segment.size, _WINDOW)).split(b"\n")[:-1]
        if lines:
            return times[0], k8s_file.parse_time(lines[-1])
    return (0, 0)


def find_since(segments: Sequence[Segment], when_ns: int) -> Position:
    """Return the first line written at `when_ns` or later, or the end."""
    return _find(segments, lambda line: k8s_file.parse_time(line) < when_ns)


def find_after(segments: Sequence[Segment], when_ns: int) -> Position:
    """Return the first line written later than `when_ns`, or the end."""
    return _find(segments, lambda line: k8s_file.parse_time(line) <= when_ns)


def _find(segments: Sequence[Segment], is_before: Callable[[bytes], bool]) -> Position:
    for index in range(len(segments) - 1, -1, -1):
        first = _line_from(segments[index], 0, segments[index].size, aligned=True)
        if first is not None and (is_before(first[1]) or index == 0):
            offset = _bisect(segments[index], is_before)
            if offset >= segments[index].size and index + 1 < len(segments):
                return Position(index + 1, 0)
            return Position(index, offset)
    return Position(0, 0)


def _bisect(segment: Segment, is_before: Callable[[bytes], bool]) -> int:
    low, high = 0, segment.size
    while high - low > 2 * _WINDOW:
        found = _line_from(segment, (low + high) // 2, high)
        if found is None:
            break
        if is_before(found[1]):
            low = found[0]
        else:
            high = found[0]
    for line in segment.read(low, high - low).split(b"\n")[:-1]:
        if k8s_file.is_line(line) and not is_before(line):
            break
        low += len(line) + 1
    return low


def _line_from(segment: Segment, offset: int, end: int, *, aligned: bool = False) -> tuple[int, bytes] | None:
    """Return offset and bytes of the first line that begins at (`aligned`) or after `offset` and ends before `end`."""
    data = segment.read(offset, min(_WINDOW, end - offset))
    at = 0 if aligned else data.find(b"\n") + 1
    if at == 0 and not aligned:
        return None
    while (newline := data.find(b"\n", at)) >= 0:
        line = data[at:newline]
        if k8s_file.is_line(line):
            return offset + at, line
        at = newline + 1
    return None


def beginning(segments: Sequence[Segment]) -> Start:
    """Return the log's beginning; lines whose own beginning was dropped by rotation are left out."""
    return Start(Position(0, 0), {name.encode(): 1 for name in (segments[0].headless if segments else ())})


def place_of(segments: Sequence[Segment], position: int) -> Position:
    """Return the place of a byte's position; the beginning or the end where it lies outside."""
    for index in range(len(segments) - 1, -1, -1):
        if segments[index].base <= position:
            return Position(index, min(position - segments[index].base, segments[index].size))
    return Position(0, 0)


def start_after(segments: Sequence[Segment], end: Position, streams: frozenset[str], budget: int = _LOOK_BACK) -> Start:
    """Return where to begin for all lines that end after `end`: one in the making there is found within `budget`."""
    begin = beginning(segments)
    ends: Counter[bytes] = Counter()
    unfinished: set[bytes] = set()
    chosen = {name.encode() for name in streams}
    place = end
    for reached, lines in _backwards(segments, begin.position, end, budget):
        place = reached
        for line in reversed(lines):
            stream = line[k8s_file.STREAM]
            if not k8s_file.is_piece(line):
                ends[stream] += 1
            elif not ends[stream]:
                unfinished.add(stream)
        if all(ends[stream] for stream in chosen):
            break
    if _is_beginning(segments, place):
        headless = [stream for stream in begin.skip if not ends[stream]]
        ends.update(headless)
        unfinished.update(headless)
    return Start(place, dict(ends)) if unfinished & chosen else Start(end, {})


def _is_beginning(segments: Sequence[Segment], place: Position) -> bool:
    """Say whether nothing is before a place: the files before it, if any, are empty."""
    return place.offset == 0 and not any(segment.size for segment in segments[: place.file])


def start_at(segments: Sequence[Segment], position: Position, streams: frozenset[str]) -> Start:
    """Return `position` as a start: lines that began before it are left out."""
    if _is_beginning(segments, position):
        return Start(position, beginning(segments).skip)
    unseen = {name.encode() for name in streams}
    skip = {}
    for _, lines in _backwards(segments, Position(0, 0), position, budget=2 * _WINDOW):
        for line in reversed(lines):
            if line[k8s_file.STREAM] in unseen:
                unseen.discard(line[k8s_file.STREAM])
                if k8s_file.is_piece(line):
                    skip[line[k8s_file.STREAM]] = 1
        if not unseen:
            break
    return Start(position, skip)


def start_of_tail(
    segments: Sequence[Segment], begin: Start, end: Position, count: int, streams: frozenset[str], *, growing: bool
) -> Start:
    """Return where the last `count` lines of `streams` between `begin` and `end` start.

    An unfinished line is one of them, or comes on top where the log is `growing` (a follower sees its end).
    """
    chosen = {name.encode() for name in streams}
    tail = _Tail(count, growing=growing)
    budget = _LOOK_BACK
    position = begin.position
    for position, lines in _backwards(segments, begin.position, end):
        tail.add([line for line in lines if line[k8s_file.STREAM] in chosen])
        if tail.is_complete:
            return Start(position, dict(tail.skip))
        if tail.is_filled:
            budget -= sum(map(len, lines))
            if budget < 0:
                return Start(position, dict(tail.skip))
    skip = {name: max(tail.skip[name], begin.skip.get(name, 0)) for name in chosen}
    return Start(begin.position, skip)


class _Tail:
    """Counts lines from the end of a log backwards, block by block. A line's place is that of its last piece."""

    def __init__(self, count: int, *, growing: bool) -> None:
        self._left = count
        self._growing = growing
        self._seen: set[bytes] = set()
        self._included: set[bytes] = set()
        self.skip: Counter[bytes] = Counter()

    @property
    def is_filled(self) -> bool:
        """Whether lines were left out: the tail begins in the blocks taken."""
        return bool(self.skip)

    @property
    def is_complete(self) -> bool:
        """Whether no line of the tail can have pieces further back."""
        return self.is_filled and all(self.skip[stream] for stream in self._included)

    def add(self, lines: Sequence[bytes]) -> None:
        """Take the block of lines before the one taken last."""
        ends = []
        for line in reversed(lines):
            stream = line[k8s_file.STREAM]
            if not k8s_file.is_piece(line):
                ends.append(stream)
            elif stream not in self._seen and self._growing:
                self._included.add(stream)
            elif stream not in self._seen:
                ends.append(stream)
            self._seen.add(stream)
        taken = min(self._left, len(ends))
        self._left -= taken
        self._included.update(ends[:taken])
        self.skip.update(ends[taken:])


def _backwards(
    segments: Sequence[Segment], begin: Position, end: Position, budget: int = 1 << 62
) -> Iterator[tuple[Position, list[bytes]]]:
    """Yield blocks of whole lines from `end` back to `begin`, each with the place where it begins."""
    index, offset = end
    size = _FIRST_BLOCK
    while budget > 0 and (index, offset) > begin:
        floor = begin.offset if index == begin.file else 0
        if offset <= floor:
            index -= 1
            offset = segments[index].size
            continue
        low = max(floor, offset - size)
        data = segments[index].read(low, offset - low)
        cut = 0 if low == floor else data.find(b"\n") + 1
        if low == floor or 0 < cut < len(data):
            offset = low + cut
            budget -= len(data) - cut
            yield Position(index, offset), k8s_file.split_lines(data[cut:]).lines
        elif size == _BLOCK:
            offset = low  # a MiB without a line: nothing that conmon wrote
        size = min(2 * size, _BLOCK)
