"""Start, stop and end of containers: ordered bring-up with undo, one lock a container.

The record is intent, the kernel is truth. A start is one ExitStack: what a step made is undone if a later one fails.
The end comes from the watcher, on a thread of its own pool; everything that waits for an end waits for a future that
`_settle` resolves, never with the container's lock held.
"""

from __future__ import annotations

import logging
import signal as signals
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack
from dataclasses import replace

from engine import faults
from engine.clock import now_ns
from engine.containers import health, restart, state
from engine.containers.model import Container, Health, Status
from engine.containers.signals import parse_signal
from engine.containers.store import ContainerStore
from engine.errors import BerthError, Internal, NotModified, RuntimeFailed
from engine.events import Event
from engine.locks import NamedLocks
from engine.runtime.base import ExitNotice, Runtime
from engine.services.attach import AttachPoints
from engine.services.container_events import container_event
from engine.services.launch import Launcher
from engine.services.removal import Removal
from engine.services.restart_timers import RestartTimers
from engine.services.waiters import Condition, Ended, Waiters
from engine.storage.db import Database
from engine.values import Endpoint, Scope

_log = logging.getLogger(__name__)

_KILL_PATIENCE = 10.0
"""Seconds to wait for the end after SIGKILL."""
_DEFAULT_STOP_TIMEOUT = 10
_ENGINE = "engine"


