"""The start of the engine: records are intent, the kernel is truth, and this makes them agree. Idempotent.

    runs by record, alive in the kernel     adopted: watched again
    runs by record, ended meanwhile         its end is recorded with conmon's exit code
    runs by record, no trace (reboot)       recorded as ended with 255, as Docker does
    does not run by record                  leavings of a start or end that a crash cut off are cleared
    no record                               files, snapshots, cgroups and processes are removed

Then the restart policies are asked.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from engine.clock import now_ns
from engine.containers import restart
from engine.containers.model import Container, Status
from engine.containers.store import ContainerStore
from engine.locks import NamedLocks
from engine.runtime.base import ExitNotice, ExitWatcher, Runtime
from engine.services.launch import Launcher
from engine.services.lifecycle import Lifecycle
from engine.services.networks import Networks
from engine.services.removal import Removal
from engine.storage.paths import Paths
from engine.storage.snapshots.base import Snapshotter

_log = logging.getLogger(__name__)

LOST_EXIT_CODE = 255


class Reconciler:
    """Brings records and kernel together. Call `run` once, before the sockets open."""

    def __init__(
        self,
        *,
        paths: Paths,
        store: ContainerStore,
        locks: NamedLocks,
        runtime: Runtime,
        watcher: ExitWatcher,
        snapshots: Snapshotter,
        networks: Networks,
        launcher: Launcher,
        lifecycle: Lifecycle,
        removal: Removal,
    ) -> None:
        self._paths = paths
        self._store = store
        self._locks = locks
        self._runtime = runtime
        self._watcher = watcher
        self._snapshots = snapshots
        self._networks = networks
        self._launcher = launcher
        self._lifecycle = lifecycle
        self._removal = removal

    def run(self) -> list[Container]:
        """Make records and kernel agree; return the containers that their policies want started now."""
        self._snapshots.recover()
        adopted, ended = self._examine()
        self._networks.reconcile(adopted)
        for container, notice in ended:
            with self._locks.hold(container.id):
                self._lifecycle.settle(container, notice)
        running = {container.id for container in adopted}
        self._clear_stopped(running)
        self._sweep_unknown()
        return self._due({container.id for container, _ in ended})

    def _examine(self) -> tuple[list[Container], list[tuple[Container, ExitNotice]]]:
        adopted: list[Container] = []
        ended: list[tuple[Container, ExitNotice]] = []
        for container in self._store.all():
            if not container.state.is_running:
                continue
            truth = self._runtime.probe(container.id)
            if truth.alive and truth.started:
                self._watcher.watch(container.id, truth.conmon_pid)
                adopted.append(container)
                _log.info("container adopted container=%s pid=%d", container.id, truth.pid)
            else:
                notice = truth.exit or ExitNotice(container.id, None, LOST_EXIT_CODE, now_ns(), False)
                ended.append((container, notice))
                _log.info("container ended meanwhile container=%s code=%d", container.id, notice.exit_code)
        return adopted, ended

    def _clear_stopped(self, running: set[str]) -> None:
        """Take away what a crash in the middle of a start or an end left of containers that don't run."""
        for container in self._store.all():
            if container.id in running or not self._has_leavings(container.id):
                continue
            with self._locks.hold(container.id):
                self._launcher.clear(container)
                _log.info("leavings of a stopped container cleared container=%s", container.id)

    def _has_leavings(self, container_id: str) -> bool:
        return self._paths.bundle(container_id).exists() or (self._paths.rootfs / container_id).exists()

    def _sweep_unknown(self) -> None:
        """Remove what belongs to no record: a crash came between a record's end and its files'."""
        known = {container.id for container in self._store.all()}
        for container_id in _names(self._paths.bundles, self._paths.rootfs) - known:
            self._runtime.delete(container_id)
            self._snapshots.unmount(container_id)
            shutil.rmtree(self._paths.bundle(container_id), ignore_errors=True)
        for container_id in ({*self._snapshots.keys()} | _names(self._paths.containers)) - known:
            self._removal.sweep(container_id)
            _log.info("files of a container without a record removed container=%s", container_id)

    def _due(self, just_ended: Iterable[str]) -> list[Container]:
        ended = set(just_ended)
        due = []
        for container in self._store.all():
            status = container.state.status
            if status not in (Status.EXITED, Status.RESTARTING) or container.state.started_ns == 0:
                continue
            if restart.wants_start_at_boot(
                container.host_config.restart_policy,
                container.state.exit_code,
                was_up=container.id in ended or status is Status.RESTARTING,
                stopped_by_user=container.state.stopped_by_user,
            ):
                due.append(container)
        return due


def _names(*folders: Path) -> set[str]:
    return {entry.name for folder in folders for entry in folder.iterdir() if not entry.name.startswith(".")}
