"""The logs of removed containers: kept by their namespace, compressed behind the answer, dropped by its policy.

    removal       one transaction: the container's record goes, the archive's comes
    keep          conmon's files are renamed into log-archive/<namespace>/<id>/
    build         a thread writes log.zst beside them, renames it into place, deletes them, marks the record ready

A crash leaves a step undone, never half done: at the next start `load` goes on with every record that is not ready.
Building takes at most half of one processor.
"""

from __future__ import annotations

import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from config.contract import ALL_NAMESPACES
from engine import faults
from engine.clock import now_ns
from engine.containers.model import Container
from engine.errors import BerthError, Forbidden, InvalidArgument, NotFound
from engine.logs import archive_file, frames, seek
from engine.logs.archive_file import ArchiveFile, Summary
from engine.logs.files import LogFiles, Segment
from engine.logs.frames import OpenLog
from engine.logs.store import ArchivedLog, ArchiveStore, Policy, Used
from engine.storage.db import Transaction
from engine.storage.paths import Paths
from engine.values import Scope, Surface

_log = logging.getLogger(__name__)
_EVERY_S = 3600.0
_LONGEST_REST_S = 0.5
_FIELDS = ("days", "bytes", "count", "live_bytes")


class LogArchive:
    """Keeps logs. `names` is the lock under which log files of the service change their names."""

    def __init__(self, store: ArchiveStore, paths: Paths, names: threading.Lock) -> None:
        self._store = store
        self._paths = paths
        self._names = names
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._pending: dict[str, ArchivedLog] = {}
        self._policies: dict[str, Policy] = {}
        self._observers: list[Callable[[str], None]] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-archive", daemon=True)

    def load(self) -> None:
        """Take up what a former engine left: records that are not ready, folders without a record."""
        self._pending = {log.id: log for log in self._store.pending()}
        known = {log.id for log in self._store.all()}
        root = self._paths.log_archive
        for folder in root.glob("*/*") if root.is_dir() else ():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
        for archive_id in list(self._pending):
            self.keep(archive_id)

    def start(self) -> None:
        """Begin to build; retention is looked at now and each hour."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; what it was at is done again later."""
        self._closed.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    # removal

    def begin(self, transaction: Transaction, container: Container) -> None:
        """Make the record of a container's log in the transaction that removes the container; none for an empty log."""
        policy = self.policy(container.namespace)
        if not (policy.days and policy.count and policy.bytes) or not self._has_log(container.id):
            return
        log = ArchivedLog(
            id=container.id,
            namespace=container.namespace,
            name=container.name,
            image=container.config.image,
            labels=container.config.labels,
            tty=container.config.tty,
            created_ns=container.created_ns,
            removed_ns=now_ns(),
        )
        self._store.add(transaction, log)
        transaction.after_commit(lambda: self._pending.update({log.id: log}))

    def _has_log(self, container_id: str) -> bool:
        path = self._paths.log(container_id)
        for one in (path, path.with_name(f"{path.name}.1")):
            try:
                if one.stat().st_size:
                    return True
            except FileNotFoundError:
                pass
        return False

    def keep(self, container_id: str) -> bool:
        """Move a removed container's log into the archive, if it is to be kept; again is fine."""
        log = self._pending.get(container_id)
        if log is None:
            return False
        folder = self._folder(log)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        LogFiles(self._paths.log(container_id), self._names).move(folder)
        faults.point("log-archive.moved")
        self._queue.put(container_id)
        return True

    # reading

    def find(self, scope: Scope, archive_id: str) -> ArchivedLog | None:
        """Return an archived log that this caller sees, by its full id."""
        log = self._store.find(archive_id)
        return log if log is not None and scope.sees(log.namespace) else None

    def list_(self, scope: Scope) -> list[ArchivedLog]:
        """Return the archived logs that this caller sees, the oldest removal first."""
        return self._store.all() if scope.namespace == ALL_NAMESPACES else self._store.of(scope.namespace)

    def files(self, log: ArchivedLog | None) -> LogFiles | None:
        """Return conmon's files of a log that is not built yet; None for one that is, or for no log."""
        if log is None:
            return None
        folder = self._folder(log)
        if (folder / "log.zst").exists():
            return None
        return LogFiles((folder if folder.is_dir() else self._paths.container(log.id)) / "log", self._names)

    def open(self, log: ArchivedLog) -> OpenLog:
        """Open a log's frames. The caller closes it. Raises NotFound where it has been dropped meanwhile."""
        with ExitStack() as undo:
            try:
                archive = ArchiveFile(self._folder(log) / "log.zst")
            except FileNotFoundError:
                segments = self._segments(log)
                for segment in segments:
                    undo.callback(segment.close)
                return OpenLog(frames.living_frames(segments), undo.pop_all())
            undo.callback(archive.close)
            return OpenLog(frames.archived_frames(archive), undo.pop_all())

    def _segments(self, log: ArchivedLog) -> list[Segment]:
        for folder in (self._folder(log), self._paths.container(log.id)):
            if segments := LogFiles(folder / "log", self._names).open():
                return segments
        raise NotFound(f"No such log: {log.id}")

    # policy

    def observe(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with a namespace whose policy has changed."""
        self._observers.append(tell)

    def policy(self, namespace: str) -> Policy:
        """Return a namespace's policy."""
        found = self._policies.get(namespace)
        if found is None:
            found = self._policies[namespace] = self._store.policy(namespace)
        return found

    @property
    def defaults(self) -> Policy:
        """What holds where a namespace has set nothing."""
        return self._store.defaults

    def used(self, namespace: str) -> Used:
        """Return what a namespace's archive takes."""
        return self._store.used(namespace)

    def set_policy(self, scope: Scope, changes: Mapping[str, int | None]) -> Policy:
        """Change a namespace's policy (None: the default again) and enforce it.

        More than the default is for those who may ask anything of the host. Raises InvalidArgument, Forbidden.
        """
        namespace = scope.home
        for name, value in changes.items():
            if name not in _FIELDS:
                raise InvalidArgument(f"{name}: not a part of a log policy ({', '.join(_FIELDS)})")
            if value is not None and not 0 <= value < 1 << 53:
                raise InvalidArgument(f"{name}: expected a number that is not negative")
            most = int(getattr(self._store.defaults, name))
            if value is not None and _rank(name, value) > _rank(name, most) and not self._may_raise(scope):
                raise Forbidden(f"{name}: at most {most}; more is for a platform administrator")
        values = {**self._store.overrides(namespace), **changes}
        self._store.set_policy(namespace, {name: value for name, value in values.items() if value is not None})
        self._policies.pop(namespace, None)
        self.enforce(namespace)
        for tell in self._observers:
            tell(namespace)
        return self.policy(namespace)

    @staticmethod
    def _may_raise(scope: Scope) -> bool:
        return scope.surface is Surface.ADMIN or "*" in scope.grants

    def enforce(self, namespace: str) -> int:
        """Drop what a namespace's policy does not let stay; return how many logs."""
        excess = self._store.excess(namespace, self.policy(namespace), now_ns())
        for archive_id in excess:
            self._drop(namespace, archive_id)
        if excess:
            _log.info("archived logs dropped namespace=%s count=%d", namespace, len(excess))
        return len(excess)

    def remove(self, scope: Scope, archive_id: str) -> None:
        """Drop an archived log. Raises NotFound."""
        log = self.find(scope, archive_id)
        if log is None:
            raise NotFound(f"No such log: {archive_id}")
        self._drop(log.namespace, log.id)

    def _drop(self, namespace: str, archive_id: str) -> None:
        self._pending.pop(archive_id, None)
        self._store.delete(archive_id)
        faults.point("log-archive.dropped")
        shutil.rmtree(self._paths.log_archive / namespace / archive_id, ignore_errors=True)

    # building

    def _run(self) -> None:
        self._enforce_all()
        while not self._closed.is_set():
            try:
                archive_id = self._queue.get(timeout=_EVERY_S)
            except queue.Empty:
                self._enforce_all()
                continue
            log = self._pending.get(archive_id) if archive_id else None
            if log is not None:
                self._build_or_log(log)

    def _enforce_all(self) -> None:
        try:
            for namespace in self._store.namespaces():
                self.enforce(namespace)
        except Exception:
            _log.exception("log retention failed; it is tried again in an hour")

    def _build_or_log(self, log: ArchivedLog) -> None:
        try:
            if self._build(log):
                self._pending.pop(log.id, None)
                self.enforce(log.namespace)
        except (OSError, BerthError) as error:
            _log.warning("a log stays uncompressed until the next start container=%s: %s", log.id, error)
        except Exception:
            _log.exception("a log stays uncompressed until the next start container=%s", log.id)

    def _build(self, log: ArchivedLog) -> bool:
        folder = self._folder(log)
        path = folder / "log.zst"
        found = _summary_of(path) if path.exists() else self._write(folder, path)
        if found is None:
            return False
        faults.point("log-archive.built")
        LogFiles(folder / "log", self._names).drop()
        if not self._store.update(replace(log, ready=True, summary=found)):
            shutil.rmtree(folder, ignore_errors=True)  # dropped meanwhile
        return True

    def _write(self, folder: Path, path: Path) -> Summary | None:
        aside = path.with_name(f"{path.name}.new")
        segments = LogFiles(folder / "log", self._names).open()
        found = None
        try:
            began = time.monotonic()
            for step in archive_file.build(segments, seek.beginning(segments).skip, aside):
                found = step
                if self._closed.wait(min(time.monotonic() - began, _LONGEST_REST_S)):
                    return None
                began = time.monotonic()
        finally:
            for segment in segments:
                segment.close()
        aside.rename(path)
        return found

    def _folder(self, log: ArchivedLog) -> Path:
        return self._paths.log_archive / log.namespace / log.id


def _rank(name: str, value: int) -> int:
    """Return how much a value allows: no cap on living logs is more than any."""
    return 1 << 62 if name == "live_bytes" and value == 0 else value


def _summary_of(path: Path) -> Summary:
    archive = ArchiveFile(path)
    try:
        return archive_file.summary(archive.frames, path.stat().st_size)
    finally:
        archive.close()
