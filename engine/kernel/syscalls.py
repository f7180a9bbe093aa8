"""The system calls that Python 3.11 has no name for; nothing else in the engine uses ctypes on libc.

Thin: one call each, argument types declared once, every failure an `OSError` with the errno and the path. What is
convenient or has a policy lives with its user. Calls that change the caller's namespaces change *one thread*: see
each docstring for who may use it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from enum import IntFlag
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_AT_FDCWD = -100
_SYS_OPENAT2 = 437
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS = 0x80086601, 0x40086602
INODE_TOPDIR = 0x20000
"""FS_TOPDIR_FL: ext4 puts the folders made in this one far from each other, in block groups that have room."""

StrPath = str | Path


class MountFlag(IntFlag):
    """`mountflags` of mount(2)."""

    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    SYNCHRONOUS = 16
    REMOUNT = 32
    NOATIME = 1024
    NODIRATIME = 2048
    BIND = 4096
    MOVE = 8192
    REC = 16384
    UNBINDABLE = 1 << 17
    PRIVATE = 1 << 18
    SLAVE = 1 << 19
    SHARED = 1 << 20
    RELATIME = 1 << 21


class UmountFlag(IntFlag):
    """`flags` of umount2(2)."""

    FORCE = 1
    DETACH = 2
    EXPIRE = 4
    NOFOLLOW = 8


class Namespace(IntFlag):
    """Namespace kinds of unshare(2) and setns(2)."""

    TIME = 0x80
    FILESYSTEM = 0x200
    """CLONE_FS: no namespace; the thread's own root and working directory, which setns to a mount namespace needs."""
    MOUNT = 0x20000
    CGROUP = 0x2000000
    UTS = 0x4000000
    IPC = 0x8000000
    USER = 0x10000000
    PID = 0x20000000
    NETWORK = 0x40000000


class Resolve(IntFlag):
    """`resolve` of openat2(2)."""

    NO_XDEV = 1
    NO_MAGICLINKS = 2
    NO_SYMLINKS = 4
    BENEATH = 8
    IN_ROOT = 16


class Watch(IntFlag):
    """Masks of inotify_add_watch(2)."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x1000000


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.unshare.argtypes = [ctypes.c_int]
_libc.setns.argtypes = [ctypes.c_int, ctypes.c_int]
_libc.inotify_init1.argtypes = [ctypes.c_int]
_libc.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
_libc.inotify_rm_watch.argtypes = [ctypes.c_int, ctypes.c_int]
_libc.renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
_libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
_libc.syncfs.argtypes = [ctypes.c_int]
_libc.syscall.restype = ctypes.c_long


def _check(result: int, path: StrPath | None = None) -> int:
    if result >= 0:
        return result
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), str(path) if path is not None else None)


def mount(source: StrPath, target: StrPath, fstype: str = "", flags: int = 0, data: str = "") -> None:
    """Mount `source` on `target` in the process's mount namespace (mount(2))."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), fstype.encode() or None, int(flags), data.encode() or None
    )
    _check(result, target)


def umount(target: StrPath, flags: int = 0) -> None:
    """Unmount what is on `target` (umount2(2))."""
    _check(_libc.umount2(os.fsencode(target), int(flags)), target)


def unshare(kinds: Namespace) -> None:
    """Move the calling thread into new namespaces (unshare(2)); network ones on a throw-away thread only."""
    _check(_libc.unshare(int(kinds)))


def setns(fd: int, kinds: Namespace) -> None:
    """Move the calling thread into the namespace of `fd` (setns(2)); network ones on a throw-away thread only."""
    _check(_libc.setns(fd, int(kinds)))


def openat2(root_fd: int, path: StrPath, flags: int, mode: int = 0, resolve: int = Resolve.IN_ROOT) -> int:
    """Open `path` with every link and `..` resolved within `root_fd`; close-on-exec (openat2(2))."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, int(resolve))
    result = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(root_fd),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    return _check(result, path)


def inotify_init() -> int:
    """Return a new inotify fd, non-blocking and close-on-exec (inotify_init1(2))."""
    return _check(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def inotify_add_watch(fd: int, path: StrPath, mask: int) -> int:
    """Watch `path`; return the watch descriptor (inotify_add_watch(2))."""
    return _check(_libc.inotify_add_watch(fd, os.fsencode(path), int(mask)), path)


def inotify_rm_watch(fd: int, watch: int) -> None:
    """End one watch (inotify_rm_watch(2))."""
    _check(_libc.inotify_rm_watch(fd, watch))


def rename_exchange(old: StrPath, new: StrPath) -> None:
    """Swap two names atomically (renameat2(2), RENAME_EXCHANGE)."""
    _check(_libc.renameat2(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), 2), new)


def rename_noreplace(old: StrPath, new: StrPath) -> None:
    """Rename, and fail with EEXIST where `new` is there (renameat2(2), RENAME_NOREPLACE)."""
    _check(_libc.renameat2(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), 1), new)


def add_inode_flags(fd: int, flags: int) -> None:
    """Set flags of an open file or folder that only some file systems have (ioctl_iflags(2))."""
    known = int.from_bytes(fcntl.ioctl(fd, _FS_IOC_GETFLAGS, bytes(8))[:4], "little")
    fcntl.ioctl(fd, _FS_IOC_SETFLAGS, (known | flags).to_bytes(8, "little"))


def syncfs(fd: int) -> None:
    """Write the file system of `fd` to its disk (syncfs(2))."""
    _check(_libc.syncfs(fd))


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """Operate on the calling process or thread (prctl(2))."""
    return _check(_libc.prctl(option, arg2, arg3, arg4, arg5))
