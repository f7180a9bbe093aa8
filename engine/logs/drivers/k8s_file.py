"""conmon's `k8s-file` format: physical lines to whole lines, times, records.

    2026-11-24T05:26:26.978794341+00:00 stdout P hello
    2026-11-24T05:26:27.179814037+00:00 stderr F err
    2026-11-24T05:26:27.280892739+00:00 stdout F  world

conmon writes what one read(2) gave it: a piece that did not end in a newline is `P`, and the same stream's next line
goes on with it. The head of a line is always 45 bytes; a text holds no newline and may hold any other byte. Whole lines
keep the head of their first piece, so that everything after `Joiner` sees one fixed shape. Hot: every byte of every log
passes through here, in large blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from engine.logs.model import STDERR, STDOUT, LogRecord

HEAD = 45
"""Bytes before the text: time (35), ` stdout F ` (10)."""
STREAM = slice(36, 42)
TAG = slice(35, 45)
MAX_PENDING = 1 << 20
"""Bytes of one line held back until its end; a longer line is passed on in parts of about this size."""
CONTINUED = b"+"
"""In place of the space before the text: the line goes on from a part passed on before."""

_FULL = frozenset({b" stdout F ", b" stderr F "})
_TAGS = _FULL | {b" stdout P ", b" stderr P "}
_FLAG = 43
_P = ord("P")
_NAMES = {b"stdout": STDOUT, b"stderr": STDERR}


@lru_cache(maxsize=256)
def _seconds(head: bytes, zone: bytes) -> int:
    return int(datetime.fromisoformat((head + zone).decode()).timestamp())


def parse_time(line: bytes) -> int:
    """Return the time of a line in nanoseconds since the epoch; 0 for what is no time (a torn line)."""
    try:
        return _seconds(line[:19], line[29:35]) * 1_000_000_000 + int(line[20:29])
    except ValueError:
        return 0


def parse_record(line: bytes) -> LogRecord:
    """Return a whole line (from `Joiner`) as a record."""
    return LogRecord(parse_time(line), _NAMES[line[STREAM]], line[HEAD:], line[_FLAG] != _P)


def is_line(line: bytes) -> bool:
    """Say whether `line` has the head of a physical line."""
    return line[TAG] in _TAGS


def is_piece(line: bytes) -> bool:
    """Say whether the text of `line` goes on in another one."""
    return line[_FLAG] == _P


class Lines(NamedTuple):
    """Lines, and every TAG that occurs among them (perhaps more): known once, asked often."""

    lines: list[bytes]
    tags: frozenset[bytes] | set[bytes]

    @property
    def are_whole(self) -> bool:
        """Whether each is a line from beginning to end: no part of an over-long one, no unfinished one."""
        return self.tags <= _FULL


def split_lines(block: bytes) -> Lines:
    """Split a block that ends in a newline into its physical lines; what conmon can't have written is left out."""
    lines = block.split(b"\n")
    lines.pop()
    tags = {line[TAG] for line in lines}
    if not tags <= _TAGS:
        lines = [line for line in lines if line[TAG] in _TAGS]
        tags &= _TAGS
    return Lines(lines, tags)


class Joiner:
    """Puts the pieces of a line together, stream by stream, across blocks and files.

    `skip` says how many whole lines of a stream (b"stdout", b"stderr") to leave out at the beginning: the way to start
    in the middle of a line, or where the streams begin at different places.
    """

    def __init__(self, streams: frozenset[str], skip: dict[bytes, int] | None = None) -> None:
        self._tags = frozenset(tag for tag in _TAGS if tag[1:7].decode() in streams)
        self._skip = {name: count for name, count in (skip or {}).items() if count > 0}
        self._pending: dict[bytes, _Held] = {}
        self._in_parts = False  # a line was passed on in parts: from then on tags are counted, not inferred

    def join(self, block: Lines) -> Lines:
        """Return the whole lines that `block` completes; a part of an over-long one stays marked `P`."""
        lines, tags = block
        if not tags <= self._tags:
            lines = [line for line in lines if line[TAG] in self._tags]
            tags &= self._tags
        if self._skip:
            lines = self._leave_out(lines)
        if tags <= _FULL and not self._pending:
            return Lines(lines, tags)
        lines = self._mend(lines, [index for index, line in enumerate(lines) if line[_FLAG] == _P])
        return Lines(lines, self._tags & _FULL if not self._in_parts else {line[TAG] for line in lines})

    def restart(self, headless: Iterable[str]) -> None:
        """Forget lines in the making: their ends are lost. The next line of a `headless` stream has lost its head."""
        self._pending.clear()
        self._skip = {name.encode(): 1 for name in headless}

    def flush(self) -> Lines:
        """Return what is held back, as unfinished lines: the log ends here."""
        rest = sorted(held.line() for held in self._pending.values())
        self._pending.clear()
        return Lines(rest, {line[TAG] for line in rest})

    def _leave_out(self, lines: Sequence[bytes]) -> list[bytes]:
        kept = []
        for line in lines:
            left = self._skip.get(line[STREAM], 0)
            if not left:
                kept.append(line)
            elif line[_FLAG] != _P:
                self._skip[line[STREAM]] = left - 1
        self._skip = {name: count for name, count in self._skip.items() if count > 0}
        return kept

    def _mend(self, lines: list[bytes], broken: Sequence[int]) -> list[bytes]:
        """Copy the runs of unbroken lines, go through the others one by one while any stream is in mid-line."""
        out: list[bytes] = []
        at = 0
        for index in [*broken, len(lines)]:
            while at < index and self._pending:
                self._take(lines[at], out)
                at += 1
            out += lines[at:index]
            at = index
            if at < len(lines):
                self._take(lines[at], out)
                at += 1
        return out

    def _take(self, line: bytes, out: list[bytes]) -> None:
        stream = line[STREAM]
        held = self._pending.get(stream)
        if line[_FLAG] != _P:
            if held is None:
                out.append(line)
            else:
                del self._pending[stream]
                out.append(b"".join([held.head[:_FLAG], b"F", held.head[_FLAG + 1 :], *held.pieces, line[HEAD:]]))
            return
        if held is None:
            held = self._pending[stream] = _Held(line[:HEAD], [], 0)
        held.pieces.append(line[HEAD:])
        held.size += len(line)
        if held.size > MAX_PENDING:
            out.append(held.line())
            self._in_parts = True
            self._pending[stream] = _Held(held.head[: HEAD - 1] + CONTINUED, [], 0)


@dataclass(slots=True)
class _Held:
    """A line whose end has not been seen."""

    head: bytes
    pieces: list[bytes]
    size: int

    def line(self) -> bytes:
        return self.head + b"".join(self.pieces)
