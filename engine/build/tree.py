"""A tree of files to copy from: a build's context, or the root of a stage or an image; reading it never leaves it.

Paths are relative and clean. A source is found within the root (openat2, RESOLVE_IN_ROOT), so links and `..` of
strangers stay inside; what is walked from there on is never followed. Only what is asked for is read and hashed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.build import glob
from engine.errors import InvalidArgument
from engine.kernel import syscalls

_IN_ROOT = syscalls.Resolve.IN_ROOT | syscalls.Resolve.NO_MAGICLINKS
_BENEATH = syscalls.Resolve.BENEATH | syscalls.Resolve.NO_SYMLINKS
_CHUNK = 1 << 20
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.ENAMETOOLONG, errno.ENXIO)
"""What openat2 says where a path leads to nothing that may be read; ENXIO: a socket."""
Hides = Callable[[str], bool]
"""Says whether a path (relative to the tree's root) is left out."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file, folder, link or node: `path` in its tree, `name` below the source it was found by ("" the top)."""

    path: str
    name: str
    info: os.stat_result


@dataclass(frozen=True, slots=True)
class Source:
    """What one source argument means: `path` of the tree, links followed, and everything to copy, folders first."""

    path: str
    items: tuple[Item, ...]
    written: str = ""
    """The path before links were followed: what its copy is called."""

    @property
    def is_folder(self) -> bool:
        """Whether its contents are copied, and not itself."""
        return stat.S_ISDIR(self.items[0].info.st_mode)


@dataclass(slots=True)
class Tree:
    """The tree below `root_fd` (an open folder, owned by the caller). `hides` are the paths left out by ignore rules.

    `hides_all` says that nothing below a hidden folder comes back (no `!` rule), so that it need not be walked.
    """

    root_fd: int
    hides: Hides | None = None
    hides_all: bool = False
    keeps_owners: bool = False
    """Whether owners count: they do in stages and images, in a context they don't."""
    _digests: dict[str, str] = field(default_factory=dict)

    def find(self, pattern: str, exclude: Hides | None = None) -> list[Source]:
        """Return what a source argument means, sorted; nothing where it matches nothing.

        `*`, `?`, `[a-z]` match within one part of a path, `**` any number of parts. `exclude` sees paths relative to
        the tree's root.
        """
        clean = clean_path(pattern)
        if not glob.has_wildcard(clean):
            return self._found([clean], exclude)
        return self._found(self._matching(clean), exclude)

    def read(self, path: str, limit: int) -> bytes | None:
        """Return a regular file's bytes (at most `limit`, InvalidArgument above), None where there is none."""
        fd = open_inside(self.root_fd, path, os.O_RDONLY | os.O_NONBLOCK)
        if fd is None:
            return None
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            data = file.read(limit + 1)
        if len(data) > limit:
            raise InvalidArgument(f"{path}: larger than {limit} bytes")
        return data

    def locate(self, path: str) -> str | None:
        """Return where a path of the tree leads, links followed, relative to the root; None where nothing is."""
        fd = open_inside(self.root_fd, clean_path(path) or ".", os.O_PATH)
        if fd is None:
            return None
        try:
            return self._real_path(fd)
        finally:
            os.close(fd)

    def digest(self, item: Item) -> str:
        """Return the digest of what a copy of the item depends on: kind, mode, content, but no time."""
        known = self._digests.get(item.path)
        if known is None:
            known = self._digests[item.path] = self._hash(item)
        return known

    def open(self, item: Item) -> int:
        """Return a descriptor for reading a regular file of the tree."""
        return syscalls.openat2(self.root_fd, item.path, os.O_RDONLY | os.O_NONBLOCK, resolve=_BENEATH)

    def link_target(self, item: Item) -> str:
        """Return a symbolic link's text."""
        fd = syscalls.openat2(self.root_fd, item.path, os.O_PATH | os.O_NOFOLLOW, resolve=_BENEATH)
        try:
            return os.readlink("", dir_fd=fd)
        finally:
            os.close(fd)

    def _hash(self, item: Item) -> str:
        info = item.info
        digest = hashlib.sha256(f"{info.st_mode:o} ".encode())
        if self.keeps_owners:
            digest.update(f"{info.st_uid}:{info.st_gid} ".encode())
        if stat.S_ISREG(info.st_mode):
            fd = self.open(item)
            try:
                while data := os.read(fd, _CHUNK):
                    digest.update(data)
            finally:
                os.close(fd)
        elif stat.S_ISLNK(info.st_mode):
            digest.update(os.fsencode(self.link_target(item)))
        elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            digest.update(str(info.st_rdev).encode())
        return digest.hexdigest()

    def _found(self, paths: Sequence[str], exclude: Hides | None) -> list[Source]:
        found = []
        for path in paths:
            fd = open_inside(self.root_fd, path or ".", os.O_PATH)
            if fd is None:
                continue
            try:
                real, info = self._real_path(fd), os.fstat(fd)
                items = tuple(self._walk(fd, real, "", info, exclude))
            finally:
                os.close(fd)
            if items:
                found.append(Source(real, items, path))
        return found

    def _real_path(self, fd: int) -> str:
        """Return where an open file of the tree is, links followed."""
        root = str(Path(f"/proc/self/fd/{self.root_fd}").readlink())
        full = str(Path(f"/proc/self/fd/{fd}").readlink())
        return "" if full == root else full.removeprefix("/" if root == "/" else f"{root}/")

    def _walk(
        self, fd: int, path: str, name: str, info: os.stat_result, exclude: Hides | None
    ) -> Iterator[Item]:
        if not stat.S_ISDIR(info.st_mode):
            if not self._is_hidden(path, exclude):
                yield Item(path, name, info)
            return
        hidden = bool(path) and self._is_hidden(path, exclude)
        if hidden and self.hides_all and exclude is None:
            return
        if not hidden:
            yield Item(path, name, info)
        first = hidden
        for item in self._children(fd, path, name, exclude):
            if first:
                first = False
                yield Item(path, name, info)
            yield item

    def _children(self, fd: int, path: str, name: str, exclude: Hides | None) -> Iterator[Item]:
        listing = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for child in sorted(os.listdir(listing)):
                info = os.stat(child, dir_fd=listing, follow_symlinks=False)
                inner_path = f"{path}/{child}" if path else child
                inner_name = f"{name}/{child}" if name else child
                if not stat.S_ISDIR(info.st_mode):
                    if not self._is_hidden(inner_path, exclude):
                        yield Item(inner_path, inner_name, info)
                    continue
                inner = os.open(child, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=listing)
                try:
                    yield from self._walk(inner, inner_path, inner_name, info, exclude)
                finally:
                    os.close(inner)
        finally:
            os.close(listing)

    def _is_hidden(self, path: str, exclude: Hides | None) -> bool:
        return bool((self.hides and self.hides(path)) or (exclude and exclude(path)))

    def _matching(self, pattern: str) -> list[str]:
        found = [""]
        for part in pattern.split("/"):
            if part == "**":
                found = [inner for path in found for inner in (path, *self._folders_below(path))]
            elif glob.has_wildcard(part):
                matches = glob.compile_pattern(part).fullmatch
                found = [_join(path, name) for path in found for name in self._names(path) if matches(name)]
            else:
                found = [_join(path, part.replace("\\", "")) for path in found]
        return sorted(set(found))

    def _names(self, path: str) -> list[str]:
        fd = open_inside(self.root_fd, path or ".", os.O_RDONLY | os.O_DIRECTORY)
        if fd is None:
            return []
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def _folders_below(self, path: str) -> Iterator[str]:
        for name in self._names(path):
            inner = _join(path, name)
            fd = open_inside(self.root_fd, inner, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, _BENEATH)
            if fd is None:
                continue
            os.close(fd)
            yield inner
            yield from self._folders_below(inner)


def clean_path(path: str) -> str:
    """Return a path relative to its tree's root: what `..` would leave it by is dropped."""
    return posixpath.normpath("/" + path).lstrip("/")


def open_inside(root_fd: int, path: str, flags: int, resolve: int = _IN_ROOT) -> int | None:
    """Open a path within a root; None where nothing of the kind is there. What else fails is an OSError."""
    try:
        return syscalls.openat2(root_fd, path, flags, resolve=resolve)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
