"""What can be done with containers, as one service: the API's view of creation, lifecycle and removal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from config.contract import ALL_NAMESPACES
from engine.clock import parse_when
from engine.containers import filters as container_filters
from engine.containers import restart, state
from engine.containers.model import Container, HostConfig, RestartPolicy, Status
from engine.containers.names import check_name
from engine.containers.store import ContainerStore, name_conflict
from engine.containers.validate import check_limits
from engine.errors import BerthError, Conflict, InvalidArgument
from engine.locks import NamedLocks
from engine.runtime.base import Attachment, Runtime
from engine.services.attach import AttachPoints, AttachSource
from engine.services.container_events import container_event
from engine.services.creation import Creation
from engine.services.images import Images
from engine.services.lifecycle import Lifecycle
from engine.services.links import Links
from engine.services.networks import Networks
from engine.services.waiters import Condition, Ended, Waiters
from engine.storage.db import Database
from engine.storage.snapshots.base import Snapshotter
from engine.values import Scope

Filters = Mapping[str, Sequence[str]]
_EVERYWHERE = Scope(namespace=ALL_NAMESPACES, actor="engine")
Resources = Callable[[HostConfig], Mapping[str, Any]]
"""Renders the OCI resources (runtime spec, linux.resources) of a host configuration."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune removed, and the bytes of writable layers it freed."""

    ids: tuple[str, ...]
    reclaimed: int


class Waiter:
    """One wait for a container's end."""

    def __init__(self, waiters: Waiters, container_id: str, future: Future[Ended]) -> None:
        self._waiters = waiters
        self._container_id = container_id
        self._future = future

    def result(self, timeout: float | None = None) -> tuple[int, str]:
        """Return (exit code, error text); TimeoutError after `timeout` seconds."""
        ended = self._future.result(timeout)
        return ended.exit_code, ended.error

    def close(self) -> None:
        """Wait no longer (the client is gone)."""
        self._waiters.forget(self._container_id, self._future)


