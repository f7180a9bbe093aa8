"""Whole trees of layers compared: the difference of two stacks, and the bytes that a stack carries for nothing.

A layer is read once into a tree; trees are merged without copying what stays the same, so that two stacks with a common
base share its nodes and comparing them costs what differs. Sizes count a file of several names once.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.errors import InvalidArgument
from engine.kernel import syscalls
from engine.storage.layertree import ADDED, CHANGED, REMOVED, Node, is_opaque, is_whiteout, node_of

ENTRY_LIMIT = 1_000_000
"""Files of one stack: more are not compared."""
DEPTH_LIMIT = 200
"""Folders within folders: what is deeper is left out."""
_CACHE_ENTRIES = 100_000
_INSIDE = syscalls.Resolve.BENEATH | syscalls.Resolve.NO_SYMLINKS | syscalls.Resolve.NO_XDEV


@dataclass(slots=True)
class Tree:
    """A path and what is below it. `node` is None for a whiteout; `counted` are its bytes, 0 for a second name."""

    node: Node | None
    counted: int = 0
    children: dict[str, Tree] = field(default_factory=dict)
    opaque: bool = False
    plain: bool = False
    """Whether there is no whiteout and no opaque folder in it, as far as is known."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that differs: None on the side where it is not."""

    path: str
    change: str
    before: Node | None
    after: Node | None


@dataclass(frozen=True, slots=True)
class Waste:
    """Bytes under one path that a later layer hides, and the layers that did it."""

    path: str
    size: int
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Economy:
    """How well a stack uses its bytes: `total` in its layers, `visible` in the end, what was wasted where."""

    total: int
    visible: int
    waste: tuple[Waste, ...]

    @property
    def wasted(self) -> int:
        """Bytes that nobody sees."""
        return self.total - self.visible

    @property
    def efficiency(self) -> float:
        """The part of all bytes that is seen, 0 to 1."""
        return self.visible / self.total if self.total else 1.0


class Trees:
    """Trees of layers that never change, kept while there is room. Every method from any thread."""

    def __init__(self, limit: int = _CACHE_ENTRIES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Tree, int]] = OrderedDict()

    def read(self, key: str, root_fd: int, room: int = ENTRY_LIMIT) -> tuple[Tree, int]:
        """Return a layer's tree and the number of its entries; `key` "" is never kept."""
        with self._lock:
            known = self._kept.get(key)
            if known:
                self._kept.move_to_end(key)
                return known
        found = scan(root_fd, room)
        if key and found[1] <= self._limit:
            with self._lock:
                self._kept[key] = found
                while sum(count for _, count in self._kept.values()) > self._limit:
                    self._kept.popitem(last=False)
        return found

    def read_all(self, keys: Sequence[str], roots: Sequence[int]) -> list[Tree]:
        """Return the trees of a stack; InvalidArgument where it has too many files."""
        trees, room = [], ENTRY_LIMIT
        for key, root in zip(keys, roots, strict=True):
            tree, count = self.read(key, root, room)
            trees.append(tree)
            room -= count
        return trees


def scan(root_fd: int, room: int = ENTRY_LIMIT) -> tuple[Tree, int]:
    """Return the tree of an open layer and the number of its entries."""
    top = Tree(node_of(os.stat(".", dir_fd=root_fd)))
    seen: set[tuple[int, int]] = set()
    pending = [("", 0, top)]
    count, plain = 0, True
    while pending:
        path, depth, tree = pending.pop()
        for name, child in _children(root_fd, path, tree, seen):
            count += 1
            if count > room:
                raise InvalidArgument(f"too many files to compare: the limit is {ENTRY_LIMIT}")
            tree.children[name] = child
            plain = plain and child.node is not None
            if child.node and child.node.kind == "folder" and depth < DEPTH_LIMIT:
                pending.append((f"{path}/{name}" if path else name, depth + 1, child))
        plain = plain and not tree.opaque
    top.plain = plain
    return top, count


def _children(root_fd: int, path: str, tree: Tree, seen: set[tuple[int, int]]) -> Iterator[tuple[str, Tree]]:
    try:
        fd = syscalls.openat2(root_fd, path or ".", os.O_RDONLY | os.O_DIRECTORY, resolve=_INSIDE)
    except OSError:  # of a running container: gone meanwhile, or deeper than a path can say
        return
    try:
        tree.opaque = is_opaque(fd)
        with os.scandir(fd) as entries:
            for entry in entries:
                try:
                    info = entry.stat(follow_symlinks=False)
                    link = os.readlink(entry.name, dir_fd=fd) if stat.S_ISLNK(info.st_mode) else ""
                except OSError:
                    continue
                yield entry.name, _tree_of(info, link, seen)
    finally:
        os.close(fd)


