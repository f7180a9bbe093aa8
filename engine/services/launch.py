"""The steps of a container's start, each with its undo beside it, and the clearing after its end.

    rootfs mounted → sandbox joined → files written → bundle written → process created → streams joined → process let go

Every step is found by a crash point; what a crash leaves is cleared by `clear` at the next start of the engine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import faults
from engine.clock import now_ns
from engine.containers.model import Container
from engine.runtime import bundle
from engine.runtime.base import ExitWatcher, Launch, Runtime
from engine.services.attach import AttachPoints
from engine.services.networks import Joined, Networks
from engine.storage.paths import Paths
from engine.storage.snapshots.base import Snapshotter

_log = logging.getLogger(__name__)


class Launcher:
    """Brings a container's process up and clears up after it. The caller holds the container's lock."""

    def __init__(
        self,
        *,
        paths: Paths,
        runtime: Runtime,
        watcher: ExitWatcher,
        snapshots: Snapshotter,
        networks: Networks,
        attach_points: AttachPoints,
        build_spec: Callable[[Container, Path, Joined], dict[str, Any]],
    ) -> None:
        self._paths = paths
        self._runtime = runtime
        self._watcher = watcher
        self._snapshots = snapshots
        self._networks = networks
        self._attach_points = attach_points
        self._build_spec = build_spec

    def launch(self, container: Container, undo: ExitStack) -> Container:
        """Start the container's process; return the record with what it got. `undo` takes it all back."""
        self._runtime.warm()
        rootfs = self._snapshots.mount(container.id)
        undo.callback(self._snapshots.unmount, container.id)
        faults.point("start.after-rootfs")
        joined = self._networks.join(container)
        undo.callback(self._networks.leave, container)
        faults.point("start.after-network")
        self._write_files(container, joined)
        spec = self._build_spec(container, rootfs, joined)
        folder = self._paths.bundle(container.id)
        bundle.write(folder, spec)
        undo.callback(self._runtime.delete, container.id)
        faults.point("start.after-bundle")
        created = self._runtime.create(
            Launch(
                container_id=container.id,
                bundle=folder,
                log_path=None if container.host_config.log_config.type == "none" else self._paths.log(container.id),
                tty=container.config.tty,
                stdin=container.config.open_stdin,
                stdin_once=container.config.stdin_once,
            )
        )
        faults.point("start.after-create")
        self._attach_points.open(container.id, lambda: self._runtime.attach(container.id))
        self._watcher.watch(container.id, created.conmon_pid)
        started_ns = now_ns()  # before: it may have ended by the time `start` returns
        self._runtime.start(container.id)
        faults.point("start.after-start")
        return replace(
            container,
            endpoints=joined.endpoints,
            ports=joined.ports,
            sandbox=joined.sandbox,
            state=replace(
                container.state, pid=created.pid, conmon_pid=created.conmon_pid, started_ns=started_ns
            ),
        )

    def _write_files(self, container: Container, joined: Joined) -> None:
        """Write what Docker manages in every container's /etc."""
        folder = self._paths.container(container.id)
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in (
            ("hostname", f"{container.config.hostname}\n"),
            ("hosts", joined.hosts),
            ("resolv.conf", joined.resolv_conf),
        ):
            path = folder / name
            path.write_text(text)
            path.chmod(0o644)

    def disconnect(self, container: Container) -> None:
        """Give the container's addresses and ports back: the first thing after its end."""
        self._networks.leave(container)

    def clear(self, container: Container) -> None:
        """Take away what a run of the container used: runtime state, cgroup, mounts, addresses. Idempotent."""
        self._runtime.delete(container.id)
        self._networks.leave(container)
        self._snapshots.unmount(container.id)