class Containers:
    """Containers by reference, seen with the caller's scope."""

    def __init__(
        self,
        *,
        database: Database,
        store: ContainerStore,
        locks: NamedLocks,
        runtime: Runtime,
        images: Images,
        snapshots: Snapshotter,
        networks: Networks,
        creation: Creation,
        lifecycle: Lifecycle,
        waiters: Waiters,
        attach_points: AttachPoints,
        links: Links,
        resources: Resources,
    ) -> None:
        self._links = links
        self.with_link_names = links.shown
        self._database = database
        self._store = store
        self._locks = locks
        self._runtime = runtime
        self._images = images
        self._snapshots = snapshots
        self._networks = networks
        self._lifecycle = lifecycle
        self._waiters = waiters
        self._attach_points = attach_points
        self._resources = resources
        self.get = store.get
        self.create = creation.create
        self.start = lifecycle.start
        self.stop = lifecycle.stop
        self.restart = lifecycle.restart
        self.kill = lifecycle.kill
        self.pause = lifecycle.pause
        self.unpause = lifecycle.unpause
        self.remove = lifecycle.remove

    def change(self, container_id: str, change: Callable[[Container], Container]) -> Container:
        """Replace a container's record by what `change` makes of it, under its lock; return the new one."""
        with self._locks.hold(container_id):
            changed = change(self._store.get(_EVERYWHERE, container_id))
            with self._database.transaction() as transaction:
                return self._store.save(transaction, changed)

    def list_(
        self, scope: Scope, *, all_: bool = False, limit: int = 0, filters: Filters | None = None
    ) -> list[Container]:
        """Return the containers the caller sees, newest first; running ones only, unless asked otherwise.

        `limit` > 0: that many of the newest, running or not.
        """
        filters = filters or {}
        lookups = container_filters.Lookups(
            container=lambda ref: self._store.get(scope, ref),
            descendants=lambda ref: self._images.descendants(scope, ref),
        )
        matches = container_filters.compile_filters(filters, lookups)
        everything = all_ or limit > 0 or container_filters.asks_for_stopped(filters)
        found = [
            c
            for c in self._store.all()
            if scope.sees(c.namespace) and (everything or c.state.is_running) and matches(c)
        ]
        found.sort(key=lambda c: c.created_ns, reverse=True)
        return found[:limit] if limit > 0 else found

    def image_names(self, found: Iterable[Container]) -> dict[str, str]:
        """Return the image of each container as a list shows it: as asked for, or its id where that means another now.

        Keys are the containers' ids.
        """
        known: dict[tuple[str, str], str] = {}
        names = {}
        for container in found:
            asked = container.config.image
            key = (container.namespace, asked)
            if key not in known:
                try:
                    known[key] = self._images.get(Scope(container.namespace, actor="engine"), asked).id
                except BerthError:
                    known[key] = ""
            names[container.id] = asked if known[key] == container.image_id else container.image_id or asked
        return names

    def size(self, container: Container) -> tuple[int, int]:
        """Return (bytes written, bytes of the whole root file system) of a container."""
        written = self._snapshots.usage(container.id)
        return written, written + self._images.size_of(container.image_id)

    def rename(self, scope: Scope, reference: str, name: str) -> None:
        """Give the container another name; Conflict if it is taken."""
        if not name:
            raise InvalidArgument("Neither old nor new names may be empty")
        bare = check_name(name)
        container = self._store.get(scope, reference)
        with self._locks.hold(container.id):
            container = self._store.get(scope, container.id)
            if container.name == bare:
                raise InvalidArgument("Renaming a container with the same name as its current name")
            taken = self._store.named(container.namespace, bare)
            if taken is not None:
                raise name_conflict(bare, taken.id)
            renamed = self._networks.rename(replace(container, name=bare))
            with self._database.transaction() as transaction:
                self._store.save(transaction, renamed)
                extra = {"oldName": f"/{container.name}"}
                transaction.record(container_event(renamed, "rename", by=scope.actor, extra=extra))

    def update(
        self, scope: Scope, reference: str, changes: Mapping[str, Any], policy: RestartPolicy | None = None
    ) -> tuple[str, ...]:
        """Change limits (fields of HostConfig by our names) and restart policy, live where it runs; return warnings."""
        container = self._store.get(scope, reference)
        with self._locks.hold(container.id):
            container = self._store.get(scope, container.id)
            if container.state.status in (Status.REMOVING, Status.DEAD):
                state.check_start(container)
            host = replace(container.host_config, **changes)
            check_limits(host)
            if policy is not None:
                restart.check_policy(policy, auto_remove=host.auto_remove)
                host = replace(host, restart_policy=policy)
            if changes and container.state.is_running:
                self._runtime.update(container.id, self._resources(host))
            updated = replace(container, host_config=host)
            with self._database.transaction() as transaction:
                self._store.save(transaction, updated)
                transaction.record(container_event(updated, "update", by=scope.actor))
        return ()

    def resize(self, scope: Scope, reference: str, width: int, height: int) -> None:
        """Set the size of the container's terminal, in characters."""
        container = self._store.get(scope, reference)
        state.check_running(container, "resize")
        self._runtime.resize(container.id, None, width, height)

    def wait(self, scope: Scope, reference: str, condition: str = "") -> Waiter:
        """Return a waiter for the container's end; conditions as Docker's."""
        try:
            wanted = Condition(condition or Condition.NOT_RUNNING)
        except ValueError:
            raise InvalidArgument(f'invalid condition: "{condition}"') from None
        container = self._store.get(scope, reference)
        future = self._waiters.add(container.id, wanted)
        current = self._store.find(container.id)
        if current is None:
            self._waiters.resolve(container.id, wanted, Ended(container.state.exit_code))
        elif wanted is Condition.NOT_RUNNING and not self._is_up(current):
            self._waiters.resolve(container.id, wanted, Ended(current.state.exit_code))
        return Waiter(self._waiters, container.id, future)

    @staticmethod
    def _is_up(container: Container) -> bool:
        return container.state.is_running or container.state.status is Status.RESTARTING

    def attach(self, scope: Scope, reference: str) -> AttachSource:
        """Return the container's streams; of one that does not run, as soon as it is started."""
        container = self._store.get(scope, reference)
        with self._locks.hold(container.id):
            container = self._store.get(scope, container.id)
            if container.state.status is Status.PAUSED:
                raise Conflict(f"container {container.id} is paused, unpause the container before attach")
            source = self._attach_points.wait_for(container.id)
            if container.state.is_running:
                self._attach_points.open(container.id, lambda: self._attachment(container.id))
        with self._database.transaction() as transaction:
            transaction.record(container_event(container, "attach", by=scope.actor))
        return source

    def remove_link(self, scope: Scope, reference: str, alias: str) -> None:
        """Take a link away from a container (`rm --link`); its variables stay until it starts again."""
        container = self._store.get(scope, reference)
        changed = self.change(container.id, lambda current: self._links.without(current, alias))
        if changed.state.is_running:
            with self._locks.hold(container.id):
                self._networks.refresh(changed)

    def note_detach(self, scope: Scope, container_id: str) -> None:
        """Write down that an attached client has left by its detach keys."""
        container = self._store.find(container_id)
        if container is not None:
            with self._database.transaction() as transaction:
                transaction.record(container_event(container, "detach", by=scope.actor))

    def _attachment(self, container_id: str) -> Attachment:
        return self._runtime.attach(container_id)

    def prune(self, scope: Scope, filters: Filters | None = None) -> Pruned:
        """Remove the caller's stopped containers that match (`until`, `label`, `label!`)."""
        ids: list[str] = []
        reclaimed = 0
        for container in self._prunable(scope, filters or {}):
            size = self._snapshots.usage(container.id)
            try:
                self._lifecycle.remove(scope, container.id, force=False, volumes=False)
            except BerthError:
                continue  # started, or removed by somebody else, meanwhile
            ids.append(container.id)
            reclaimed += size
        return Pruned(tuple(ids), reclaimed)

    def _prunable(self, scope: Scope, filters: Filters) -> Iterable[Container]:
        unknown = filters.keys() - {"until", "label", "label!"}
        if unknown:
            raise InvalidArgument(f"invalid filter '{sorted(unknown)[0]}'")
        until = [_until(value) for value in filters.get("until", ())]
        for container in self._store.all():
            labels = container.config.labels
            if (
                scope.sees(container.namespace)
                and container.state.status in (Status.CREATED, Status.EXITED, Status.DEAD)
                and all(container.created_ns < limit for limit in until)
                and all(container_filters.has_label(labels, v) for v in filters.get("label", ()))
                and not any(container_filters.has_label(labels, v) for v in filters.get("label!", ()))
            ):
                yield container


def _until(text: str) -> int:
    try:
        return parse_when(text)
    except ValueError:
        raise InvalidArgument(f"invalid filter 'until={text}': expected a time or a duration") from None
