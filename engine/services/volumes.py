"""Volumes, and the mounts of containers: what a create asks for becomes mount points, volumes are made on the way.

Who uses a volume is kept here in memory, from the plan of the mounts on (before the container has a record), so that
no prune takes a volume from under a container that is being made.
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from engine import faults
from engine.clock import now_ns
from engine.containers.model import Config, Container, HostConfig, MountPoint
from engine.errors import Conflict, NotFound
from engine.events import Event
from engine.services import mount_wishes
from engine.storage.db import Database
from engine.storage.paths import Paths
from engine.values import Scope
from engine.volumes import copyup, model, mountspec
from engine.volumes.data import VolumeData
from engine.volumes.model import Filters, Volume
from engine.volumes.mountspec import Wish
from engine.volumes.store import VolumeStore

FindContainer = Callable[[str], Container]


class Volumes:
    """All volumes of this instance."""

    def __init__(self, database: Database, paths: Paths) -> None:
        self._database = database
        self._store = VolumeStore(database)
        self._data = VolumeData(paths.volumes)
        self._lock = threading.RLock()
        self._users: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def set_container_lookup(self, containers: Callable[[], Iterable[Container]]) -> None:
        """Learn which volumes the recorded containers use; `containers` returns all of every namespace."""
        with self._lock:
            for container in containers():
                for mount in _volume_mounts(container):
                    self._users[container.namespace, mount.name].add(container.id)

    def reconcile(self) -> None:
        """Remove the files of volumes without a record (a crash came between); before the first request."""
        everything = Scope(namespace="*")
        self._data.sweep({(volume.namespace, volume.name) for volume in self._store.list_(everything)})

    def close(self) -> None:
        """Finish what is being removed."""
        self._data.close()

    # -- volumes ---------------------------------------------------------------------------------------------------

    def create(
        self,
        scope: Scope,
        name: str = "",
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume:
        """Make a volume, or return the one of this name; an empty name makes one up."""
        model.check_driver(driver, options or {})
        return self._ensure(scope, model.check_name(name) if name else "", labels or {})[0]

    def get(self, scope: Scope, name: str) -> Volume:
        """Return the volume of this name."""
        found = self._store.find(scope.home, name)
        if found is None:
            raise NotFound(f"get {name}: no such volume")
        return found

    def list_(self, scope: Scope, filters: Filters | None = None) -> list[Volume]:
        """Return the volumes that the caller sees and that pass Docker's filters."""
        return [
            volume
            for volume in self._store.list_(scope)
            if model.matches(volume, filters or {}, lambda v: bool(self.users(v)))
        ]

    def path(self, volume: Volume) -> Path:
        """Return the host path of the volume's content."""
        return self._data.path(volume)

    def usage(self, volume: Volume) -> int:
        """Return the bytes the volume takes on disk."""
        return self._data.usage(volume)

    def users(self, volume: Volume) -> list[str]:
        """Return the ids of containers, running or not, that mount the volume."""
        with self._lock:
            return sorted(self._users.get((volume.namespace, volume.name), ()))

    def remove(self, scope: Scope, name: str, *, force: bool = False) -> None:
        """Remove a volume that no container has. `force`: one that isn't there is no error."""
        with self._lock:
            found = self._store.find(scope.home, name)
            if found is None:
                if force:
                    return
                raise NotFound(f"get {name}: no such volume")
            users = self.users(found)
            if users:
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            self._delete(found, scope.actor)

    def prune(self, scope: Scope, filters: Filters) -> tuple[list[str], int]:
        """Remove the caller's volumes that no container has; return their names and the bytes freed."""
        names: list[str] = []
        freed = 0
        for volume in self._store.list_(scope):
            if not model.may_prune(volume, filters):
                continue
            size = self._data.usage(volume)
            with self._lock:
                if self.users(volume) or self._store.find(volume.namespace, volume.name) is None:
                    continue
                self._delete(volume, scope.actor)
            names.append(volume.name)
            freed += size
        return names, freed

    # -- containers' mounts ----------------------------------------------------------------------------------------

    def plan_mounts(
        self,
        scope: Scope,
        container_id: str,
        config: Config,
        host_config: HostConfig,
        from_containers: FindContainer,
    ) -> tuple[MountPoint, ...]:
        """Return the mount points of a new container, outer before inner; make the volumes it needs.

        Later wins over earlier at the same path: volumes-from, then binds, mounts and tmpfs, then the image's VOLUMEs
        where nothing else is. A failure takes back what was made.
        """
        if host_config.volume_driver:
            model.check_driver(host_config.volume_driver, {})
        wishes = mount_wishes.parse(host_config)
        found = self._inherited(scope, host_config, from_containers)
        with self._lock, ExitStack() as undo:
            for wish in wishes:
                found[wish.target] = self._mount_point(scope, container_id, wish, undo)
            for path in map(mountspec.parse_image_volume, config.volumes):
                if path not in found:
                    found[path] = self._mount_point(scope, container_id, Wish("volume", path), undo)
            for mount in found.values():
                if mount.type == "volume":
                    self._users[scope.home, mount.name].add(container_id)
            undo.pop_all()
        return tuple(sorted(found.values(), key=lambda mount: (mount.destination.count("/"), mount.destination)))

    def populate(self, container: Container, rootfs: Path) -> None:
        """Copy what the image has at their paths into the container's empty volumes."""
        for mount in _volume_mounts(container):
            volume = self._store.find(container.namespace, mount.name)
            if volume is None or "nocopy" in mount.mode.split(","):
                continue
            folder = self._data.path(volume)
            if not copyup.is_empty(folder):
                continue
            try:
                copyup.copy_up(rootfs, mount.destination, folder)
            except BaseException:
                self._data.clear(volume)
                raise

    def release(self, container: Container, remove_anonymous: bool) -> None:
        """Note that a container is gone; with `remove_anonymous` unshared anonymous volumes go too."""
        for mount in _volume_mounts(container):
            key = (container.namespace, mount.name)
            with self._lock:
                self._users[key].discard(container.id)
                if self._users[key]:
                    continue
                del self._users[key]
                volume = self._store.find(*key)
                if remove_anonymous and volume is not None and volume.anonymous:
                    self._delete(volume, "engine")

    def mount_events(self, container: Container, action: str) -> tuple[Event, ...]:
        """Return the journal's entries for a start (`mount`) or an end (`unmount`) of a container with volumes."""
        return tuple(
            Event(
                type="volume",
                action=action,
                actor_id=mount.name,
                namespace=container.namespace,
                attributes=_mount_attributes(container, mount, action),
                by="engine",
            )
            for mount in _volume_mounts(container)
        )

    # -- parts -----------------------------------------------------------------------------------------------------

    def _ensure(
        self, scope: Scope, name: str, labels: Mapping[str, str], *, anonymous: bool = False
    ) -> tuple[Volume, bool]:
        """Return the volume and whether it was made just now."""
        with self._lock:
            existing = self._store.find(scope.home, name) if name else None
            if existing is not None:
                return existing, False
            volume = Volume(
                namespace=scope.home,
                name=name or secrets.token_hex(32),
                created_ns=now_ns(),
                labels={**labels, **({} if name else {"com.docker.volume.anonymous": ""})},
                anonymous=anonymous or not name,
                created_by=scope.actor,
            )
            self._data.make(volume)
            faults.point("volume.before-record")
            with self._database.transaction() as transaction:
                self._store.insert(transaction, volume)
                transaction.record(_event("create", volume, scope.actor))
            return volume, True

    def _delete(self, volume: Volume, by: str) -> None:
        """Drop the record, then the files: a crash in between leaves files that `reconcile` removes."""
        with self._database.transaction() as transaction:
            self._store.delete(transaction, volume)
            transaction.record(_event("destroy", volume, by))
        faults.point("volume.before-removal")
        self._data.remove(volume)

    def _inherited(
        self, scope: Scope, host_config: HostConfig, from_containers: FindContainer
    ) -> dict[str, MountPoint]:
        found: dict[str, MountPoint] = {}
        for entry in host_config.volumes_from:
            reference, mode = mountspec.parse_volumes_from(entry)
            source = from_containers(reference)
            if source.namespace != scope.home:
                raise NotFound(f"No such container: {reference}")
            for mount in source.mounts:
                if mount.type != "tmpfs":
                    read_only = "ro" in mode.split(",")
                    found[mount.destination] = replace(mount, rw=mount.rw and not read_only, mode=mode or mount.mode)
        return found

    def _mount_point(self, scope: Scope, container_id: str, wish: Wish, undo: ExitStack) -> MountPoint:
        if wish.type == "bind":
            mount_wishes.check_source(wish)
            return MountPoint(
                type="bind",
                destination=wish.target,
                source=wish.source,
                mode=wish.mode,
                rw=not wish.read_only,
                propagation=wish.propagation,
                options=wish.options,
            )
        if wish.type == "tmpfs":
            return MountPoint(
                type="tmpfs", destination=wish.target, mode=wish.mode, rw=not wish.read_only, options=wish.options
            )
        volume, made = self._ensure(scope, wish.source, wish.labels)
        if made:
            undo.callback(self._take_back, volume, container_id)
        return MountPoint(
            type="volume",
            destination=wish.target,
            source=str(self._data.path(volume)),
            name=volume.name,
            driver=volume.driver,
            mode="nocopy" if wish.no_copy and not wish.mode else wish.mode,
            rw=not wish.read_only,
            anonymous=not wish.source,
        )

    def _take_back(self, volume: Volume, container_id: str) -> None:
        self._users[volume.namespace, volume.name].discard(container_id)
        self._delete(volume, "engine")


def _volume_mounts(container: Container) -> list[MountPoint]:
    return [mount for mount in container.mounts if mount.type == "volume"]


def _mount_attributes(container: Container, mount: MountPoint, action: str) -> dict[str, str]:
    attributes = {"container": container.id, "driver": mount.driver}
    if action == "mount":
        attributes.update(
            {
                "destination": mount.destination,
                "propagation": mount.propagation,
                "read/write": "true" if mount.rw else "false",
            }
        )
    return attributes


def _event(action: str, volume: Volume, by: str) -> Event:
    return Event("volume", action, volume.name, volume.namespace, {"driver": volume.driver}, by=by)
