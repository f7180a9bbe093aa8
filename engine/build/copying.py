"""Writes what COPY and ADD select into a stage's root: owners and modes as asked, nothing outside of the root.

Folders of the destination are resolved within the root (openat2, RESOLVE_IN_ROOT) and made where they are missing. The
same copy gives the same layer: a folder that was there keeps its time, one that is made takes the time of what is
copied.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.build.tree import Item, Source, Tree, open_inside
from engine.errors import InvalidArgument
from engine.kernel import syscalls

_IN_ROOT = syscalls.Resolve.IN_ROOT | syscalls.Resolve.NO_MAGICLINKS
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_OPEN_FOLDERS = 64
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)\Z")
Owner = tuple[int, int] | None
"""uid and gid for all that is copied; None keeps the source's."""


@dataclass(slots=True)
class Writer:
    """Copies into the open folder `root_fd`; `finish` sets times of folders, `close` frees what is open."""

    root_fd: int
    owner: Owner = (0, 0)
    chmod: Callable[[int], int] | None = None
    """Gives a new st_mode for an old one."""
    _open: dict[str, int] = field(default_factory=dict)
    _times: dict[str, int] = field(default_factory=dict)
    _links: dict[tuple[int, int], str] = field(default_factory=dict)

    def copy(self, tree: Tree, source: Source, dest: str, *, into: bool) -> None:
        """Copy a source to `dest` (a path of the root); `into`: a file keeps its name below `dest`.

        A folder's contents go into `dest`.
        """
        top = source.items[0]
        dest = dest.rstrip("/")
        if source.is_folder:
            self._folder(dest, top.info.st_mtime_ns, like=top.info)
            for item in source.items[1:]:
                self._item(tree, item, f"{dest}/{item.name}")
            return
        target = f"{dest}/{source.written.rpartition('/')[2]}" if into else dest
        self._item(tree, top, target)

    def write(self, dest: str, content: bytes, mtime_ns: int, mode: int = 0o644) -> None:
        """Write a file of bytes (a here-document)."""
        above, _, name = dest.rpartition("/")
        parent = self._folder(above, mtime_ns)
        _make_room(parent, name, dest)
        fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            self._dress(fd, stat.S_IFREG | mode, (0, 0), mtime_ns)
        finally:
            os.close(fd)

    def is_folder(self, path: str) -> bool:
        """Say whether `path` of the root is a folder, links followed."""
        fd = open_inside(self.root_fd, path or "/", _FOLDER)
        if fd is not None:
            os.close(fd)
        return fd is not None

    def make_folder(self, path: str, mtime_ns: int) -> int:
        """Make a folder where it is missing; return its O_PATH descriptor, which stays the writer's."""
        return self._folder(path, mtime_ns)

    def finish(self) -> None:
        """Give folders their times, the innermost first."""
        self._close_all()
        for path in sorted(self._times, key=lambda p: p.count("/"), reverse=True):
            fd = open_inside(self.root_fd, path or "/", _FOLDER)
            if fd is None:
                continue
            try:
                if os.fstat(fd).st_mtime_ns != self._times[path]:  # else it would be copied up for nothing
                    os.utime(fd, ns=(self._times[path], self._times[path]))
            finally:
                os.close(fd)
        self._times.clear()

    def close(self) -> None:
        """Close what is open."""
        self._close_all()

    def _item(self, tree: Tree, item: Item, target: str) -> None:
        info = item.info
        if stat.S_ISDIR(info.st_mode):
            self._existing_or_new(target, info)
            return
        above, _, name = target.rstrip("/").rpartition("/")
        parent = self._folder(above, info.st_mtime_ns)
        _make_room(parent, name, target)
        if stat.S_ISREG(info.st_mode):
            self._file(tree, item, parent, name, target)
        elif stat.S_ISLNK(info.st_mode):
            os.symlink(tree.link_target(item), name, dir_fd=parent)
            uid, gid = self.owner or (info.st_uid, info.st_gid)
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
            os.utime(name, ns=(info.st_mtime_ns, info.st_mtime_ns), dir_fd=parent, follow_symlinks=False)
        elif not stat.S_ISSOCK(info.st_mode):
            os.mknod(name, info.st_mode, info.st_rdev, dir_fd=parent)
            uid, gid = self.owner or (info.st_uid, info.st_gid)
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(info.st_mode), dir_fd=parent)

    def _file(self, tree: Tree, item: Item, parent: int, name: str, target: str) -> None:
        info = item.info
        if info.st_nlink > 1:
            first = self._links.setdefault((info.st_dev, info.st_ino), target)
            if first != target and self._link(first, parent, name):
                return
        source = tree.open(item)
        try:
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
            try:
                _copy_bytes(source, fd, info.st_size)
                _copy_xattrs(source, fd)
                self._dress(fd, info.st_mode, (info.st_uid, info.st_gid), info.st_mtime_ns)
            finally:
                os.close(fd)
        finally:
            os.close(source)

    def _link(self, first: str, parent: int, name: str) -> bool:
        above, _, base = first.rstrip("/").rpartition("/")
        try:
            folder = syscalls.openat2(self.root_fd, above or "/", _FOLDER, resolve=_IN_ROOT)
        except OSError:
            return False
        try:
            os.link(base, name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
        except OSError:
            return False
        finally:
            os.close(folder)
        return True

    def _dress(self, fd: int, mode: int, owner: tuple[int, int], mtime_ns: int) -> None:
        uid, gid = self.owner or owner
        if uid or gid:
            os.fchown(fd, uid, gid)
        os.fchmod(fd, stat.S_IMODE(self.chmod(mode) if self.chmod else mode))
        os.utime(fd, ns=(mtime_ns, mtime_ns))

    def _mode(self, info: os.stat_result) -> int:
        return stat.S_IMODE(self.chmod(info.st_mode) if self.chmod else info.st_mode)

    def _existing_or_new(self, path: str, info: os.stat_result) -> None:
        """Make a copied folder; one that is there takes over mode and owner."""
        fd = self._folder(path, info.st_mtime_ns)
        self._dress_folder(fd, info)
        self._times[path.rstrip("/")] = info.st_mtime_ns

    def _dress_folder(self, fd: int, info: os.stat_result) -> None:
        os.fchown(fd, *(self.owner or (info.st_uid, info.st_gid)))
        os.fchmod(fd, self._mode(info))

    def _folder(self, path: str, mtime_ns: int, like: os.stat_result | None = None) -> int:
        """Return the open folder `path`, made with those above it where it is missing (itself `like` another)."""
        path = path.rstrip("/")
        known = self._open.get(path)
        if known is not None:
            return known
        try:
            fd = syscalls.openat2(self.root_fd, path or "/", _FOLDER, resolve=_IN_ROOT)
        except FileNotFoundError:
            above, _, name = path.rpartition("/")
            parent = self._folder(above, mtime_ns)
            try:
                os.mkdir(name, 0o755, dir_fd=parent)
            except FileExistsError:
                raise InvalidArgument(f"{path}: a symbolic link that leads nowhere is in the way") from None
            fd = os.open(name, _FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            os.fchmod(fd, 0o755)
            os.fchown(fd, *(self.owner or (0, 0)))
            if like is not None:
                self._dress_folder(fd, like)
            self._times.setdefault(path, mtime_ns)
        except NotADirectoryError:
            raise InvalidArgument(f"cannot copy to non-directory: {path}") from None
        except OSError as error:
            raise InvalidArgument(f"{path}: {error.strerror}") from error
        else:
            self._times.setdefault(path, os.fstat(fd).st_mtime_ns)
        if len(self._open) >= _OPEN_FOLDERS:
            self._close_all()
        self._open[path] = fd
        return fd

    def _close_all(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()


def goes_into(writer: Writer, count: int, dest: str, instruction: str) -> bool:
    """Say whether files go into `dest` under their own names; InvalidArgument where several would be one file."""
    if dest.endswith("/"):
        return True
    if count > 1:
        raise InvalidArgument(
            f"When using {instruction} with more than one source file, the destination must be a directory "
            "and end with a /"
        )
    return writer.is_folder(dest)


def parse_chmod(text: str) -> Callable[[int], int]:
    """Return what `--chmod` does to a mode: octal (`755`), or symbolic as chmod(1) has it (`u=rwX,go-w`)."""
    if re.fullmatch(r"[0-7]{1,5}", text) and int(text, 8) <= 0o7777:
        fixed = int(text, 8)
        return lambda mode: stat.S_IFMT(mode) | fixed
    clauses = [_CLAUSE.match(clause) for clause in text.split(",")]
    if not text or not all(clauses):
        raise InvalidArgument(f"invalid chmod parameter: '{text}': it must be an octal number or a symbolic mode")
    parts = [(match[1], re.findall(r"[-+=][rwxXstugo]*", match[2])) for match in clauses if match]

    def change(mode: int) -> int:
        for who, operations in parts:
            for operation in operations:
                mode = _symbolic(mode, who or "a", operation[0], operation[1:])
        return mode

    return change


def _symbolic(mode: int, who: str, operator: str, letters: str) -> int:
    who = "ugo" if "a" in who else who
    bits = mask = 0
    for person, shift in (("u", 6), ("g", 3), ("o", 0)):
        if person in who:
            bits |= _letters(mode, letters) << shift
            mask |= 7 << shift
    if "s" in letters:
        bits |= (stat.S_ISUID if "u" in who else 0) | (stat.S_ISGID if "g" in who else 0)
    if "t" in letters:
        bits |= stat.S_ISVTX
    if operator == "+":
        return mode | bits
    if operator == "-":
        return mode & ~bits
    return mode & ~mask | bits


def _letters(mode: int, letters: str) -> int:
    values = {"r": 4, "w": 2, "x": 1, "u": mode >> 6 & 7, "g": mode >> 3 & 7, "o": mode & 7}
    values["X"] = 1 if stat.S_ISDIR(mode) or mode & 0o111 else 0
    found = 0
    for letter in letters:
        found |= values.get(letter, 0)
    return found


def _make_room(parent: int, name: str, target: str) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.EPERM):
            raise InvalidArgument(f"cannot copy a file over the directory {target}") from None
        raise


def _copy_bytes(source: int, target: int, size: int) -> None:
    left = size
    while left:
        try:
            done = os.copy_file_range(source, target, left)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            done = os.sendfile(target, source, None, left)
        if not done:
            return
        left -= done


def _copy_xattrs(source: int, target: int) -> None:
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return
    for name in names:
        if name == "security.capability" or name.startswith("user."):
            os.setxattr(target, name, os.getxattr(source, name))
