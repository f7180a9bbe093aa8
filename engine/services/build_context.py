"""A build's context as it arrives: a tar of any compression, unpacked into the build's own folder, within bounds.

Names, links and modes are strangers': nothing is written outside of the folder (see `engine.storage.unpack`), device
nodes are refused by name, owners are root's. What COPY may not see (`.dockerignore`) stays on disk and out of the tree.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.build import ignore
from engine.build.tree import Tree
from engine.errors import Exhausted, InvalidArgument
from engine.storage import compression
from engine.storage.tarstream import Entry, TarReader
from engine.storage.unpack import Unpacker

ENTRIES_LIMIT = 500_000
"""Files and folders in a context, at most."""
_DOCKERFILE_LIMIT = 4 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one context."""

    size: int
    entries: int = ENTRIES_LIMIT


def unpack(chunks: Iterable[bytes], folder: Path, limits: Limits) -> None:
    """Unpack a context into `folder` (made here). InvalidArgument for what is no tar, Exhausted above the bounds."""
    folder.mkdir(mode=0o755)
    fd = os.open(folder, _FOLDER)
    unpacker = Unpacker(fd, whiteouts=False, owner=(0, 0))
    try:
        unpacker.apply(_Bounded(compression.decompressed(chunks), limits))
        unpacker.finish()
    except FileExistsError as error:
        raise InvalidArgument(f"invalid build context: {error.filename} comes twice") from error
    finally:
        unpacker.close()
        os.close(fd)
    folder.chmod(0o755)


def open_tree(folder: Path, dockerfile: str) -> Tree:
    """Return the context as its build sees it; the caller closes its `root_fd`."""
    tree = Tree(os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        rules = tree.read(f"{dockerfile}.dockerignore", _DOCKERFILE_LIMIT)
        if rules is None:
            rules = tree.read(".dockerignore", _DOCKERFILE_LIMIT)
        if rules is not None:
            patterns = ignore.parse(rules)
            tree.hides, tree.hides_all = patterns.excludes, not patterns.has_exceptions
    except BaseException:
        os.close(tree.root_fd)
        raise
    return tree


def read_dockerfile(tree: Tree, name: str) -> bytes:
    """Return the Dockerfile; InvalidArgument in Docker's words where there is none."""
    data = tree.read(name, _DOCKERFILE_LIMIT)
    if data is None and name == "Dockerfile":
        data = tree.read("dockerfile", _DOCKERFILE_LIMIT)
    if data is None:
        raise InvalidArgument(f"Cannot locate specified Dockerfile: {name}")
    if not data.strip():
        raise InvalidArgument(f"The Dockerfile ({name}) cannot be empty")
    return data


def remove(folder: Path) -> None:
    """Delete what a build had on disk but its log."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)


class _Bounded(TarReader):
    """A reader that counts, and refuses what no context may hold."""

    def __init__(self, chunks: Iterable[bytes], limits: Limits) -> None:
        super().__init__(chunks)
        self._limits = limits

    def __iter__(self) -> Iterator[Entry]:
        size = 0
        for count, entry in enumerate(super().__iter__(), 1):
            size += entry.size
            if count > self._limits.entries:
                raise Exhausted(f"the build context has more than {self._limits.entries} files")
            if size > self._limits.size:
                raise Exhausted(f"the build context is larger than {self._limits.size} bytes")
            if entry.kind in "34":
                raise InvalidArgument(f"invalid build context: {entry.name} is a device")
            yield entry
