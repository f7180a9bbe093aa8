"""The files of one log: `log`, which conmon writes, and `log.1` … `log.N`, rotated away, the highest number the oldest.

A file keeps its inode through all of its names, so a reader that holds one open finds its successor by inode. Names
change only here, under the lock that all `LogFiles` of a service share.

A byte has a position for good: how many were written before it, those of dropped files included. What was dropped is
noted in `log.dropped` before the file goes, with the inode of the file that is then the oldest, so that a crash in
between leaves the note or its predecessor true.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.logs.drivers import k8s_file
from engine.logs.model import STDERR, STDOUT

_PATIENCE_S = 2.0
_NOTE = "dropped"
_NOTED_DROPS = 64
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """An open file of a log. `size` is as of the opening. Whoever asked for it closes it.

    `base` is the position of its first byte. `headless` names the streams whose first line has lost its beginning: it
    was in a file that is dropped.
    """

    file: io.FileIO
    inode: int
    size: int
    base: int = 0
    headless: tuple[str, ...] = ()

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`."""
        return os.pread(self.file.fileno(), count, offset)

    def final_size(self) -> int:
        """Return the size now: that of a file with a successor is final."""
        return os.fstat(self.file.fileno()).st_size

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@dataclass(frozen=True, slots=True)
class _Dropped:
    """What rotation took from a log's beginning: bytes, streams in mid-line, the last files as (position, lines)."""

    oldest: int = 0
    size: int = 0
    headless: tuple[str, ...] = ()
    files: tuple[tuple[int, int], ...] = ()


class LogFiles:
    """The files of the log whose current file is `path`."""

    def __init__(self, path: Path, lock: threading.Lock) -> None:
        self.path = path
        self._lock = lock

    def open(self) -> list[Segment]:
        """Open every file, oldest first; no file at all is an empty list."""
        with self._lock:
            names = self._names()
            dropped = self._dropped(names)
            opened: list[Segment] = []
            base = dropped.size
            for path in names:
                segment = _open(path, base, () if opened else dropped.headless)
                if segment is not None:
                    opened.append(segment)
                    base += segment.size
        return opened

    def open_after(self, inode: int) -> Segment | None:
        """Open the file that follows the one of `inode`; None while that is the newest.

        Where `inode` is no file of the log any more, the oldest one follows: what lay between was dropped.
        """
        with self._lock:
            names = self._names()
            inodes = [_inode(path) for path in names]
            place = inodes.index(inode) + 1 if inode in inodes else 0
            if place >= len(names):
                return None
            dropped = self._dropped(names)
            base = dropped.size + sum(path.stat().st_size for path in names[:place])
            return _open(names[place], base, () if place else dropped.headless)

    def lines_dropped(self, position: int) -> int:
        """Return how many lines from `position` on rotation has dropped (of the last 64 files)."""
        with self._lock:
            return sum(lines for base, lines in self._dropped(self._names()).files if base >= position)

    def size(self) -> int:
        """Return the size of the current file; 0 where there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def is_cut_off(self) -> bool:
        """Whether a rotation was broken off: files are there, and the writer has not begun a new one."""
        with self._lock:
            return bool(self._names()) and not self.path.exists()

    def rotate(self, keep: int, reopen: Callable[[], None]) -> None:
        """Move the current file away, let `reopen` make the writer begin a new one, keep at most `keep` files in all.

        A crash in between leaves the writer on a file that has a number: readers go on with it, the next `reopen` ends
        it.
        """
        with self._lock:
            rotated = [path for path in self._names() if path != self.path]
            for path in rotated:
                path.rename(self._numbered(_number(path) + 1))
            self.path.rename(self._numbered(1))
        reopen()
        deadline = time.monotonic() + _PATIENCE_S
        while not self.path.exists():  # conmon takes its command when it comes to it
            if time.monotonic() > deadline:
                return
            time.sleep(0.002)
        for path in self._names():
            if _number(path) >= keep:
                self._drop_oldest(path)

    def move(self, folder: Path) -> None:
        """Move the log into a folder, the oldest file first; what an earlier call has moved is there already."""
        with self._lock:
            note = self.path.with_name(f"{self.path.name}.{_NOTE}")
            for path in [*self._names(), *([note] if note.exists() else [])]:
                path.rename(folder / path.name)

    def drop(self) -> None:
        """Delete the log; none is fine."""
        with self._lock:
            for path in [*self._names(), self.path.with_name(f"{self.path.name}.{_NOTE}")]:
                path.unlink(missing_ok=True)

    def _drop_oldest(self, path: Path) -> None:
        lines, in_line = _measure(path)
        with self._lock:
            names = self._names()
            before = self._dropped(names)
            headless = tuple(s for s in (STDOUT, STDERR) if in_line.get(s, s in before.headless))
            files = (*before.files, (before.size, lines))[-_NOTED_DROPS:]
            after = _Dropped(_inode(names[1]), before.size + path.stat().st_size, headless, files)
            note = self.path.with_name(f"{self.path.name}.{_NOTE}")
            aside = note.with_name(f"{note.name}.new")
            aside.write_text(json.dumps([_noted(after), _noted(before, _inode(path))]))
            aside.rename(note)
            path.unlink()

    def _dropped(self, names: list[Path]) -> _Dropped:
        note = self.path.with_name(f"{self.path.name}.{_NOTE}")
        if not names:
            return _Dropped()
        try:
            noted = [_read(entry) for entry in json.loads(note.read_bytes())]
        except (FileNotFoundError, ValueError):
            return _Dropped()
        inode = _inode(names[0])
        return next((entry for entry in noted if entry.oldest == inode), noted[0])

    def _names(self) -> list[Path]:
        """The files' names, oldest first."""
        prefix = f"{self.path.name}."
        try:
            entries = os.listdir(self.path.parent)
        except FileNotFoundError:
            return []
        numbers = [entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix)]
        rotated = sorted((int(number) for number in numbers if number.isdigit()), reverse=True)
        current = [self.path] if self.path.name in entries else []
        return [*[self._numbered(number) for number in rotated], *current]

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _number(path: Path) -> int:
    last = path.name.rpartition(".")[2]
    return int(last) if last.isdigit() else 0


