"""Looking into unpacked layers: what a folder holds in one layer or up to it, where a path came from, a file's bytes.

Works on the layers' own folders (overlayfs format), base first; a container's upper folder may be the last. Nothing is
mounted. What a layer holds comes from strangers, and an upper folder changes while it is read: every step of a path is
opened on its own, no link is followed, and so no path leaves its layer.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.errors import InvalidArgument, NotFound
from engine.kernel import syscalls
from engine.storage import listing

ADDED, CHANGED, REMOVED, SAME = "added", "changed", "removed", ""
_OPAQUE = "trusted.overlay.opaque"
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_INSIDE = syscalls.Resolve.BENEATH | syscalls.Resolve.NO_SYMLINKS | syscalls.Resolve.NO_XDEV


class Node(NamedTuple):
    """What one path is: `kind` is file, folder, link, device, pipe or socket; `size` bytes of a file, else 0."""

    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    link: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder: what it is (or was, if removed), what the layer did to it, and which layer it is from."""

    name: str
    node: Node
    change: str
    layer: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a folder's entries by name; `total` are all, `following` is the last name here if more come."""

    entries: tuple[Entry, ...]
    total: int
    following: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one layer did to a path; `node` is None where it removed it."""

    layer: int
    change: str
    node: Node | None


def parts_of(path: str) -> tuple[str, ...]:
    """Return the parts of an absolute path; InvalidArgument for `..` and what no path can be."""
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts or "\0" in path or len(path) > 4096:
        raise InvalidArgument(f"path: {path[:80]!r} is no path within an image")
    return parts


def node_of(info: os.stat_result, link: str = "") -> Node:
    """Return what lstat says as a value."""
    kind = listing.kind_of(info)
    size = info.st_size if kind == "file" else 0
    return Node(kind, size, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns, link)


def is_whiteout(info: os.stat_result) -> bool:
    """Say whether this is overlayfs's mark of a removed name."""
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0


def is_opaque(fd: int) -> bool:
    """Say whether the folder of this descriptor hides what lower layers have in it."""
    try:
        return os.getxattr(f"/proc/self/fd/{fd}", _OPAQUE) == b"y"
    except OSError:
        return False


