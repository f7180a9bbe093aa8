"""Files of containers: copy out, copy in, what changed, export of the whole root.

Of a running container the files are those its processes see (volumes and tmpfs included), through its own root;
of a stopped one its mounted snapshot, and the volume where a path lies in one. Nothing leaves that root.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.containers import users
from engine.containers.model import Container, MountPoint
from engine.containers.store import ContainerStore
from engine.errors import Forbidden, InvalidArgument, NotFound
from engine.events import Event
from engine.locks import NamedLocks
from engine.services.container_events import container_event
from engine.storage import archive, changes, listing
from engine.storage.compression import CHUNK, decompressed
from engine.storage.db import Database
from engine.storage.paths import Paths
from engine.storage.snapshots.base import Snapshotter
from engine.storage.tarstream import TarReader
from engine.storage.unpack import Unpacker
from engine.values import Scope

_TREE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class ContainerFiles:
    """Reads and writes files of containers, by the caller's scope and a reference."""

    def __init__(
        self, *, database: Database, store: ContainerStore, locks: NamedLocks, paths: Paths, snapshots: Snapshotter
    ) -> None:
        self._database = database
        self._store = store
        self._locks = locks
        self._paths = paths
        self._snapshots = snapshots
        self._users: Counter[str] = Counter()

    def stat(self, scope: Scope, reference: str, path: str) -> archive.PathStat:
        """Return what `path` is in the container."""
        container = self._store.get(scope, reference)
        with self._root(container, path) as (root, inner, _):
            return archive.stat_path(root, inner)

    def read(self, scope: Scope, reference: str, path: str) -> tuple[archive.PathStat, Iterator[bytes]]:
        """Return what `path` is, and a tar of it whose entries begin with its last part."""
        container = self._store.get(scope, reference)
        status = self.stat(scope, reference, path)
        return status, self._pack(container, path, scope.actor)

    def _pack(self, container: Container, path: str, by: str) -> Iterator[bytes]:
        with self._root(container, path) as (root, inner, _):
            yield from archive.pack(root, inner, archive.base_name(path))
        self._record(container_event(container, "archive-path", by=by))

    def write(
        self,
        scope: Scope,
        reference: str,
        path: str,
        body: BinaryIO,
        *,
        keep_kinds: bool = False,
        as_user: bool = False,
    ) -> None:
        """Unpack a tar (plain, gzip, zstd, …) into the folder `path`; `as_user`: all of it is the container's user's.

        Forbidden for a read-only root or volume, InvalidArgument where `path` is no folder.
        """
        container = self._store.get(scope, reference)
        owner = self._user(container) if as_user and container.config.user else None
        with self._root(container, path) as (root, inner, read_only):
            if read_only:
                raise Forbidden("container rootfs is marked read-only")
            folder = archive.open_path(root, inner, follow=True)
            try:
                self._unpack(folder, path, body, keep_kinds=keep_kinds, owner=owner)
            finally:
                os.close(folder)
        self._record(container_event(container, "extract-to-dir", by=scope.actor))

    def _user(self, container: Container) -> tuple[int, int]:
        """Return (uid, gid) of the container's user, looked up in its own files."""
        with self._root(container, "/") as (root, _, _):
            found = users.resolve_user(container.config.user, (), Path(f"/proc/self/fd/{root}"))
            return found.uid, found.gid

    @staticmethod
    def _unpack(
        folder: int, path: str, body: BinaryIO, *, keep_kinds: bool, owner: tuple[int, int] | None = None
    ) -> None:
        try:
            target = os.open(f"/proc/self/fd/{folder}", _TREE)
        except NotADirectoryError:
            raise InvalidArgument(f"extraction point is not a directory: {path}") from None
        try:
            unpacker = Unpacker(target, whiteouts=False, keep_kinds=keep_kinds, owner=owner)
            try:
                unpacker.apply(TarReader(decompressed(iter(lambda: body.read(CHUNK), b""))))
                unpacker.finish()
            finally:
                unpacker.close()
        finally:
            os.close(target)

    def list_folder(self, scope: Scope, reference: str, path: str) -> tuple[list[listing.FileEntry], bool]:
        """Return what the folder `path` holds, and whether that is not all of it."""
        container = self._store.get(scope, reference)
        with self._root(container, path) as (root, inner, _):
            return listing.list_folder(root, inner)

    def changes(self, scope: Scope, reference: str) -> list[changes.Change]:
        """Return what the container changed against its image."""
        container = self._store.get(scope, reference)
        lowers = [self._paths.layers / chain.partition(":")[2] / "fs" for chain in container.chain]
        return changes.list_changes(self._snapshots.upper(container.id), lowers)

    def export(self, scope: Scope, reference: str) -> Iterator[bytes]:
        """Return a tar of the container's whole root, without volumes."""
        container = self._store.get(scope, reference)
        return self._export(container, scope.actor)

    def _export(self, container: Container, by: str) -> Iterator[bytes]:
        with self._mounted(container) as root:
            yield from archive.pack(root, "/.", ".")
        self._record(container_event(container, "export", by=by))

    @contextmanager
    def _root(self, container: Container, path: str) -> Iterator[tuple[int, str, bool]]:
        """Open the root in which `path` lies; yield it, the path within it, and whether it is read-only."""
        mount = _mount_of(container, path)
        read_only = not mount.rw if mount else container.host_config.readonly_rootfs
        if container.state.is_running:
            root = _open_tree(Path(f"/proc/{container.state.pid}/root"), container)
            try:
                yield root, path, read_only
            finally:
                os.close(root)
        elif mount is not None and mount.source:
            root = _open_tree(Path(mount.source), container)
            try:
                yield root, "/" + os.path.relpath(path, mount.destination), read_only
            finally:
                os.close(root)
        else:
            with self._mounted(container) as root:
                yield root, path, read_only

    @contextmanager
    def _mounted(self, container: Container) -> Iterator[int]:
        """Open the root of the container's snapshot, mounted for as long as somebody reads it or the container runs.

        A start meanwhile takes the mount over: one snapshot is never mounted twice.
        """
        with self._locks.hold(container.id):
            if self._store.find(container.id) is None:
                raise NotFound(f"No such container: {container.id}")
            root = _open_tree(self._snapshots.mount(container.id), container)
            self._users[container.id] += 1
        try:
            yield root
        finally:
            os.close(root)
            with self._locks.hold(container.id):
                self._users[container.id] -= 1
                current = self._store.find(container.id)
                if not self._users[container.id]:
                    del self._users[container.id]
                    if current is None or not current.state.is_running:
                        self._snapshots.unmount(container.id)

    def _record(self, event: Event) -> None:
        with self._database.transaction() as transaction:
            transaction.record(event)


def _open_tree(path: Path, container: Container) -> int:
    try:
        return os.open(path, _TREE)
    except FileNotFoundError:
        raise NotFound(f"the files of container {container.id} can't be reached: it has just ended") from None


def _mount_of(container: Container, path: str) -> MountPoint | None:
    """Return the innermost mount of the container that `path` lies in, judged by its words."""
    clean = os.path.normpath("/" + path.lstrip("/"))
    inside = [
        mount
        for mount in container.mounts
        if clean == mount.destination or clean.startswith(mount.destination.rstrip("/") + "/")
    ]
    return max(inside, key=lambda mount: len(mount.destination), default=None)
