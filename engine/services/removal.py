"""Removing a container: the record first, in one transaction, then what it had on disk.

A crash in between leaves files without a record: `reconcile` sweeps those at the next start.
"""

from __future__ import annotations

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from engine import faults
from engine.containers.model import Container, Status
from engine.containers.store import ContainerStore
from engine.services.container_events import container_event
from engine.services.log_archive import LogArchive
from engine.services.logs import Logs
from engine.services.volumes import Volumes
from engine.services.waiters import Condition, Ended, Waiters
from engine.storage.db import Database
from engine.storage.paths import Paths
from engine.storage.snapshots.base import Snapshotter

_log = logging.getLogger(__name__)


class Removal:
    """Ends the existence of containers that don't run. The caller holds the container's lock."""

    def __init__(
        self,
        *,
        database: Database,
        store: ContainerStore,
        paths: Paths,
        snapshots: Snapshotter,
        volumes: Volumes,
        logs: Logs,
        archive: LogArchive,
        waiters: Waiters,
    ) -> None:
        self._database = database
        self._store = store
        self._paths = paths
        self._snapshots = snapshots
        self._volumes = volumes
        self._logs = logs
        self._archive = archive
        self._waiters = waiters
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sweep")

    def remove(self, container: Container, *, by: str, volumes: bool) -> None:
        """Drop the record and say so; anonymous volumes go with `volumes`; the files follow in the background."""
        faults.point("remove.before-record")
        with self._database.transaction() as transaction:
            self._store.delete(transaction, container)
            self._archive.begin(transaction, container)
            transaction.record(container_event(container, "destroy", by=by))
        faults.point("remove.after-record")
        gone = replace(container, state=replace(container.state, status=Status.REMOVING))
        self._volumes.release(gone, volumes)
        self._logs.drop(gone)
        ended = Ended(container.state.exit_code)
        for condition in Condition:
            self._waiters.resolve(container.id, condition, ended)
        self._pool.submit(self._sweep, container.id)

    def _sweep(self, container_id: str) -> None:
        try:
            self.sweep(container_id)
        except OSError:
            _log.exception("files of a removed container are left until the next start container=%s", container_id)

    def sweep(self, container_id: str) -> None:
        """Delete a removed container's files: idempotent."""
        self._logs.keep(container_id)
        self._snapshots.remove(container_id)
        faults.point("remove.after-snapshot")
        shutil.rmtree(self._paths.container(container_id), ignore_errors=True)

    def close(self) -> None:
        """Finish the sweeps under way."""
        self._pool.shutdown(wait=True)
