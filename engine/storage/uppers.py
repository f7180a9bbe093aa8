"""An overlay's upper folder as a layer, in place: digest and recipe of its tar, without a second copy of its files.

Sorted by name, whole seconds, no owner's names: the same files give the same digest. The folder then holds exactly what
the tar says: what the runtime made to mount on and sockets are taken out of it, times above `epoch` are set back.
Nobody else may write there any more.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import InvalidArgument
from engine.storage import recipe
from engine.storage.changes import is_mount_point

_BLOCK = 512
_CHUNK = 1 << 20
_DEPTH = 400
_NAME_LIMIT = 4096
_OPAQUE = "trusted.overlay.opaque"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


@dataclass(frozen=True, slots=True)
class Packed:
    """What a folder's tar is: diff id, length, bytes of file content, and the number of its entries."""

    diff_id: str
    tar_size: int
    size: int
    entries: int


def measure(folder: Path, recipe_path: Path, epoch: int | None = None) -> Packed:
    """Return what `folder`'s tar is, and write its recipe; the folder is made to match it.

    `epoch` (seconds): no time in the layer is later. InvalidArgument for names that no archive can hold.
    """
    fd = os.open(folder, _FOLDER)
    try:
        with recipe.RecipeWriter(recipe_path) as tap:
            packer = _Packer(tap, epoch)
            packer.below(fd, "", 0)
            packer.raw(bytes(2 * _BLOCK))
        if epoch is not None:
            _set_back(fd, epoch)
    finally:
        os.close(fd)
    return Packed(f"sha256:{packer.digest.hexdigest()}", packer.tar_size, packer.size, packer.entries)


