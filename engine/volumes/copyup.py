"""Copying a folder of an image into an empty volume, as it is: owners, modes, times, links, xattrs, devices.

The image's folder is opened within the container's root (openat2), so that no link of the image leads out of it; below
it, every step is by directory fd and follows no link. Hard links within the folder stay hard links.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from engine.kernel import syscalls

_CHUNK = 1 << 24
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def copy_up(rootfs: Path, inside: str, target: Path) -> bool:
    """Copy what is in `inside` of the root into the empty folder `target`; False where the root has no such folder.

    A failure is an OSError; what was copied until then stays for the caller to clear.
    """
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = syscalls.openat2(root, inside, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise
    finally:
        os.close(root)
    try:
        destination = os.open(target, _FOLDER)
        try:
            _Copy(destination).folder(source, destination, "")
        finally:
            os.close(destination)
    finally:
        os.close(source)
    return True


def is_empty(folder: Path) -> bool:
    """Say whether a folder has no entry."""
    with os.scandir(folder) as entries:
        return next(entries, None) is None


class _Copy:
    """One copy of a tree; remembers where files with several links went."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._links: dict[tuple[int, int], str] = {}

    def folder(self, source: int, target: int, path: str) -> None:
        """Copy the entries of one folder, then its own attributes (last, so that its times hold)."""
        with os.scandir(source) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            info = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                self._subfolder(source, target, name, f"{path}{name}/")
            elif info.st_nlink > 1 and (first := self._links.get((info.st_dev, info.st_ino))):
                os.link(first, name, src_dir_fd=self._top, dst_dir_fd=target, follow_symlinks=False)
            else:
                self._links[info.st_dev, info.st_ino] = path + name
                _copy_entry(source, target, name, info)
        _copy_attributes(source, target, os.fstat(source))

    def _subfolder(self, source: int, target: int, name: str, path: str) -> None:
        os.mkdir(name, 0o700, dir_fd=target)
        inner_source = os.open(name, _FOLDER, dir_fd=source)
        try:
            inner_target = os.open(name, _FOLDER, dir_fd=target)
            try:
                self.folder(inner_source, inner_target, path)
            finally:
                os.close(inner_target)
        finally:
            os.close(inner_source)


def _copy_entry(source: int, target: int, name: str, info: os.stat_result) -> None:
    if stat.S_ISREG(info.st_mode):
        _copy_file(source, target, name, info)
    elif stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
        os.utime(name, ns=(info.st_atime_ns, info.st_mtime_ns), dir_fd=target, follow_symlinks=False)
    elif not stat.S_ISSOCK(info.st_mode):
        os.mknod(name, info.st_mode, info.st_rdev, dir_fd=target)
        os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
        os.chmod(name, stat.S_IMODE(info.st_mode), dir_fd=target)
        os.utime(name, ns=(info.st_atime_ns, info.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_file(source: int, target: int, name: str, info: os.stat_result) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writer = os.open(name, flags, 0o600, dir_fd=target)
        try:
            offset = 0
            while sent := os.sendfile(writer, reader, offset, _CHUNK):
                offset += sent
            _copy_attributes(reader, writer, info)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_attributes(source: int, target: int, info: os.stat_result) -> None:
    os.fchown(target, info.st_uid, info.st_gid)
    os.fchmod(target, stat.S_IMODE(info.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(("trusted.overlay.", "security.selinux")):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