class Lifecycle:
    """The moves of a container. Every public method takes the caller's scope and a reference."""

    def __init__(
        self,
        *,
        database: Database,
        store: ContainerStore,
        locks: NamedLocks,
        runtime: Runtime,
        launcher: Launcher,
        removal: Removal,
        waiters: Waiters,
        attach_points: AttachPoints,
        mount_events: Callable[[Container, str], Iterable[Event]],
        memory_bounds: Callable[[Container], tuple[int, int]],
    ) -> None:
        self._database = database
        self._store = store
        self._locks = locks
        self._runtime = runtime
        self._launcher = launcher
        self._removal = removal
        self._waiters = waiters
        self._attach_points = attach_points
        self._mount_events = mount_events
        self._memory_bounds = memory_bounds
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="exit")
        self._timers = RestartTimers(self._restart_now)
        self._closed = False
        self._kept: set[str] = set()
        """Containers that `--rm` must not take away at this end: they are being restarted."""
        self._observers: list[Callable[[Container], None]] = []

    def observe(self, observer: Callable[[Container], None]) -> None:
        """Call `observer` with the record after each start and each end (health checks, statistics)."""
        self._observers.append(observer)

    # -- start -----------------------------------------------------------------------------------------------------

    def start(self, scope: Scope, reference: str) -> None:
        """Start the container. NotModified if it runs; RuntimeFailed with Docker's words if its command can't."""
        container = self._store.get(scope, reference)
        with self._locks.hold(container.id):
            container = self._store.get(scope, container.id)
            state.check_start(container)
            self._timers.cancel(container.id)
            self._start_locked(container, by=scope.actor)

    def _start_locked(self, container: Container, *, by: str, restarts: int = 0) -> Container:
        try:
            with ExitStack() as undo:
                running = self._launcher.launch(container, undo)
                running = self._save_started(running, by=by, restarts=restarts)
                undo.pop_all()
        except BerthError as error:
            self._failed(container, error, by=by)
            raise
        except OSError as error:
            self._failed(container, Internal(str(error)), by=by)
            raise
        self._tell(running)
        return running

    def _save_started(self, running: Container, *, by: str, restarts: int) -> Container:
        running = replace(
            running,
            state=replace(
                running.state,
                status=Status.RUNNING,
                exit_code=0,
                error="",
                oom_killed=False,
                restart_count=restarts,
                stopped_by_user=False,
                health=Health() if health.check_argv(running.config) else None,
            ),
        )
        faults.point("start.before-record")
        with self._database.transaction() as transaction:
            self._store.save(transaction, running)
            for event in self._mount_events(running, "mount"):
                transaction.record(event)
            transaction.record(container_event(running, "start", by=by))
        faults.point("start.after-record")
        return running

    def _failed(self, container: Container, error: BerthError, *, by: str) -> None:
        """Write down why a start failed, as Docker does: the status stays, error and exit code say it."""
        self._attach_points.abandon(container.id)
        code = error.exit_code if isinstance(error, RuntimeFailed) else 128
        status = Status.CREATED if container.state.status is Status.CREATED else Status.EXITED
        failed = replace(
            container,
            state=replace(
                container.state, status=status, error=str(error), exit_code=code, pid=0, finished_ns=now_ns()
            ),
        )
        with self._database.transaction() as transaction:
            self._store.save(transaction, failed)
            transaction.record(container_event(failed, "die", by=by, extra={"exitCode": str(code)}))
        self._resolve_end(failed, Ended(code))
        if container.host_config.auto_remove:
            self._removal.remove(failed, by=_ENGINE, volumes=True)

    # -- stop ------------------------------------------------------------------------------------------------------

    def stop(self, scope: Scope, reference: str, signal: str | None = None, timeout: int | None = None) -> None:
        """Ask the container to end by its stop signal, and kill it after `timeout` seconds (-1: never).

        Raises NotModified if it was not running.
        """
        container = self._store.get(scope, reference)
        if not self._end(container, signal, timeout, by=scope.actor):
            raise NotModified(f"container {container.id} is already stopped")
        self._record(container.id, "stop", by=scope.actor)

    def _end(self, container: Container, signal: str | None, timeout: int | None, *, by: str) -> bool:
        """Bring a running container to its end; False if it was not running."""
        with self._locks.hold(container.id):
            container = self._store.find(container.id) or container
            if container.state.status is Status.RESTARTING:
                self._abort_restart(container)
                return True
            if not container.state.is_running:
                return False
            ended = self._waiters.add(container.id, Condition.NOT_RUNNING)
            number = parse_signal(signal or container.config.stop_signal or "SIGTERM")
            container = self._mark_stopping(container)
            self._signal(container, number, by=by)
        patience = timeout if timeout is not None else container.config.stop_timeout
        patience = _DEFAULT_STOP_TIMEOUT if patience is None else patience
        if not _wait(ended, None if patience < 0 else float(patience)):
            self._kill_hard(container, ended, by=by)
        return True

    def _kill_hard(self, container: Container, ended: Future[Ended], *, by: str) -> None:
        with self._locks.hold(container.id):
            current = self._store.find(container.id)
            if current is not None and current.state.is_running:
                self._signal(current, signals.SIGKILL, by=by)
        if not _wait(ended, _KILL_PATIENCE):
            raise Internal(f"container {container.id} did not exit {_KILL_PATIENCE:.0f} s after SIGKILL")

    def restart(self, scope: Scope, reference: str, signal: str | None = None, timeout: int | None = None) -> None:
        """Stop the container if it runs, start it, and say so."""
        container = self._store.get(scope, reference)
        self._kept.add(container.id)
        try:
            if self._end(container, signal, timeout, by=scope.actor):
                self._record(container.id, "stop", by=scope.actor)
            with self._locks.hold(container.id):
                container = self._store.get(scope, container.id)
                state.check_start(container)
                self._start_locked(container, by=scope.actor)
        finally:
            self._kept.discard(container.id)
        self._record(container.id, "restart", by=scope.actor)

    def kill(self, scope: Scope, reference: str, signal: str) -> None:
        """Send a signal, by name or number, to the container's first process."""
        number = parse_signal(signal or "SIGKILL")
        container = self._store.get(scope, reference)
        ended: Future[Ended] | None = None
        with self._locks.hold(container.id):
            container = self._store.get(scope, container.id)
            if container.state.status is Status.RESTARTING:
                self._abort_restart(container)
                return
            state.check_running(container, "kill")
            if number == signals.SIGKILL:
                ended = self._waiters.add(container.id, Condition.NOT_RUNNING)
            if number == parse_signal(container.config.stop_signal or "SIGTERM") or number == signals.SIGKILL:
                container = self._mark_stopping(container)
            self._signal(container, number, by=scope.actor)
        if ended is not None and not _wait(ended, _KILL_PATIENCE):
            raise Internal(f"container {container.id} did not exit {_KILL_PATIENCE:.0f} s after SIGKILL")

    def _signal(self, container: Container, number: int, *, by: str) -> None:
        with self._database.transaction() as transaction:
            transaction.record(container_event(container, "kill", by=by, extra={"signal": str(int(number))}))
        if not self._runtime.signal(container.id, container.state.pid, number):
            return  # it has just ended: the watcher is about to say so
        if container.state.status is Status.PAUSED:
            self._runtime.resume(container.id)

    def _mark_stopping(self, container: Container) -> Container:
        container = replace(container, state=replace(container.state, stopped_by_user=True))
        with self._database.transaction() as transaction:
            return self._store.save(transaction, container)

    # -- pause -----------------------------------------------------------------------------------------------------

    def pause(self, scope: Scope, reference: str) -> None:
        """Freeze every process of the container."""
        self._switch(scope, reference, "pause", state.check_pause, self._runtime.pause, Status.PAUSED)

    def unpause(self, scope: Scope, reference: str) -> None:
        """Let the processes of a paused container go on."""
        self._switch(scope, reference, "unpause", state.check_unpause, self._runtime.resume, Status.RUNNING)

    def _switch(
        self,
        scope: Scope,
        reference: str,
        action: str,
        check: Callable[[Container], None],
        act: Callable[[str], None],
        status: Status,
    ) -> None:
        container = self._store.get(scope, reference)
        with self._locks.hold(container.id):
            container = self._store.get(scope, container.id)
            check(container)
            act(container.id)
            changed = replace(container, state=replace(container.state, status=status))
            with self._database.transaction() as transaction:
                self._store.save(transaction, changed)
                transaction.record(container_event(changed, action, by=scope.actor))

    # -- remove ----------------------------------------------------------------------------------------------------

    def remove(self, scope: Scope, reference: str, *, force: bool, volumes: bool) -> None:
        """Remove the container; a running one only by force, which kills it first."""
        container = self._store.get(scope, reference)
        state.check_remove(container, force=force)
        if force and (container.state.is_running or container.state.status is Status.RESTARTING):
            self._end(container, "SIGKILL", int(_KILL_PATIENCE), by=scope.actor)
        with self._locks.hold(container.id):
            current = self._store.find(container.id)
            if current is None:
                return  # --rm was quicker
            state.check_remove(current, force=False)
            self._timers.cancel(current.id)
            self._removal.remove(current, by=scope.actor, volumes=volumes)
        self._attach_points.abandon(container.id)

    # -- the end ---------------------------------------------------------------------------------------------------

    def on_exit(self, notice: ExitNotice) -> None:
        """Take a container's end from the watcher; returns at once, the work is the pool's."""
        if not self._closed:
            self._pool.submit(self._exit_job, notice)

    def _exit_job(self, notice: ExitNotice) -> None:
        try:
            with self._locks.hold(notice.container_id):
                container = self._store.find(notice.container_id)
                if container is not None and container.state.is_running:
                    self.settle(container, notice)
        except Exception:
            _log.exception("the end of a container could not be recorded container=%s", notice.container_id)

    def settle(self, container: Container, notice: ExitNotice) -> None:
        """Record the end of a run and clear what it used. The caller holds the container's lock."""
        again = restart.wants_restart(
            container.host_config.restart_policy,
            notice.exit_code,
            container.state.restart_count,
            stopped_by_user=container.state.stopped_by_user,
        )
        faults.point("exit.before-record")
        ended = self._save_ended(container, notice, Status.RESTARTING if again else Status.EXITED)
        faults.point("exit.after-record")
        self._launcher.disconnect(container)  # before anybody is told to go on: the ports are free then
        self._tell(ended)
        self._waiters.resolve(container.id, Condition.NEXT_EXIT, Ended(notice.exit_code))
        if not again:
            self._resolve_end(ended, Ended(notice.exit_code))
        self._launcher.clear(ended)
        if again:
            ran = max(0, ended.state.finished_ns - container.state.started_ns) / 1e9
            self._timers.schedule(ended.id, ran)
        elif ended.host_config.auto_remove and ended.id not in self._kept:
            self._removal.remove(ended, by=_ENGINE, volumes=True)

    def _save_ended(self, container: Container, notice: ExitNotice, status: Status) -> Container:
        ended = replace(
            container,
            ports=(),
            sandbox="",
            endpoints=tuple(_emptied(e) for e in container.endpoints),
            state=replace(
                container.state,
                status=status,
                pid=0,
                conmon_pid=0,
                exit_code=notice.exit_code,
                oom_killed=notice.oom_killed,
                finished_ns=notice.time_ns,
            ),
        )
        ran = max(0, notice.time_ns - container.state.started_ns) // 1_000_000_000
        extra = {"exitCode": str(notice.exit_code), "execDuration": str(ran)}
        with self._database.transaction() as transaction:
            self._store.save(transaction, ended)
            if notice.oom_killed:
                limit, peak = self._memory_bounds(container)
                bounds = {"memoryLimit": str(limit), "memoryPeak": str(peak)}
                transaction.record(container_event(ended, "oom", by=_ENGINE, extra=bounds))
            transaction.record(container_event(ended, "die", by=_ENGINE, extra=extra))
            for event in self._mount_events(ended, "unmount"):
                transaction.record(event)
        return ended

    def _resolve_end(self, container: Container, ended: Ended) -> None:
        self._waiters.resolve(container.id, Condition.NEXT_EXIT, ended)
        self._waiters.resolve(container.id, Condition.NOT_RUNNING, ended)

    # -- restart policy --------------------------------------------------------------------------------------------

    def _restart_now(self, container_id: str) -> None:
        with self._locks.hold(container_id):
            container = self._store.find(container_id)
            if container is None or container.state.status is not Status.RESTARTING or self._closed:
                return
            try:
                self._start_locked(container, by=_ENGINE, restarts=container.state.restart_count + 1)
            except (BerthError, OSError) as error:
                _log.warning("a container could not be restarted container=%s: %s", container_id, error)

    def _abort_restart(self, container: Container) -> None:
        self._timers.cancel(container.id)
        ended = replace(container, state=replace(container.state, status=Status.EXITED, stopped_by_user=True))
        with self._database.transaction() as transaction:
            self._store.save(transaction, ended)
        self._resolve_end(ended, Ended(ended.state.exit_code))

    # -- boot and close --------------------------------------------------------------------------------------------

    def resume_after_boot(self, container: Container) -> None:
        """Start a container that its policy wants running, on a start of the engine; failures are recorded."""
        with self._locks.hold(container.id):
            try:
                self._start_locked(container, by=_ENGINE)
            except (BerthError, OSError) as error:
                _log.warning("a container could not be started at boot container=%s: %s", container.id, error)

    def close(self) -> None:
        """Stop taking ends; containers go on."""
        self._closed = True
        self._timers.close()
        self._pool.shutdown(wait=True)

    def _tell(self, container: Container) -> None:
        for observer in self._observers:
            observer(container)

    def _record(self, container_id: str, action: str, *, by: str) -> None:
        container = self._store.find(container_id)
        if container is not None:
            with self._database.transaction() as transaction:
                transaction.record(container_event(container, action, by=by))


def _wait(ended: Future[Ended], timeout: float | None) -> bool:
    try:
        ended.result(timeout)
    except FutureTimeout:
        return False
    return True


def _emptied(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint as Docker shows it for a stopped container: the wish stays, the addresses go."""
    return Endpoint(
        config=endpoint.config,
        network_id=endpoint.network_id,
        network_name=endpoint.network_name,
        dns_names=endpoint.dns_names,
    )
