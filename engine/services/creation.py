"""Making a container: from what was asked to a record with a snapshot, volumes and a name of its own."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from engine import faults
from engine.clock import now_ns
from engine.containers.merge import merge_config
from engine.containers.model import Config, Container, HostConfig
from engine.containers.names import check_name, generate_name
from engine.containers.store import ContainerStore, name_conflict
from engine.containers.validate import check_config
from engine.errors import Conflict, InvalidArgument
from engine.ids import new_id
from engine.images.model import Image
from engine.services.container_events import container_event
from engine.services.gc import Garbage
from engine.services.images import Images
from engine.services.links import Links
from engine.services.logs import Logs
from engine.services.networks import Networks
from engine.services.volumes import Volumes
from engine.storage.db import Database
from engine.storage.snapshots.base import Snapshotter
from engine.values import EndpointConfig, ImageConfig, Scope

_log = logging.getLogger(__name__)

_NAME_ATTEMPTS = 20
_DEFAULT_SHM = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Created:
    """The new container's id, and what Docker's client prints as warnings."""

    id: str
    warnings: tuple[str, ...] = ()


class Creation:
    """Creates containers. All or nothing: a failure leaves no record, snapshot or new volume."""

    def __init__(
        self,
        *,
        database: Database,
        store: ContainerStore,
        images: Images,
        networks: Networks,
        volumes: Volumes,
        snapshots: Snapshotter,
        logs: Logs,
        garbage: Garbage,
        links: Links,
        private_cgroups: bool,
        warm: Callable[[], None] = lambda: None,
        machine_warnings: Callable[[HostConfig], list[str]] = lambda host: [],
    ) -> None:
        self._database = database
        self._store = store
        self._images = images
        self._networks = networks
        self._volumes = volumes
        self._snapshots = snapshots
        self._logs = logs
        self._garbage = garbage
        self._links = links
        self._private_cgroups = private_cgroups
        self._warm = warm
        self._machine_warnings = machine_warnings

    def create(
        self,
        scope: Scope,
        name: str | None,
        config: Config,
        host_config: HostConfig,
        networking: Sequence[EndpointConfig] = (),
        platform: str | None = None,
    ) -> Created:
        """Make a container and return its id. The image must be there: NotFound says which one is not."""
        if not config.image:
            raise InvalidArgument("Config.Image: an image is required to create a container")
        self._warm()
        image = self._images.get(scope, config.image)
        check_platform(image, platform)
        merged = merge_config(config, image_config(image.config))
        host_config, warnings = self._normalise(host_config)
        host_config = self._with_partners(scope, host_config)
        check_config(merged, host_config)
        wanted = self._reserve(scope, name)
        container_id = new_id()
        host_config, networking = self._links.resolve(scope, host_config, networking)
        endpoints = self._networks.plan(scope, host_config, networking)
        with self._garbage.lease() as lease, ExitStack() as undo:
            lease.keep(*image.chain)  # the image may be removed by somebody else at this moment
            self._snapshots.prepare(container_id, image.chain)
            undo.callback(self._snapshots.remove, container_id)
            faults.point("create.after-snapshot")
            mounts = self._volumes.plan_mounts(
                scope, container_id, merged, host_config, lambda ref: self._store.get(scope, ref)
            )
            container = Container(
                id=container_id,
                namespace=scope.home,
                name=wanted,
                created_ns=now_ns(),
                image_id=image.id,
                chain=tuple(image.chain),
                config=replace(merged, hostname=merged.hostname or _hostname(container_id, host_config)),
                host_config=host_config,
                networks=tuple(endpoints),
                mounts=mounts,
                created_by=scope.actor,
                platform=image.os,
            )
            undo.callback(self._volumes.release, container, True)
            self._populate(container)
            self._logs.check(container)
            faults.point("create.before-record")
            container = self._insert(container, named=name is not None)
            undo.pop_all()
        self._links.note(container)
        faults.point("create.after-record")
        return Created(container_id, warnings)

    def _reserve(self, scope: Scope, name: str | None) -> str:
        if name is None:
            return self._free_name(scope)
        wanted = check_name(name)
        taken = self._store.named(scope.home, wanted)
        if taken is not None:
            raise name_conflict(wanted, taken.id)
        return wanted

    def _free_name(self, scope: Scope) -> str:
        for attempt in range(_NAME_ATTEMPTS):
            name = generate_name(attempt)
            if self._store.named(scope.home, name) is None:
                return name
        raise Conflict("no free container name found: give one")

    def _insert(self, container: Container, *, named: bool) -> Container:
        """Write the record; a generated name that was taken meanwhile is generated again."""
        while True:
            try:
                with self._database.transaction() as transaction:
                    self._store.insert(transaction, container)
                    transaction.record(container_event(container, "create", by=container.created_by))
            except Conflict:
                if named:
                    raise
                container = replace(container, name=generate_name(2))
            else:
                return container

    def _populate(self, container: Container) -> None:
        if not any(mount.type == "volume" for mount in container.mounts):
            return
        rootfs = self._snapshots.mount(container.id)
        try:
            self._volumes.populate(container, rootfs)
        finally:
            self._snapshots.unmount(container.id)

    def _with_partners(self, scope: Scope, host_config: HostConfig) -> HostConfig:
        """Return the host configuration with the containers whose namespaces are joined named by their ids."""

        def partner(mode: str) -> str:
            kind, colon, reference = mode.partition(":")
            return f"container:{self._store.get(scope, reference).id}" if colon and kind == "container" else mode

        return replace(host_config, ipc_mode=partner(host_config.ipc_mode), pid_mode=partner(host_config.pid_mode))

    def _normalise(self, host_config: HostConfig) -> tuple[HostConfig, tuple[str, ...]]:
        """Return the host configuration with Docker's defaults written in, and the warnings."""
        mode = host_config.network_mode
        host_config = replace(
            host_config,
            network_mode="bridge" if mode in ("", "default") else mode,
            shm_size=host_config.shm_size or _DEFAULT_SHM,
            ipc_mode=host_config.ipc_mode or "private",
            cgroupns_mode=host_config.cgroupns_mode or ("private" if self._private_cgroups else "host"),
            restart_policy=replace(host_config.restart_policy, name=host_config.restart_policy.name or "no"),
        )
        warnings = self._machine_warnings(host_config)
        if host_config.memory and not host_config.memory_swap:
            host_config = replace(host_config, memory_swap=2 * host_config.memory)
        if host_config.oom_kill_disable and not host_config.memory:
            warnings.append(
                "OOM killer is disabled for the container, but no memory limit is set, "
                "this can result in the system running out of resources."
            )
        return host_config, tuple(warnings)


def check_platform(image: Image, platform: str | None) -> None:
    """Raise InvalidArgument where the image at hand is of another platform than the one asked for."""
    if not platform:
        return
    parts = platform.split("/")
    if parts[0] not in ("", image.os) or (len(parts) > 1 and parts[1] not in ("", image.architecture)):
        raise InvalidArgument(
            f"image with reference {image.id} was found but its platform ({image.os}/{image.architecture}) "
            f"does not match the specified platform ({platform})"
        )


def image_config(config: ImageConfig) -> Config:
    """Return an image's configuration as a container's."""
    return Config(
        user=config.user,
        env=tuple(config.env),
        cmd=config.cmd,
        entrypoint=config.entrypoint,
        working_dir=config.working_dir,
        labels=config.labels,
        exposed_ports=tuple(config.exposed_ports),
        volumes=tuple(config.volumes),
        stop_signal=config.stop_signal or None,
        shell=config.shell,
        healthcheck=config.healthcheck,
    )


def _hostname(container_id: str, host_config: HostConfig) -> str:
    if host_config.network_mode == "host" or host_config.uts_mode == "host":
        return socket.gethostname()
    return container_id[:12]
