"""Reads a log forward: from where a query begins, over all files, to its end, and on as it grows."""

from __future__ import annotations

from engine.logs import seek
from engine.logs.drivers import k8s_file
from engine.logs.drivers.k8s_file import Lines
from engine.logs.files import LogFiles, Segment
from engine.logs.model import LogQuery

_BLOCK = 1 << 18
"""About a socket's buffer: the client reads one while the next is made."""


class LogReader:
    """The lines of a log that a query asks for. `read` until None; for a growing log again after each change.

    A log that is not `growing` is read as it is now, and to its last byte. Close it after use; one thread at a time.
    """

    def __init__(self, files: LogFiles, query: LogQuery, *, growing: bool) -> None:
        self._files = files
        self._growing = growing
        self._until_ns = query.until_ns
        self._segments: list[Segment] = files.open()
        self._end = seek.end_of(self._segments)
        self._skipped = 0
        self._after = -1 if query.after is None else query.after
        start = self._start(query)
        self._index, self._offset = start.position
        self._before = query.before
        at_end = query.tail == 0 and query.after is None and not query.until_ns
        self._position = self._position_of(self._end) if at_end else max(self._place(), self._after)
        self._joiner = k8s_file.Joiner(query.streams, start.skip)
        self._done = False

    def _start(self, query: LogQuery) -> seek.Start:
        segments = self._segments
        start = seek.beginning(segments)
        if query.before is not None:
            self._end = min(self._end, seek.place_of(segments, query.before))
        if query.after is not None:
            if segments and query.after < segments[0].base:
                self._skipped = self._files.lines_dropped(query.after)
            return seek.start_after(segments, seek.place_of(segments, query.after), query.streams)
        if query.until_ns:
            self._end = min(self._end, seek.find_after(segments, query.until_ns))
        if query.since_ns:
            start = seek.start_at(segments, seek.find_since(segments, query.since_ns), query.streams)
        if query.tail is None or start.position >= self._end:
            return start
        if query.tail == 0 and not self._growing:
            return seek.Start(self._end, {})
        growing = self._growing or query.before is not None
        return seek.start_of_tail(segments, start, self._end, query.tail, query.streams, growing=growing)

    def read(self) -> Lines | None:
        """Return the next whole lines (a block may hold none of the query's), None at the end, for now or for good."""
        if self._done:
            return None
        block = self._next_block()
        if not block:
            return None
        lines, tags = k8s_file.split_lines(block)
        self._note_position(lines)
        if self._growing and self._until_ns and lines and k8s_file.parse_time(lines[-1]) > self._until_ns:
            lines = [line for line in lines if k8s_file.parse_time(line) <= self._until_ns]
            self._done = True
        return self._joiner.join(Lines(lines, tags))

    @property
    def is_done(self) -> bool:
        """Whether nothing more can come: lines later than the query's end were met."""
        return self._done

    @property
    def position(self) -> int:
        """The position after the lines given so far: `LogQuery.after` goes on there."""
        return self._position

    def _note_position(self, lines: list[bytes]) -> None:
        """A line in the making at the end of a block is not given yet: the position is before it."""
        end = self._place()
        for line in reversed(lines):
            if not k8s_file.is_piece(line):
                self._position = end
                break
            end -= len(line) + 1

    def _place(self) -> int:
        return self._position_of(seek.Position(self._index, self._offset))

    def _position_of(self, place: seek.Position) -> int:
        return self._segments[place.file].base + place.offset if self._segments else 0

    def take_skipped(self) -> int:
        """Return how many lines rotation has dropped before this reader came to them, since the last call."""
        skipped, self._skipped = self._skipped, 0
        return skipped

    def flush(self) -> Lines:
        """Return what was written after the last newline: nobody will write its end.

        A reader that began after a position gives it only if some of it came later.
        """
        rest = self._joiner.flush()
        if rest.lines and (self._place() <= self._after or self._before is not None):
            return Lines([], set())
        self._position = max(self._position, self._place())
        return rest

    def close(self) -> None:
        """Close the files."""
        for segment in self._segments:
            segment.close()
        self._segments = []
        self._done = True

    def _next_block(self) -> bytes:
        while self._index < len(self._segments):
            block = self._block()
            if block:
                return block
            if self._index + 1 == len(self._segments) and not self._follow_rotation():
                return b""
            # The file is final once it has a successor: what came between the last look and that is still to be read.
            block = self._block()
            if block:
                return block
            self._segments[self._index].close()  # a file that rotation has dropped frees its space now
            self._index += 1
            self._offset = 0
        return self._next_block() if self._growing and self._follow_rotation() else b""

    def _follow_rotation(self) -> bool:
        """Take up the file that came after the last one, if there is one."""
        if not self._growing:
            return False
        successor = self._files.open_after(self._segments[-1].inode if self._segments else 0)
        if successor is None:
            return False
        if self._segments:
            last = self._segments[-1]
            end = last.base + last.final_size()
            if successor.base > end:
                self._skipped += self._files.lines_dropped(end)
                self._joiner.restart(successor.headless)
        self._segments.append(successor)
        return True

    def _block(self) -> bytes:
        """Return the next bytes of the current file that end with a line."""
        segment = self._segments[self._index]
        count = _BLOCK
        if not self._growing:
            limit = segment.size if self._index < self._end.file else self._end.offset
            count = min(count, limit - self._offset) if self._index <= self._end.file else 0
        data = segment.read(self._offset, count) if count > 0 else b""
        cut = data.rfind(b"\n") + 1
        if cut == 0 and len(data) == _BLOCK:
            self._offset += len(data)  # so much without a line: nothing that conmon wrote
            return self._block()
        self._offset += cut
        return data if cut == len(data) else data[:cut]