def _noted(dropped: _Dropped, oldest: int = 0) -> dict[str, Any]:
    return {
        "oldest": oldest or dropped.oldest,
        "bytes": dropped.size,
        "headless": dropped.headless,
        "files": dropped.files,
    }


def _read(entry: dict[str, Any]) -> _Dropped:
    files = tuple((int(base), int(lines)) for base, lines in entry["files"])
    return _Dropped(int(entry["oldest"]), int(entry["bytes"]), tuple(entry["headless"]), files)


def _measure(path: Path) -> tuple[int, dict[str, bool]]:
    """Return how many lines end in a file, and for each stream in it whether its last one does not."""
    lines, in_line, rest = 0, {}, b""
    with path.open("rb", buffering=0) as file:
        while data := file.read(_CHUNK):
            data = rest + data
            cut = data.rfind(b"\n") + 1
            block, rest = data[:cut], data[cut:]
            found, pieces = _look(block)
            in_line.update(found)
            lines += block.count(b"\n") - pieces
    return lines, in_line


def _look(block: bytes) -> tuple[dict[str, bool], int]:
    streams = [name for name in (STDOUT, STDERR) if f" {name} ".encode() in block]
    if len(streams) == 1 and f" {streams[0]} P ".encode() not in block:
        return {streams[0]: False}, 0  # nearly every log: cheaper than a look at each line
    physical = k8s_file.split_lines(block).lines
    found = {}
    for line in physical:
        found[line[k8s_file.STREAM]] = k8s_file.is_piece(line)
    return {name.decode(): piece for name, piece in found.items()}, sum(map(k8s_file.is_piece, physical))


def _open(path: Path, base: int, headless: Iterable[str]) -> Segment | None:
    try:
        file = io.FileIO(path)
    except FileNotFoundError:
        return None
    status = os.fstat(file.fileno())
    return Segment(file, status.st_ino, status.st_size, base, tuple(headless))


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