def _tree_of(info: os.stat_result, link: str, seen: set[tuple[int, int]]) -> Tree:
    if is_whiteout(info):
        return Tree(None)
    counted = info.st_size if stat.S_ISREG(info.st_mode) else 0
    if counted and info.st_nlink > 1:
        key = (info.st_dev, info.st_ino)
        counted = 0 if key in seen else counted
        seen.add(key)
    return Tree(node_of(info, link), counted)


def merge(below: Tree | None, above: Tree, lost: Callable[[str, Tree], None] | None = None, path: str = "") -> Tree:
    """Return what is seen of `above` on top of `below`, neither changed; `lost` hears of each tree that gets hidden."""
    folders = below is not None and _is_folder(below) and _is_folder(above)
    if below is None or not folders or above.opaque:
        if below is not None and lost:
            for name, child in below.children.items() if folders else ():
                if name not in above.children or not _is_folder(child):
                    lost(f"{path}/{name}", child)
                else:
                    merge(child, _hiding(above.children[name]), lost, f"{path}/{name}")
            if not folders:
                lost(path, below)
        return _alone(above)
    children = dict(below.children)
    for name, child in above.children.items():
        old = children.get(name)
        if child.node is None:
            if old is not None and lost:
                lost(f"{path}/{name}", old)
            children.pop(name, None)
        else:
            children[name] = merge(old, child, lost, f"{path}/{name}")
    return Tree(above.node, above.counted, children)


def _hiding(tree: Tree) -> Tree:
    return Tree(tree.node, tree.counted, tree.children, opaque=True)


def _alone(tree: Tree) -> Tree:
    if tree.plain:
        return tree
    children = {name: _alone(child) for name, child in tree.children.items() if child.node is not None}
    return Tree(tree.node, tree.counted, children)


def merge_all(trees: Sequence[Tree]) -> list[Tree]:
    """Return what is seen up to each layer, base first."""
    merged: list[Tree] = []
    for tree in trees:
        merged.append(merge(merged[-1] if merged else None, tree))
    return merged


def differences(before: Tree | None, after: Tree | None, path: str = "") -> Iterator[Difference]:
    """Yield the paths that differ, in their order; a folder only where itself differs."""
    if before is after:
        return
    old, new = (tree.node if tree else None for tree in (before, after))
    if path and (change := _change(old, new)):
        yield Difference(path, change, old, new)
    mine: Mapping[str, Tree] = before.children if before else {}
    theirs: Mapping[str, Tree] = after.children if after else {}
    for name in sorted({**mine, **theirs}):
        yield from differences(mine.get(name), theirs.get(name), f"{path}/{name}")


def economy(trees: Sequence[Tree]) -> Economy:
    """Return what a stack of layers carries for nothing: files that a later layer replaces or removes."""
    sizes: dict[str, int] = {}
    layers: dict[str, set[int]] = {}
    merged: Tree | None = None
    for number, tree in enumerate(trees):

        def lost(path: str, hidden: Tree, number: int = number) -> None:
            for inner, size in _files(hidden, path):
                sizes[inner] = sizes.get(inner, 0) + size
                layers.setdefault(inner, set()).add(number)

        merged = merge(merged, tree, lost)
    total = sum(size for tree in trees for _, size in _files(tree, ""))
    waste = [Waste(path, size, tuple(sorted(layers[path]))) for path, size in sizes.items()]
    waste.sort(key=lambda item: (-item.size, item.path))
    return Economy(total, total - sum(sizes.values()), tuple(waste))


def _files(tree: Tree, path: str) -> Iterator[tuple[str, int]]:
    pending = [(path, tree)]
    while pending:
        where, current = pending.pop()
        if current.counted:
            yield where, current.counted
        pending.extend((f"{where}/{name}", child) for name, child in current.children.items())


def _change(old: Node | None, new: Node | None) -> str:
    if old is None or new is None:
        return ADDED if old is None and new is not None else REMOVED if old is not None else ""
    if old.kind == new.kind == "folder":
        return CHANGED if (old.mode, old.uid, old.gid) != (new.mode, new.uid, new.gid) else ""
    return CHANGED if old != new else ""


def _is_folder(tree: Tree) -> bool:
    return tree.node is not None and tree.node.kind == "folder"
