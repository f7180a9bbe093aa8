"""What a folder within a root holds, for a file browser: one look at each name, nothing followed out of the root."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from engine.errors import InvalidArgument
from engine.storage import archive

MAX_ENTRIES = 5000
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


def kind_of(info: os.stat_result) -> str:
    """Return file, folder, link, device, pipe or socket."""
    return _KINDS.get(stat.S_IFMT(info.st_mode), "file")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One name in a folder; `mode` are the permission bits, `link` is where a link points."""

    name: str
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    link: str = ""


def list_folder(root_fd: int, path: str) -> tuple[list[FileEntry], bool]:
    """Return what the folder `path` holds, by name, and whether that is not all of it (MAX_ENTRIES).

    NotFound where there is no such path, InvalidArgument where it is no folder.
    """
    top = archive.open_path(root_fd, path, follow=True)
    try:
        try:
            folder = os.open(f"/proc/self/fd/{top}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError:
            raise InvalidArgument(f"{path} is not a directory") from None
    finally:
        os.close(top)
    try:
        names = sorted(os.listdir(folder))
        found = [entry for name in names[:MAX_ENTRIES] if (entry := _entry(folder, name))]
    finally:
        os.close(folder)
    return found, len(names) > MAX_ENTRIES


def _entry(folder: int, name: str) -> FileEntry | None:
    try:
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        link = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(info.st_mode) else ""
    except FileNotFoundError:
        return None
    kind = kind_of(info)
    return FileEntry(
        _printable(name), kind, info.st_size, info.st_mode & 0o7777, info.st_uid, info.st_gid, info.st_mtime_ns,
        _printable(link),
    )  # fmt: skip


def _printable(name: str) -> str:
    """Return a name that JSON can carry; bytes that are not UTF-8 become replacement characters."""
    return os.fsencode(name).decode(errors="replace")
