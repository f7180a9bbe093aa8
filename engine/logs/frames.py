"""A log as frames of about a MiB, living or archived alike: bounds of time known before a frame is read.

A living log's frames are cut where its bytes are, as they were when it was opened; a line belongs to the frame where it
ends. Frames may be loaded on any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol

from engine.logs import seek
from engine.logs.archive_file import ArchiveFile, FrameInfo
from engine.logs.blocks import NOTHING, Block, Columns, Gatherer
from engine.logs.drivers import k8s_file
from engine.logs.files import Segment
from engine.logs.model import STDERR, STDOUT

_FRAME = 1 << 20
_HEAD_WINDOW = 1 << 14
_LOOK_BACK = 1 << 17
"""How far back the beginning of a line is looked for that ends in a frame."""
_PIECES = frozenset((b" stdout P ", b" stderr P "))
_BOTH = frozenset((STDOUT, STDERR))
FOREVER = 1 << 62
"""A time later than all."""
Quick = Callable[[bytes], bool]
"""Says whether some bytes can hold what is looked for: false only if they surely don't."""


class Frame(Protocol):
    """A part of a log: no line of it is earlier than `min_ns` or later than `max_ns`."""

    min_ns: int
    max_ns: int
    size: int
    counts: tuple[int, ...] | None
    """How many lines of each level, where that is known."""
    lines: int
    """How many lines, -1: not known before it is read."""
    position: int
    """Where it begins."""

    def load(self, quick: Quick | None = None) -> Block:
        """Return its lines, or none where `quick` says that nothing looked for is in it."""


class ArchivedFrame:
    """A frame of an archive file."""

    def __init__(self, archive: ArchiveFile, info: FrameInfo) -> None:
        self._archive = archive
        self.info = info
        self.min_ns, self.max_ns = info.min_ns, info.max_ns
        self.size, self.lines = info.size, info.lines
        self.counts: tuple[int, ...] | None = info.levels
        self.position = info.position

    def load(self, quick: Quick | None = None) -> Block:
        """Return its lines."""
        block = self._archive.load(self.info)
        return block if quick is None or quick(block.text) else NOTHING

    def heads(self) -> tuple[Sequence[int], bytes]:
        """Return times and levels alone."""
        return self._archive.heads(self.info)


class LivingFrame:
    """A stretch of conmon's file; `is_last` also has what has no end yet."""

    def __init__(
        self, segments: Sequence[Segment], begin: seek.Position, end: seek.Position, bounds: tuple[int, int], last: bool
    ) -> None:
        self._segments, self._begin, self._end, self._last = segments, begin, end, last
        self.min_ns, self.max_ns = bounds
        self.size = end.offset - begin.offset
        self.counts: tuple[int, ...] | None = None
        self.lines = -1
        self.position = segments[begin.file].base + begin.offset

    def load(self, quick: Quick | None = None) -> Block:
        """Return its lines."""
        segment = self._segments[self._begin.file]
        data = segment.read(self._begin.offset, self.size)
        start = seek.start_after(self._segments, self._begin, _BOTH, _LOOK_BACK)
        if quick is not None and not self._last and not start.skip and not quick(data + _broken(data)):
            return NOTHING
        gatherer = Gatherer(start.skip)
        for index in range(start.position.file, self._begin.file + 1):
            before = self._segments[index]
            offset = start.position.offset if index == start.position.file else 0
            stop = self._begin.offset if index == self._begin.file else before.size
            if stop > offset:
                gatherer.feed(before.read(offset, stop - offset), before.base + offset)
        columns = gatherer.feed(data, self.position)
        if not self._last:
            return columns.block()
        return _joined(columns, gatherer.flush()).block()


def _broken(data: bytes) -> bytes:
    """Return the texts of the lines that come in pieces and end in `data`, each after a newline."""
    if b" P " not in data:
        return b""
    lines = data.split(b"\n")
    held: dict[bytes, list[bytes]] = {}
    found, at = [], 0
    pieces = [number for number, line in enumerate(lines) if line[k8s_file.TAG] in _PIECES]
    for number in pieces:
        at = max(at, number)
        while at < len(lines) and (at == number or held):
            line = lines[at]
            stream = line[k8s_file.STREAM]
            if line[k8s_file.TAG] in _PIECES:
                held.setdefault(stream, []).append(line[k8s_file.HEAD :])
            elif stream in held:
                found.append(b"".join([b"\n", *held.pop(stream), line[k8s_file.HEAD :]]))
            at += 1
    return b"".join(found)


def _joined(one: Columns, two: Columns) -> Columns:
    return Columns(one.texts + two.texts, one.heads + two.heads, one.flags + two.flags, one.ends + two.ends)


def living_frames(segments: Sequence[Segment]) -> list[Frame]:
    """Return the frames of a living log, oldest first."""
    end = seek.end_of(segments)
    places: list[seek.Position] = []
    for index, segment in enumerate(segments):
        size = segment.size if index < end.file else end.offset if index == end.file else 0
        for offset in range(0, size, _FRAME):
            place = _line_at(segment, index, offset, size)
            if place is not None and (not places or place > places[-1]):
                places.append(place)
    times = [_time_at(segments, place) for place in places]
    found: list[Frame] = []
    for number, begin in enumerate(places):
        following = places[number + 1] if number + 1 < len(places) else end
        stop = following if following.file == begin.file else seek.Position(begin.file, segments[begin.file].size)
        last = number + 1 == len(places)
        # A line that ends here can have begun in the frame before.
        bounds = (times[max(0, number - 1)], FOREVER if last else times[number + 1])
        found.append(LivingFrame(segments, begin, stop, bounds, last))
    return found


def _line_at(segment: Segment, index: int, offset: int, size: int) -> seek.Position | None:
    """Return the first physical line that begins at `offset` or later."""
    if offset == 0:
        return seek.Position(index, 0)
    window = segment.read(offset - 1, min(2 * _HEAD_WINDOW, size - offset + 1))
    at = window.find(b"\n")
    return None if at < 0 or offset + at >= size else seek.Position(index, offset + at)


def _time_at(segments: Sequence[Segment], place: seek.Position) -> int:
    return k8s_file.parse_time(segments[place.file].read(place.offset, k8s_file.HEAD))


def archived_frames(archive: ArchiveFile) -> list[Frame]:
    """Return the frames of an archived log, oldest first."""
    return [ArchivedFrame(archive, info) for info in archive.frames]


class OpenLog:
    """The frames of one log with what keeps them open. Close it after use."""

    def __init__(self, frames: list[Frame], resources: ExitStack) -> None:
        self.frames = frames
        self._resources = resources

    @property
    def span(self) -> tuple[int, int]:
        """The times between which lines can be; (0, 0): no lines."""
        if not self.frames:
            return 0, 0
        return min(frame.min_ns for frame in self.frames), max(frame.max_ns for frame in self.frames)

    @property
    def size(self) -> int:
        """Bytes to read for all of it."""
        return sum(frame.size for frame in self.frames)

    def close(self) -> None:
        """Let go of the files."""
        self._resources.close()
