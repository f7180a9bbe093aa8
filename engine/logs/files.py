"""The files of one log: `log`, which conmon writes, and `log.1` … `log.N`, rotated away, the highest number the oldest.

A file keeps its inode through all of its names, so a reader that holds one open finds its successor by inode. Names
change only here, under the lock that all `LogFiles` of a service share.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Segment:
    """An open file of a log. `size` is as of the opening. Whoever asked for it closes it."""

    file: io.FileIO
    inode: int
    size: int

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`."""
        return os.pread(self.file.fileno(), count, offset)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class LogFiles:
    """The files of the log whose current file is `path`."""

    def __init__(self, path: Path, lock: threading.Lock) -> None:
        self.path = path
        self._lock = lock

    def open(self) -> list[Segment]:
        """Open every file, oldest first; no file at all is an empty list."""
        with self._lock:
            opened = [_open(path) for path in self._names()]
        return [segment for segment in opened if segment is not None]

    def open_after(self, inode: int) -> Segment | None:
        """Open the file that follows the one of `inode`; None while that is the newest.

        Where `inode` is no file of the log any more, the oldest one follows: what lay between was dropped.
        """
        with self._lock:
            names = self._names()
            inodes = [_inode(path) for path in names]
            position = inodes.index(inode) + 1 if inode in inodes else 0
            return _open(names[position]) if position < len(names) else None

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
        with self._lock:
            for path in self._names():
                if _number(path) >= keep:
                    path.unlink()

    def drop(self) -> None:
        """Delete the log; none is fine."""
        with self._lock:
            for path in self._names():
                path.unlink(missing_ok=True)

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


def _open(path: Path) -> Segment | None:
    try:
        file = io.FileIO(path)
    except FileNotFoundError:
        return None
    status = os.fstat(file.fileno())
    return Segment(file, status.st_ino, status.st_size)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
