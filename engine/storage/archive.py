"""Files of a root as a tar, and what one path of it is: every step is resolved within the root (openat2(2)).

A path is the container's own: absolute, `..` and links stay inside the root whatever they say. The last part of a path
is not followed if it is a link, unless a `/` or `/.` ends the path, as in Docker's archive API.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import InvalidArgument, NotFound
from engine.kernel import syscalls
from engine.storage.changes import is_mount_point

_CHUNK = 1 << 20
_IN_ROOT = syscalls.Resolve.IN_ROOT | syscalls.Resolve.NO_MAGICLINKS
_GO_DIR, _GO_LINK, _GO_DEVICE, _GO_PIPE, _GO_SOCKET = 1 << 31, 1 << 27, 1 << 26, 1 << 25, 1 << 24
_GO_SETUID, _GO_SETGID, _GO_CHAR, _GO_STICKY = 1 << 23, 1 << 22, 1 << 21, 1 << 20


@dataclass(frozen=True, slots=True)
class PathStat:
    """What Docker tells of a path in `X-Docker-Container-Path-Stat`; `mode` in Go's bits (io/fs.FileMode)."""

    name: str
    size: int
    mode: int
    mtime_ns: int
    link_target: str


def open_path(root_fd: int, path: str, *, follow: bool) -> int:
    """Return an O_PATH descriptor of `path` within the root; NotFound, InvalidArgument in Docker's words."""
    flags = os.O_PATH | (0 if follow else os.O_NOFOLLOW)
    try:
        return syscalls.openat2(root_fd, path or "/", flags, resolve=_IN_ROOT)
    except FileNotFoundError:
        raise NotFound(f"Could not find the file {path} in container") from None
    except NotADirectoryError:
        raise NotFound(f"Could not find the file {path} in container: a part of it is not a directory") from None
    except OSError as error:
        raise InvalidArgument(f"{path}: {error.strerror}") from error


def stat_path(root_fd: int, path: str) -> PathStat:
    """Return what `path` is."""
    follow = path.endswith(("/", "/."))
    fd = open_path(root_fd, path, follow=follow)
    try:
        info = os.fstat(fd)
        target = os.readlink("", dir_fd=fd) if stat.S_ISLNK(info.st_mode) else ""
    finally:
        os.close(fd)
    return PathStat(base_name(path), info.st_size, go_mode(info.st_mode), info.st_mtime_ns, target)


def base_name(path: str) -> str:
    """Return the last part of a path as Go's filepath.Base has it: "/" for the root, "." kept."""
    if path.endswith("/."):
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def go_mode(mode: int) -> int:
    """Return st_mode in the bits of Go's io/fs.FileMode."""
    kinds = {
        stat.S_IFDIR: _GO_DIR,
        stat.S_IFLNK: _GO_LINK,
        stat.S_IFBLK: _GO_DEVICE,
        stat.S_IFCHR: _GO_DEVICE | _GO_CHAR,
        stat.S_IFIFO: _GO_PIPE,
        stat.S_IFSOCK: _GO_SOCKET,
    }
    bits = kinds.get(stat.S_IFMT(mode), 0) | (mode & 0o777)
    for flag, go in ((stat.S_ISUID, _GO_SETUID), (stat.S_ISGID, _GO_SETGID), (stat.S_ISVTX, _GO_STICKY)):
        bits |= go if mode & flag else 0
    return bits


def pack(root_fd: int, path: str, name: str) -> Iterator[bytes]:
    """Yield a tar (pax) of `path` and what is below it; its entries begin with `name`.

    Sockets are left out; what vanishes while it is read too. File systems mounted below are part of it.
    """
    top = open_path(root_fd, path, follow=path.endswith(("/", "/.")))
    try:
        yield from _gathered(_Packer().add(top, name.strip("/") or "."))
    finally:
        os.close(top)


def pack_layer(upper_fd: int) -> Iterator[bytes]:
    """Yield the files of an overlay's upper folder as an OCI layer: its whiteouts as `.wh.` entries, no root entry.

    Source: OCI image spec, layer.md, "Representing Changes".
    """
    yield from _gathered(_LayerPacker().below(upper_fd, ""))


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces, and end the tar."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join((*waiting, bytes(2 * tarfile.BLOCKSIZE)))


