"""Writes logs as conmon does, and says by the plainest means what reading them must give.

The writer is held to the real one by tests/root/test_cli_logs.py: it cuts what a container wrote into reads of at most
8192 bytes, each read into lines, and marks the last one `P` where it does not end in a newline.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.logs.model import LogQuery, LogRecord

READ = 8192
BASE_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Write:
    """What a container wrote at once, and when."""

    stream: str
    data: bytes
    time_ns: int


def physical_lines(writes: Iterable[Write], zone: str = "+00:00") -> list[bytes]:
    """Return conmon's lines, each with its newline."""
    lines = []
    for write in writes:
        for at in range(0, len(write.data), READ):
            chunk = write.data[at : at + READ]
            pieces = chunk.split(b"\n")
            last = pieces.pop()
            head = f"{stamp(write.time_ns, zone)} {write.stream} ".encode()
            lines += [head + b"F " + piece + b"\n" for piece in pieces]
            if last:
                lines.append(head + b"P " + last + b"\n")
    return lines


def stamp(time_ns: int, zone: str = "+00:00") -> str:
    """Return a time as conmon writes it."""
    offset = datetime.fromisoformat(f"2026-01-01T00:00:00{zone}").utcoffset()
    assert offset is not None
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    local = datetime.fromtimestamp(seconds, UTC) + offset
    return f"{local:%Y-%m-%dT%H:%M:%S}.{nanos:09d}{zone}"


def write_files(path: Path, files: Sequence[Sequence[bytes]]) -> None:
    """Write physical lines into `path` (the last list) and its rotated predecessors."""
    for age, lines in enumerate(reversed(files)):
        path.with_name(path.name + (f".{age}" if age else "")).write_bytes(b"".join(lines))


def expected(writes: Iterable[Write], query: LogQuery) -> list[LogRecord]:
    """Return the records that a query of the finished log must give: in the order in which lines end, unfinished last.

    `tail` counts lines that end at `since_ns` or later, by where their last piece is; of these, one that began before
    `since_ns` is left out whole.
    """
    if query.until_ns:
        writes = [write for write in writes if write.time_ns <= query.until_ns]
    open_lines: dict[str, tuple[int, bytes]] = {}
    placed: list[tuple[int, LogRecord]] = []
    last_piece: dict[str, int] = {}
    pieces = [(w, p) for w in writes for at in range(0, len(w.data), READ) for p in _split(w.data[at : at + READ])]
    for place, (write, piece) in enumerate(pieces):
        begun, text = open_lines.pop(write.stream, (write.time_ns, b""))
        if piece.endswith(b"\n"):
            placed.append((place, LogRecord(begun, write.stream, text + piece[:-1])))
        else:
            open_lines[write.stream] = (begun, text + piece)
            last_piece[write.stream] = place
    for stream, (begun, text) in sorted(open_lines.items(), key=lambda item: (item[1][0], item[0])):
        placed.append((last_piece[stream], LogRecord(begun, stream, text, whole=False)))
    placed = [(n, r) for n, r in placed if r.stream in query.streams and pieces[n][0].time_ns >= query.since_ns]
    if query.tail is not None:
        kept = sorted(n for n, _ in placed)[len(placed) - min(query.tail, len(placed)) :]
        placed = [(n, r) for n, r in placed if n in kept]
    return [record for _, record in placed if record.time_ns >= query.since_ns]


def _split(chunk: bytes) -> list[bytes]:
    pieces = chunk.split(b"\n")
    return [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
