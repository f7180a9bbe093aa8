"""Whole lines in columns: what searching, paging and archiving work on. Built from conmon's physical lines.

A line's end has a position (`logs.files`); lines of a block come in the order of their ends. Times are those of a
line's first byte, so they can go back a little where two streams write lines in pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from engine.logs.drivers import k8s_file
from engine.logs.model import STDERR, STDOUT

IS_STDERR, IS_PART, IS_CONTINUED = 1, 2, 4
"""Flags of a line: its stream; no newline (yet), or it goes on in the next one; it goes on from the one before."""

_FULL_OUT, _FULL_ERR = b" stdout F ", b" stderr F "
_TAGS = {_FULL_OUT, _FULL_ERR, b" stdout P ", b" stderr P "}
_O, _P = ord("o"), ord("P")


def stream_of(flags: int) -> str:
    """Return the stream's name."""
    return STDERR if flags & IS_STDERR else STDOUT


@dataclass(slots=True)
class Heads:
    """What is known of a block's lines besides their text, a column each; `levels` where they are stored."""

    times: Sequence[int]
    flags: bytes
    ends: Sequence[int]
    levels: bytes | None = None


class Block:
    """Some whole lines: their texts joined by newlines, their heads when somebody asks."""

    def __init__(self, text: bytes, count: int, heads: Callable[[], Heads]) -> None:
        self.text = text
        self.count = count
        self._load = heads
        self._lines: list[bytes] | None = None
        self._heads: Heads | None = None

    @property
    def lines(self) -> list[bytes]:
        """The texts one by one."""
        if self._lines is None:
            self._lines = self.text.split(b"\n") if self.count else []
        return self._lines

    @property
    def heads(self) -> Heads:
        """Times, streams, positions, levels."""
        if self._heads is None:
            self._heads = self._load()
        return self._heads


NOTHING = Block(b"", 0, lambda: Heads((), b"", (), b""))


@dataclass(slots=True)
class Columns:
    """Whole lines as they are gathered: texts, heads (conmon's first 45 bytes or more of each), flags, positions."""

    texts: list[bytes]
    heads: list[bytes]
    flags: bytes
    ends: list[int]

    def times(self) -> list[int]:
        """Return each line's time; lines of one read of conmon's have the same."""
        found, before, time_ns = [], b"", 0
        for head in self.heads:
            stamp = head[:35]
            if stamp != before:
                before, time_ns = stamp, k8s_file.parse_time(head)
            found.append(time_ns)
        return found

    def block(self) -> Block:
        """Return them as a block."""
        return Block(b"\n".join(self.texts), len(self.texts), lambda: Heads(self.times(), self.flags, self.ends))


class Gatherer:
    """Fed with conmon's bytes in order, gives whole lines. `skip`: line ends of a stream to leave out first."""

    def __init__(self, skip: dict[bytes, int] | None = None) -> None:
        self._skip = {stream: count for stream, count in (skip or {}).items() if count > 0}
        self._held: dict[bytes, _Held] = {}

    def feed(self, data: bytes, position: int) -> Columns:
        """Return the lines that `data`, whole physical lines from `position` on, completes."""
        lines = data.split(b"\n")
        lines.pop()
        tags = {line[k8s_file.TAG] for line in lines}
        if tags <= {_FULL_OUT, _FULL_ERR} and not self._held and not self._skip:
            ends = list(accumulate([len(line) + 1 for line in lines], initial=position))[1:]
            return Columns([line[k8s_file.HEAD :] for line in lines], lines, _flags(lines, tags), ends)
        if tags <= _TAGS and not self._skip:
            return self._in_runs(lines, position)
        out = _Out(position)
        self._one_by_one(lines, out)
        return out.columns()

    def flush(self) -> Columns:
        """Return what has no end, as parts that end where their last pieces do: the log ends here."""
        rest = sorted(self._held.items(), key=lambda item: item[1].head)
        self._held.clear()
        texts = [b"".join(held.pieces) for _, held in rest]
        flags = bytes(_bit(stream) | IS_PART | held.flags for stream, held in rest)
        return Columns(texts, [held.head for _, held in rest], flags, [held.end for _, held in rest])

    def _in_runs(self, lines: list[bytes], position: int) -> Columns:
        """Copy the runs of unbroken lines, go through the others one by one while a stream is in mid-line."""
        out = _Out(position)
        at = 0
        for index in [*(n for n, line in enumerate(lines) if line[43] == _P), len(lines)]:
            while at < index and self._held:
                self._one_by_one(lines[at : at + 1], out)
                at += 1
            if at < index:
                out.add_run(lines[at:index])
            self._one_by_one(lines[index : index + 1], out)
            at = index + 1
        return out.columns()

    def _one_by_one(self, lines: Iterable[bytes], out: _Out) -> None:
        for line in lines:
            out.position += len(line) + 1
            if k8s_file.is_line(line):  # else nothing that conmon wrote
                for text, head, flag in self._take(line, out.position):
                    out.add(text, head, flag)

    def _take(self, line: bytes, end: int) -> Iterator[tuple[bytes, bytes, int]]:
        stream, piece = line[k8s_file.STREAM], k8s_file.is_piece(line)
        if left := self._skip.get(stream, 0):
            self._skip[stream] = left - (not piece)
            self._skip = {name: count for name, count in self._skip.items() if count}
            return
        held = self._held.pop(stream, None)
        if not piece:
            pieces = [*held.pieces, line[k8s_file.HEAD :]] if held else [line[k8s_file.HEAD :]]
            yield b"".join(pieces), held.head if held else line, _bit(stream) | (held.flags if held else 0)
            return
        held = held or _Held(line[: k8s_file.HEAD], [], 0, 0)
        held.pieces.append(line[k8s_file.HEAD :])
        held.size += len(line)
        held.end = end
        if held.size > k8s_file.MAX_PENDING:
            yield b"".join(held.pieces), held.head, _bit(stream) | IS_PART | held.flags
            held = _Held(held.head, [], 0, IS_CONTINUED)
        self._held[stream] = held


@dataclass(slots=True)
class _Held:
    head: bytes
    pieces: list[bytes]
    size: int
    flags: int
    end: int = 0


class _Out:
    """Columns in the making."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._columns = Columns([], [], b"", [])
        self._flags = bytearray()

    def add(self, text: bytes, head: bytes, flag: int) -> None:
        self._columns.texts.append(text)
        self._columns.heads.append(head)
        self._columns.ends.append(self.position)
        self._flags.append(flag)

    def add_run(self, lines: list[bytes]) -> None:
        ends = list(accumulate([len(line) + 1 for line in lines], initial=self.position))
        self.position = ends[-1]
        self._columns.ends += ends[1:]
        self._columns.texts += [line[k8s_file.HEAD :] for line in lines]
        self._columns.heads += lines
        self._flags += bytes([line[39] != _O for line in lines])

    def columns(self) -> Columns:
        self._columns.flags = bytes(self._flags)
        return self._columns


def _bit(stream: bytes) -> int:
    return IS_STDERR if stream == b"stderr" else 0


def _flags(lines: Sequence[bytes], tags: set[bytes]) -> bytes:
    if len(tags) < 2:
        return bytes([IS_STDERR if tags == {_FULL_ERR} else 0]) * len(lines)
    return bytes([line[39] != _O for line in lines])