class _Packer:
    """Renders entries; the second name of a file is a hard link to the first."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], str] = {}

    def add(self, fd: int, name: str) -> Iterator[bytes]:
        """Yield the entry of what `fd` (O_PATH) is, and of everything below a folder."""
        info = os.fstat(fd)
        member = self._member(fd, info, name)
        if member is None:
            return
        yield member.tobuf(tarfile.PAX_FORMAT)
        if member.isreg() and member.size:
            yield from _content(fd, member.size)
        elif member.isdir():
            yield from self.below(fd, name)

    def below(self, fd: int, name: str) -> Iterator[bytes]:
        """Yield the entries of what a folder holds, sorted by name."""
        listing = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            children = sorted(os.listdir(listing))
        finally:
            os.close(listing)
        for child in children:
            try:
                inner = os.open(child, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            except FileNotFoundError:
                continue
            try:
                yield from self.add(inner, f"{name}/{child}" if name else child)
            finally:
                os.close(inner)

    def _member(self, fd: int, info: os.stat_result, name: str) -> tarfile.TarInfo | None:
        member = tarfile.TarInfo(name)
        member.mode = stat.S_IMODE(info.st_mode)
        member.uid, member.gid, member.mtime = info.st_uid, info.st_gid, int(info.st_mtime)
        kind = stat.S_IFMT(info.st_mode)
        if kind == stat.S_IFREG:
            first = self._seen.setdefault((info.st_dev, info.st_ino), name)
            if info.st_nlink > 1 and first != name:
                member.type, member.linkname = tarfile.LNKTYPE, first
            else:
                member.size = info.st_size
        elif kind == stat.S_IFLNK:
            member.type, member.linkname = tarfile.SYMTYPE, os.readlink("", dir_fd=fd)
        elif kind == stat.S_IFDIR:
            member.type = tarfile.DIRTYPE
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            member.type = tarfile.CHRTYPE if kind == stat.S_IFCHR else tarfile.BLKTYPE
            member.devmajor, member.devminor = os.major(info.st_rdev), os.minor(info.st_rdev)
        elif kind == stat.S_IFIFO:
            member.type = tarfile.FIFOTYPE
        else:
            return None
        return member


class _LayerPacker(_Packer):
    """Renders overlayfs's marks as those of a layer."""

    def add(self, fd: int, name: str) -> Iterator[bytes]:
        """See `_Packer.add`."""
        info = os.fstat(fd)
        if is_mount_point(f"/{name}", info):
            return
        if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
            folder, slash, base = name.rpartition("/")
            yield tarfile.TarInfo(f"{folder}{slash}.wh.{base}").tobuf(tarfile.PAX_FORMAT)
        else:
            yield from super().add(fd, name)

    def below(self, fd: int, name: str) -> Iterator[bytes]:
        """See `_Packer.below`."""
        if name and _is_opaque(fd):
            yield tarfile.TarInfo(f"{name}/.wh..wh..opq").tobuf(tarfile.PAX_FORMAT)
        yield from super().below(fd, name)

    def _member(self, fd: int, info: os.stat_result, name: str) -> tarfile.TarInfo | None:
        member = super()._member(fd, info, name)
        if member is not None and member.isreg():
            member.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in _xattrs(fd)}
        return member


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(f"/proc/self/fd/{fd}", "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


def _xattrs(fd: int) -> Iterator[tuple[str, str]]:
    """Yield the attributes that a layer keeps: file capabilities, and users' own where they are text."""
    path = f"/proc/self/fd/{fd}"
    for key in os.listxattr(path):
        if key == "security.capability" or key.startswith("user."):
            # pax headers are UTF-8; bytes that are not pass through tarfile as surrogates.
            yield key, os.getxattr(path, key).decode("utf-8", "surrogateescape")


def _content(fd: int, size: int) -> Iterator[bytes]:
    """Yield exactly `size` bytes of a file, with zeros where it shrank meanwhile, and the padding to a block."""
    source = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        left = size
        while left:
            data = os.read(source, min(_CHUNK, left)) or bytes(min(_CHUNK, left))
            left -= len(data)
            yield data
    finally:
        os.close(source)
    yield bytes(-size % tarfile.BLOCKSIZE)