@contextmanager
def opened(folders: Sequence[Path]) -> Iterator[Stack]:
    """Open layers (base first) for the block; NotFound where one is gone."""
    with ExitStack() as undo:
        roots = []
        for folder in folders:
            try:
                roots.append(os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            except FileNotFoundError:
                raise NotFound("a layer of the image is gone") from None
            undo.callback(os.close, roots[-1])
        yield Stack(roots)


class Stack:
    """Open layers, base first. `top` is the index of the layer up to which one looks."""

    def __init__(self, roots: Sequence[int]) -> None:
        self.roots = tuple(roots)

    def list_(self, path: str, top: int, *, merged: bool, after: str = "", limit: int = 1000) -> Page:
        """Return the entries of a folder after the name `after`: all up to layer `top`, or what that one changed."""
        parts = parts_of(path)
        shown = self._visible(parts, top)
        if not shown:
            raise NotFound(f"{path}: no such path up to this layer")
        if not stat.S_ISDIR(shown[0][1].st_mode):
            raise InvalidArgument(f"{path} is not a folder")
        with ExitStack() as undo:
            below = self._names(parts, self._visible(parts, top - 1), undo)
            own = self._names(parts, shown[:1], undo, marks=True) if shown[0][0] == top else {}
            hides = shown[0][0] == top and self._probe(top, parts)[1]
            found = _compared(own, below, top, hides=hides, merged=merged)
            names = sorted(name for name in found if name > after)
            page = [self._entry(name, *found[name], below, own) for name in names[:limit]]
        entries = tuple(entry for entry in page if entry)
        return Page(entries, len(found), names[limit - 1] if len(names) > limit else "")

    def find(self, path: str, top: int) -> tuple[int, Node]:
        """Return which layer a path is from, up to `top`, and what it is; NotFound if it is not there."""
        parts = parts_of(path)
        shown = self._visible(parts, top)
        if not shown:
            raise NotFound(f"{path}: no such path up to this layer")
        return shown[0][0], self._described(shown[0][0], parts, shown[0][1])

    def open_file(self, path: str, top: int, *, merged: bool) -> int:
        """Open a regular file for reading; NotFound, InvalidArgument for anything else."""
        layer, node = self.find(path, top)
        if not merged and layer != top:
            raise NotFound(f"{path} is not of this layer")
        if node.kind != "file":
            raise InvalidArgument(f"{path} is not a file but a {node.kind}")
        try:
            # O_NONBLOCK: of a running container it may have become a pipe.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            fd = syscalls.openat2(self.roots[layer], "/".join(parts_of(path)), flags, resolve=_INSIDE)
        except OSError as error:
            raise NotFound(f"{path}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise InvalidArgument(f"{path} is not a file")
        return fd

    def origin(self, path: str) -> list[Step]:
        """Return what each layer did to a path, base first; layers that left it alone are not listed."""
        parts = parts_of(path)
        steps: list[Step] = []
        present = False
        for layer in range(len(self.roots)):
            info, hides = self._probe(layer, parts)
            if info is not None:
                steps.append(Step(layer, CHANGED if present else ADDED, self._described(layer, parts, info)))
                present = True
            elif hides and present:
                steps.append(Step(layer, REMOVED, None))
                present = False
        return steps

    def _visible(self, parts: Sequence[str], top: int) -> list[tuple[int, os.stat_result]]:
        """Return what is seen at a path, the topmost layer first: one entry, or every folder that is merged there."""
        found: list[tuple[int, os.stat_result]] = []
        for layer in range(top, -1, -1):
            info, hides = self._probe(layer, parts)
            if info is not None and found and not stat.S_ISDIR(info.st_mode):
                break
            if info is not None:
                found.append((layer, info))
            if hides:
                break
        return found

    def _probe(self, layer: int, parts: Sequence[str]) -> tuple[os.stat_result | None, bool]:
        """Return what one layer has at a path, and whether it hides what is below it there."""
        hides = False
        fd = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.roots[layer])
        try:
            info = os.fstat(fd)
            for part in parts:
                if not stat.S_ISDIR(info.st_mode):
                    return None, True
                hides = hides or is_opaque(fd)
                try:
                    inner = os.open(part, _STEP, dir_fd=fd)
                except (FileNotFoundError, NotADirectoryError):
                    return None, hides
                except OSError as error:
                    if error.errno == errno.ENAMETOOLONG:
                        return None, hides
                    raise
                os.close(fd)
                fd = inner
                info = os.fstat(fd)
                if is_whiteout(info):
                    return None, True
            return info, hides or not stat.S_ISDIR(info.st_mode) or is_opaque(fd)
        finally:
            os.close(fd)

    def _names(
        self, parts: Sequence[str], shown: Sequence[tuple[int, os.stat_result]], undo: ExitStack, *, marks: bool = False
    ) -> dict[str, tuple[int, int]]:
        """Return the names in merged folders with their layer and its open folder (-1: a whiteout, with `marks`)."""
        seen: dict[str, tuple[int, int]] = {}
        for layer, info in shown:
            if not stat.S_ISDIR(info.st_mode):
                continue
            try:
                fd = syscalls.openat2(self.roots[layer], "/".join(parts) or ".", _LIST, resolve=_INSIDE)
            except OSError:  # of a running container: gone meanwhile
                continue
            undo.callback(os.close, fd)
            with os.scandir(fd) as entries:
                for entry in entries:
                    if entry.name not in seen:
                        seen[entry.name] = (layer, -1 if _is_mark(entry) else fd)
        return seen if marks else {name: place for name, place in seen.items() if place[1] >= 0}

    def _entry(
        self,
        name: str,
        change: str,
        layer: int,
        below: dict[str, tuple[int, int]],
        own: dict[str, tuple[int, int]],
    ) -> Entry | None:
        folder = below[name][1] if change in (REMOVED, SAME) else own[name][1]
        try:
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            link = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(info.st_mode) else ""
        except OSError:  # of a running container: gone meanwhile
            return None
        return Entry(name, node_of(info, link), change, layer)

    def _described(self, layer: int, parts: Sequence[str], info: os.stat_result) -> Node:
        link = ""
        if stat.S_ISLNK(info.st_mode):
            try:
                fd = syscalls.openat2(self.roots[layer], "/".join(parts), _STEP, resolve=syscalls.Resolve.BENEATH)
            except OSError:
                return node_of(info)
            try:
                link = os.readlink("", dir_fd=fd)
            except OSError:
                link = ""
            finally:
                os.close(fd)
        return node_of(info, link)


def _compared(
    own: dict[str, tuple[int, int]], below: dict[str, tuple[int, int]], top: int, *, hides: bool, merged: bool
) -> dict[str, tuple[str, int]]:
    """Return change and layer of each name, from what a layer has in a folder and what those below show there."""
    found: dict[str, tuple[str, int]] = {}
    for name, (layer, _) in below.items():
        if name in own:
            found[name] = (CHANGED, top) if own[name][1] >= 0 else (REMOVED, layer)
        elif hides:
            found[name] = (REMOVED, layer)
        elif merged:
            found[name] = (SAME, layer)
    for name, (_, folder) in own.items():
        if folder >= 0 and name not in below:
            found[name] = (ADDED, top)
    return found


def _is_mark(entry: os.DirEntry[str]) -> bool:
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False) or entry.is_symlink():
        return False
    try:
        return is_whiteout(entry.stat(follow_symlinks=False))
    except OSError:
        return True
