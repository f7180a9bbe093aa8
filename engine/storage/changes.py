"""What a container changed against its image: the overlay's upper folder, read as Docker's `diff`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_OPAQUE = "trusted.overlay.opaque"
MOUNT_POINTS = frozenset(f"/{path}" for path in "etc/hostname etc/hosts etc/resolv.conf dev proc sys".split())
"""What the runtime makes to mount on, where the image has none: empty, and no change of the container's."""


class Kind(IntEnum):
    """Docker's kinds of change, by its numbers."""

    MODIFIED = 0
    ADDED = 1
    DELETED = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One changed path, absolute in the container."""

    kind: Kind
    path: str


def list_changes(upper: Path, lowers: Sequence[Path]) -> list[Change]:
    """Return the changes in `upper` against the layers `lowers` (base first), sorted by path.

    Folders that hold a change are listed as modified, as Docker does.
    """
    found = sorted(_walk(upper, lowers, ""), key=lambda change: change.path)
    return [change for change in found if change.path]


def _walk(upper: Path, lowers: Sequence[Path], folder: str) -> Iterator[Change]:
    with os.scandir(upper / folder.lstrip("/")) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            path = f"{folder}/{entry.name}"
            info = entry.stat(follow_symlinks=False)
            below = _lowest_view(lowers, path)
            if below is None and is_mount_point(path, info):
                continue
            if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
                if below is not None:
                    yield Change(Kind.DELETED, path)
            elif below is None:
                yield Change(Kind.ADDED, path)
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(upper, (), path)
            elif entry.is_dir(follow_symlinks=False):
                yield from _folder(upper, lowers, path, below)
            else:
                yield Change(Kind.MODIFIED, path)


def is_mount_point(path: str, info: os.stat_result) -> bool:
    """Say whether `path` (absolute in the container) is one of MOUNT_POINTS as the runtime makes them."""
    if path not in MOUNT_POINTS:
        return False
    return stat.S_ISDIR(info.st_mode) or (stat.S_ISREG(info.st_mode) and info.st_size == 0)


def _folder(upper: Path, lowers: Sequence[Path], path: str, below: os.stat_result) -> Iterator[Change]:
    inner = list(_walk(upper, lowers, path))
    mine = upper / path.lstrip("/")
    if _is_opaque(mine):
        present = {entry.name for entry in mine.iterdir()}
        inner += [
            Change(Kind.DELETED, f"{path}/{name}") for name in sorted(_names_below(lowers, path)) if name not in present
        ]
    now = mine.lstat()
    same = (now.st_mode, now.st_uid, now.st_gid) == (below.st_mode, below.st_uid, below.st_gid)
    held = any(is_mount_point(f"{path}/{name}", (mine / name).lstat()) for name in os.listdir(mine))
    if inner or not same or (now.st_mtime_ns != below.st_mtime_ns and not held):
        yield Change(Kind.MODIFIED, path)
    yield from inner


def _lowest_view(lowers: Sequence[Path], path: str) -> os.stat_result | None:
    """Return what the layers show at `path`, None where they show nothing (whiteouts and opaque folders count)."""
    for lower in reversed(lowers):
        info = _lstat(lower, path)
        if info is not None:
            return None if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0 else info
        if _hides_below(lower, path):
            return None
    return None


def _hides_below(lower: Path, path: str) -> bool:
    """Say whether this layer replaces or empties a folder above `path`."""
    parts = path.strip("/").split("/")[:-1]
    current = lower
    for part in parts:
        current = current / part
        try:
            info = current.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not stat.S_ISDIR(info.st_mode) or _is_opaque(current):
            return True
    return False


def _names_below(lowers: Sequence[Path], path: str) -> set[str]:
    names: set[str] = set()
    for lower in lowers:
        folder = lower / path.lstrip("/")
        info = _lstat(lower, path)
        if info is not None and stat.S_ISDIR(info.st_mode):
            names.update(entry.name for entry in folder.iterdir())
    return {name for name in names if _lowest_view(lowers, f"{path}/{name}") is not None}


def _lstat(lower: Path, path: str) -> os.stat_result | None:
    """Return lstat of `path` in a layer, None where it is not there or a symlink stands in for a folder of it."""
    current = lower
    parts = path.strip("/").split("/")
    for part in parts[:-1]:
        current = current / part
        try:
            if not stat.S_ISDIR(current.lstat().st_mode):
                return None
        except (FileNotFoundError, NotADirectoryError):
            return None
    try:
        return (current / parts[-1]).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_opaque(folder: Path) -> bool:
    try:
        return os.getxattr(folder, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False
