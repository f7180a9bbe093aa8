"""Writes the entries of a layer's tar into a folder: safely, and as an overlayfs lower layer.

Every parent folder is opened by openat2 beneath the root and never through a symlink, so no entry can leave the root
or write through a link of the same layer. OCI whiteouts (`.wh.name`, `.wh..wh..opq`; OCI image spec, layer.md)
become overlayfs's: a char device 0/0, the xattr `trusted.overlay.opaque`. Owners, modes, times and xattrs of folders
are set at the end, when nothing more is written into them.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import replace

from engine.errors import InvalidArgument
from engine.kernel import syscalls
from engine.storage.tarstream import Entry, TarReader

OPAQUE = "trusted.overlay.opaque"
_WHITEOUT = ".wh."
_AUFS = ".wh..wh."
_OPEN_FOLDERS = 64
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_PATH | os.O_DIRECTORY
_BENEATH = syscalls.Resolve.BENEATH | syscalls.Resolve.NO_SYMLINKS | syscalls.Resolve.NO_XDEV
_IN_ROOT = syscalls.Resolve.IN_ROOT | syscalls.Resolve.NO_MAGICLINKS | syscalls.Resolve.NO_XDEV
_XATTRS_TAKEN = ("user.", "security.capability", "system.posix_acl_")


class Unpacker:
    """Unpacks into the open folder `root_fd`; `finish` when all entries were given, `close` always."""

    def __init__(
        self,
        root_fd: int,
        *,
        whiteouts: bool = True,
        keep_kinds: bool = False,
        owner: tuple[int, int] | None = None,
        follow: bool = False,
    ) -> None:
        """Unpack into `root_fd`. Not `whiteouts`: their names are ordinary ones (a copy into a container).

        `keep_kinds`: refuse to put a file in a folder's place and the reverse, as `noOverwriteDirNonDir` asks.
        `owner`: uid and gid of all that is unpacked; None: the tar's. `follow`: parent folders may be symbolic links,
        resolved within the root (an archive for a root that has some).
        """
        self._resolve = _IN_ROOT if follow else _BENEATH
        self._owner = owner
        self._root = root_fd
        self._whiteouts = whiteouts
        self._keep_kinds = keep_kinds
        self._open: dict[str, int] = {}
        self._folders: dict[str, Entry] = {}
        self.size = 0
        """Bytes of file content so far."""
        self.overwritten = False
        """Whether a file came twice: the tar can't be made again from what is unpacked."""

    def apply(self, reader: TarReader) -> None:
        """Unpack all entries of `reader`; InvalidArgument names the entry that is refused."""
        for entry in reader:
            if self._owner is not None:
                entry = replace(entry, uid=self._owner[0], gid=self._owner[1])
            folder, _, base = entry.name.rpartition("/")
            if not base:
                self._folders[""] = entry
            elif self._whiteouts and _AUFS in entry.name:
                self._opaque_or_ignored(folder, base)
            elif self._whiteouts and base.startswith(_WHITEOUT):
                self._whiteout(folder, base.removeprefix(_WHITEOUT))
            else:
                self._make(entry, folder, base, reader)

    def finish(self) -> None:
        """Give folders their owners, modes, xattrs and times, the innermost first."""
        for name in sorted(self._folders, key=lambda n: n.count("/"), reverse=True):
            entry = self._folders[name]
            try:
                fd = syscalls.openat2(self._root, name or ".", os.O_RDONLY | os.O_DIRECTORY, resolve=self._resolve)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    continue  # a later entry took its place
                raise
            try:
                os.fchown(fd, entry.uid, entry.gid)
                os.fchmod(fd, entry.mode)
                _set_xattrs(fd, entry.xattrs)
                os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
            finally:
                os.close(fd)

    def close(self) -> None:
        """Close the folders kept open."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def _make(self, entry: Entry, folder: str, base: str, reader: TarReader) -> None:
        parent = self._folder(folder, entry.name)
        hidden = False
        for attempt in (1, 2):
            try:
                match entry.kind:
                    case "0":
                        self._file(entry, parent, base, reader.content())
                    case "5":
                        self._directory(entry, parent, base)
                    case "1":
                        self._hard_link(entry, parent, base)
                    case "2":
                        os.symlink(entry.link, base, dir_fd=parent)
                        _set_owner_and_time(entry, parent, base)
                    case _:
                        _node(entry, parent, base)
                break
            except FileExistsError:
                if attempt == 2:
                    raise
                hidden = self._clear(entry, parent, base)
        if hidden and entry.kind == "5":
            self._set_opaque(self._existing(entry.name))

    def _file(self, entry: Entry, parent: int, base: str, content: Iterable[bytes]) -> None:
        fd = os.open(base, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            for piece in content:
                _write_all(fd, piece)
            if entry.uid or entry.gid:
                os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
            if entry.xattrs:
                _set_xattrs(fd, entry.xattrs)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)
        self.size += entry.size

    def _directory(self, entry: Entry, parent: int, base: str) -> None:
        try:
            os.mkdir(base, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(base, dir_fd=parent, follow_symlinks=False).st_mode):
                raise
        self._folders[entry.name] = entry

    def _hard_link(self, entry: Entry, parent: int, base: str) -> None:
        folder, _, target = entry.link.rpartition("/")
        try:
            source = self._existing(folder)
            os.link(target, base, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError as error:
            raise InvalidArgument(f'hard link "{entry.name}" to "{entry.link}": {error.strerror}') from error

    def _clear(self, entry: Entry, parent: int, base: str) -> bool:
        """Make room for an entry of a name that is there; say whether it was a whiteout."""
        info = os.stat(base, dir_fd=parent, follow_symlinks=False)
        is_folder = stat.S_ISDIR(info.st_mode)
        if self._keep_kinds and is_folder != (entry.kind == "5"):
            kinds = ("directory", "non-directory") if is_folder else ("non-directory", "directory")
            raise InvalidArgument(f'cannot overwrite {kinds[0]} "{entry.name}" with {kinds[1]} "{entry.name}"')
        if is_folder:
            self._forget(entry.name)
            shutil.rmtree(base, dir_fd=parent)
            self.overwritten = True
        else:
            os.unlink(base, dir_fd=parent)
            self.overwritten = self.overwritten or stat.S_ISREG(info.st_mode)
        return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0

    def _forget(self, name: str) -> None:
        """Close open folders, and drop the attributes of those, under a folder that is about to go."""
        self.close()
        for known in [n for n in self._folders if n == name or n.startswith(f"{name}/")]:
            del self._folders[known]

    def _whiteout(self, folder: str, base: str) -> None:
        name = f"{folder}/{base}" if folder else base
        if base in ("", ".", ".."):
            raise InvalidArgument(f'invalid whiteout "{folder}/{_WHITEOUT}{base}"')
        parent = self._folder(folder, name)
        try:
            os.mknod(base, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        except FileExistsError:
            # A whiteout speaks of the layers below only; a folder of this layer hides what is below it.
            if stat.S_ISDIR(os.stat(base, dir_fd=parent, follow_symlinks=False).st_mode):
                self._set_opaque(self._folder(name, name))

    def _opaque_or_ignored(self, folder: str, base: str) -> None:
        if base == ".wh..wh..opq" and _AUFS not in folder:
            self._set_opaque(self._folder(folder, f"{folder}/{base}"))

    @staticmethod
    def _set_opaque(fd: int) -> None:
        os.setxattr(f"/proc/self/fd/{fd}", OPAQUE, b"y")

    def _folder(self, name: str, needed_by: str) -> int:
        """Return the open folder `name`; make it, and those above, where they are missing."""
        try:
            return self._existing(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _refusal(error, name, needed_by) from error
        above, _, base = name.rpartition("/")
        parent = self._folder(above, needed_by)
        os.mkdir(base, 0o755, dir_fd=parent)
        os.chmod(base, 0o755, dir_fd=parent)  # noqa: S103  what tar(1) makes, whatever our umask
        return self._existing(name)

    def _existing(self, name: str) -> int:
        if not name:
            return self._root
        fd = self._open.get(name)
        if fd is None:
            fd = syscalls.openat2(self._root, name, _FOLDER, resolve=self._resolve)
            if len(self._open) >= _OPEN_FOLDERS:
                self.close()
            self._open[name] = fd
        return fd


def _refusal(error: OSError, name: str, needed_by: str) -> Exception:
    if error.errno == errno.ELOOP:
        return InvalidArgument(f'"{needed_by}" would be written through the symbolic link "{name}"')
    if error.errno == errno.ENOTDIR:
        return InvalidArgument(f'"{needed_by}": a part of "{name}" is not a directory')
    if error.errno in (errno.EXDEV, errno.ENAMETOOLONG):
        return InvalidArgument(f'"{needed_by}": {error.strerror}')
    return error


def _node(entry: Entry, parent: int, base: str) -> None:
    kinds = {"3": stat.S_IFCHR, "4": stat.S_IFBLK, "6": stat.S_IFIFO}
    os.mknod(base, kinds[entry.kind] | 0o600, os.makedev(*entry.device), dir_fd=parent)
    _set_owner_and_time(entry, parent, base)
    os.chmod(base, entry.mode, dir_fd=parent)


def _set_owner_and_time(entry: Entry, parent: int, base: str) -> None:
    if entry.uid or entry.gid:
        os.chown(base, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
    os.utime(base, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)


def _set_xattrs(fd: int, xattrs: dict[str, bytes]) -> None:
    for name, value in xattrs.items():
        if name.startswith(_XATTRS_TAKEN):
            try:
                os.setxattr(fd, name, value)
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM):
                    raise


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])