@dataclass(slots=True)
class _Packer:
    tap: recipe.RecipeWriter
    epoch: int | None
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    tar_size: int = 0
    size: int = 0
    entries: int = 0
    seen: dict[tuple[int, int], str] = field(default_factory=dict)

    def raw(self, data: bytes) -> None:
        self.tap.raw(data)
        self.digest.update(data)
        self.tar_size += len(data)

    def below(self, fd: int, name: str, depth: int) -> None:
        if depth > _DEPTH:
            raise InvalidArgument(f"{name[:80]}…: folders are nested too deeply for a layer")
        if name and _is_opaque(fd):
            self.raw(_header(f"{name}/.wh..wh..opq", tarfile.REGTYPE))
        for child in sorted(os.listdir(fd)):
            full = f"{name}/{child}" if name else child
            if len(full) > _NAME_LIMIT:
                raise InvalidArgument(f"{full[:80]}…: the name is too long for a layer")
            self._entry(fd, child, full, depth)

    def _entry(self, parent: int, child: str, full: str, depth: int) -> None:
        info = os.stat(child, dir_fd=parent, follow_symlinks=False)
        kind = stat.S_IFMT(info.st_mode)
        if kind == stat.S_IFCHR and info.st_rdev == 0:
            above, slash, base = full.rpartition("/")
            self.raw(_header(f"{above}{slash}.wh.{base}", tarfile.REGTYPE))
            self.entries += 1
        elif is_mount_point(f"/{full}", info) and _removed_stub(parent, child, kind):
            return
        elif kind == stat.S_IFDIR:
            self._folder(parent, child, full, info, depth)
        elif kind == stat.S_IFSOCK:
            os.unlink(child, dir_fd=parent)
        else:
            self._leaf(parent, child, full, info)

    def _folder(self, parent: int, child: str, full: str, info: os.stat_result, depth: int) -> None:
        self.raw(self._head(full, info))
        self.entries += 1
        inner = os.open(child, _FOLDER, dir_fd=parent)
        try:
            self.below(inner, full, depth + 1)
        finally:
            os.close(inner)
        self._settle(parent, child, info)

    def _leaf(self, parent: int, child: str, full: str, info: os.stat_result) -> None:
        self.entries += 1
        kind = stat.S_IFMT(info.st_mode)
        link = ""
        if kind == stat.S_IFLNK:
            link = os.readlink(child, dir_fd=parent)
        elif kind == stat.S_IFREG and info.st_nlink > 1:
            first = self.seen.setdefault((info.st_dev, info.st_ino), full)
            if first != full:
                self.raw(self._head(full, info, link=first, hard=True))
                return
        if kind != stat.S_IFREG:
            self.raw(self._head(full, info, link=link))
            self._settle(parent, child, info)
            return
        fd = os.open(child, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        try:
            self.raw(self._head(full, info, xattrs=_xattrs(fd)))
            self._content(fd, full, info.st_size)
        finally:
            os.close(fd)
        self._settle(parent, child, info)

    def _content(self, fd: int, full: str, size: int) -> None:
        if not size:
            return
        self.tap.payload(full, size)
        left = size
        while left:
            data = os.read(fd, min(_CHUNK, left))
            if not data:
                raise InvalidArgument(f"{full}: changed while it was read")
            self.digest.update(data)
            left -= len(data)
        self.size += size
        self.tar_size += size
        self.raw(bytes(-size % _BLOCK))

    def _head(
        self,
        full: str,
        info: os.stat_result,
        *,
        link: str = "",
        hard: bool = False,
        xattrs: dict[str, str] | None = None,
    ) -> bytes:
        kind = stat.S_IFMT(info.st_mode)
        mtime = int(info.st_mtime)
        if self.epoch is not None:
            mtime = min(mtime, self.epoch)
        return _header(
            full,
            tarfile.LNKTYPE if hard else _KINDS[kind],
            mode=stat.S_IMODE(info.st_mode),
            owner=(info.st_uid, info.st_gid),
            size=info.st_size if kind == stat.S_IFREG and not hard else 0,
            mtime=mtime,
            link=link,
            device=info.st_rdev if kind in (stat.S_IFCHR, stat.S_IFBLK) else None,
            xattrs=xattrs,
        )

    def _settle(self, parent: int, child: str, info: os.stat_result) -> None:
        if self.epoch is not None and info.st_mtime > self.epoch:
            when = self.epoch * 1_000_000_000
            os.utime(child, ns=(when, when), dir_fd=parent, follow_symlinks=False)


def _header(
    name: str,
    kind: bytes,
    *,
    mode: int = 0o644,
    owner: tuple[int, int] = (0, 0),
    size: int = 0,
    mtime: int = 0,
    link: str = "",
    device: int | None = None,
    xattrs: dict[str, str] | None = None,
) -> bytes:
    """Return a member's header: ustar where that can say it, pax else."""
    raw_name = os.fsencode(f"{name}/" if kind == tarfile.DIRTYPE else name)
    raw_link = os.fsencode(link)
    plain = (
        not xattrs and len(raw_name) <= 100 and len(raw_link) <= 100 and raw_name.isascii() and raw_link.isascii()
        and max(owner) < 0o10000000 and size < 0o100000000000 and 0 <= mtime < 0o100000000000 and device is None
    )  # fmt: skip
    if not plain:
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.size, member.mtime, member.linkname = kind, mode, size, mtime, link
        member.uid, member.gid = owner
        if device is not None:
            member.devmajor, member.devminor = os.major(device), os.minor(device)
        if xattrs:
            member.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in xattrs.items()}
        return member.tobuf(tarfile.PAX_FORMAT)
    block = (
        b"%-100b%07o\0%07o\0%07o\0%011o\0%011o\0        %b%b" % (
            raw_name.ljust(100, b"\0"), mode, *owner, size, mtime, kind, raw_link.ljust(100, b"\0"),
        )
        + b"ustar\x0000"
    ).ljust(_BLOCK, b"\0")  # fmt: skip
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, _OPAQUE) == b"y"
    except OSError:
        return False


def _xattrs(fd: int) -> dict[str, str]:
    return {
        key: os.getxattr(fd, key).decode("utf-8", "surrogateescape")
        for key in os.listxattr(fd)
        if key == "security.capability" or key.startswith("user.")
    }


def _removed_stub(parent: int, child: str, kind: int) -> bool:
    """Take out what the runtime made to mount on; False where it holds something and so is the user's."""
    try:
        if kind == stat.S_IFDIR:
            os.rmdir(child, dir_fd=parent)
        else:
            os.unlink(child, dir_fd=parent)
    except OSError:
        return False
    return True


def _set_back(fd: int, epoch: int) -> None:
    if os.fstat(fd).st_mtime > epoch:
        os.utime(fd, ns=(epoch * 1_000_000_000, epoch * 1_000_000_000))
