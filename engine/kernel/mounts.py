"""Mounts of the engine's own mount namespace: look at them, bind, take away what lies under a path."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from engine.kernel import syscalls
from engine.kernel.syscalls import MountFlag, StrPath, UmountFlag

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class MountInfo:
    """One line of /proc/self/mountinfo (proc(5)). `tags` holds the propagation: `shared:1`, `master:2`, or none."""

    id: int
    parent: int
    root: str
    target: str
    options: str
    tags: tuple[str, ...]
    fstype: str
    source: str
    super_options: str

    @property
    def is_shared(self) -> bool:
        """Whether mounts made under it appear in a peer too."""
        return any(tag.startswith("shared:") for tag in self.tags)

    @property
    def is_slave(self) -> bool:
        """Whether mounts of a master appear under it."""
        return any(tag.startswith("master:") for tag in self.tags)


def parse_mountinfo(text: str) -> list[MountInfo]:
    """Return the entries of a mountinfo file in their order, octal escapes undone."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        ids = before.split(" ")
        kind = after.split(" ")
        found.append(
            MountInfo(
                id=int(ids[0]),
                parent=int(ids[1]),
                root=_unescape(ids[3]),
                target=_unescape(ids[4]),
                options=ids[5],
                tags=tuple(ids[6:]),
                fstype=kind[0],
                source=_unescape(kind[1]),
                super_options=kind[2] if len(kind) > 2 else "",
            )
        )
    return found


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text) if "\\" in text else text


def list_mounts(under: StrPath = "/") -> list[MountInfo]:
    """Return the mounts at or under a path, as this process sees them."""
    prefix = os.path.realpath(under).rstrip("/")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123 - one read
        entries = parse_mountinfo(stream.read())
    return [entry for entry in entries if entry.target == prefix or entry.target.startswith(prefix + "/")]


def find_mount(path: StrPath) -> MountInfo | None:
    """Return the mount that a path lies in: the one with the longest target, the topmost of those."""
    real = os.path.realpath(path)
    found: MountInfo | None = None
    for entry in list_mounts():
        inside = real == entry.target or real.startswith(entry.target.rstrip("/") + "/")
        if inside and (found is None or len(entry.target) >= len(found.target)):
            found = entry
    return found


def is_mount_point(path: StrPath) -> bool:
    """Say whether something is mounted exactly at `path` (bind mounts of one file system included)."""
    real = os.path.realpath(path)
    return any(entry.target == real for entry in list_mounts(real))


def bind(source: StrPath, target: StrPath, *, recursive: bool = False, read_only: bool = False) -> None:
    """Bind `source` on `target`; read-only takes a second call (mount(2), MS_BIND ignores other flags)."""
    depth = MountFlag.REC if recursive else 0
    syscalls.mount(source, target, flags=MountFlag.BIND | depth)
    if read_only:
        syscalls.mount("none", target, flags=MountFlag.BIND | MountFlag.REMOUNT | MountFlag.RDONLY)


def unmount(target: StrPath) -> bool:
    """Take away the topmost mount at `target`, lazily if busy; return False where none is."""
    try:
        syscalls.umount(target, UmountFlag.DETACH | UmountFlag.NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return False
        raise
    return True


def unmount_under(path: StrPath) -> int:
    """Take away every mount at or under a path, innermost first; return how many there were."""
    entries = list_mounts(path)
    for entry in reversed(entries):
        unmount(Path(entry.target))
    return len(entries)
