"""Exec sessions: a further process in a running container, from its creation until five minutes after its end.

Records are in memory, with what a restarted engine needs beside the process's own files. The stream of an attached
exec ends only when the exit code is known: clients ask for it the moment they see the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from engine import faults
from engine.clock import now_ns
from engine.containers.exec_model import Exec, ExecConfig
from engine.containers.model import Container, Status
from engine.errors import BerthError, Conflict, InvalidArgument, NotFound, RuntimeFailed
from engine.ids import new_id
from engine.runtime.base import Attachment, Executed, ExitNotice
from engine.services.container_events import container_event
from engine.storage.db import Database
from engine.values import Scope

_log = logging.getLogger(__name__)
_KEEP_NS = 300 * 1_000_000_000
_SETTLE_SECONDS = 10.0
_OUTPUT_LIMIT = 4096
_ASKED = "berthExec"
"""In the process's own file, which runtimes read for what they know: the request, for an engine that comes after."""
_CONFIG = TypeAdapter(ExecConfig)


class ContainerLookup(Protocol):
    """Finds a running container's record."""

    def get(self, scope: Scope, reference: str) -> Container:
        """Return it, or raise NotFound."""


class ExecRuntime(Protocol):
    """The part of the runtime that execs use."""

    def warm(self) -> None: ...
    def exec_(
        self,
        container_id: str,
        exec_id: str,
        process: Mapping[str, Any],
        *,
        tty: bool = False,
        stdin: bool = False,
        attach: bool = False,
    ) -> Executed: ...
    def resize(self, container_id: str, exec_id: str | None, width: int, height: int) -> None: ...
    def forget_exec(self, container_id: str, exec_id: str) -> None: ...
    def kill_exec(self, container_id: str, exec_id: str) -> None: ...
    def running_execs(self, container_id: str) -> Mapping[str, int]: ...
    def exec_process(self, container_id: str, exec_id: str) -> tuple[int, dict[str, Any]]: ...


class ExecWatcher(Protocol):
    """The part of the watcher that execs use."""

    def watch_exec(
        self, container_id: str, exec_id: str, conmon_pid: int, on_exit: Callable[[ExitNotice], None] | None = None
    ) -> None: ...


BuildProcess = Callable[[Container, ExecConfig], dict[str, Any]]


class Execs:
    """Creates, runs and tells of execs. `build_process` renders an OCI process."""

    def __init__(
        self,
        database: Database,
        containers: ContainerLookup,
        runtime: ExecRuntime,
        watcher: ExecWatcher,
        build_process: BuildProcess,
    ) -> None:
        self._database = database
        self._containers = containers
        self._runtime = runtime
        self._watcher = watcher
        self._build_process = build_process
        self._lock = threading.Lock()
        self._execs: dict[str, Exec] = {}
        self._ended: dict[str, threading.Event] = {}
        self._journal = ThreadPoolExecutor(1, thread_name_prefix="exec-journal")

    def close(self) -> None:
        """Write what is still to be told; the processes go on."""
        self._journal.shutdown(wait=True)

    def create(self, scope: Scope, reference: str, config: ExecConfig) -> str:
        """Return the id of a new exec. Conflict if the container doesn't run, InvalidArgument for no command."""
        container = self._containers.get(scope, reference)
        _check_running(container)
        if not config.cmd or not config.cmd[0]:
            raise InvalidArgument("No exec command specified")
        self._runtime.warm()
        made = Exec(new_id(), container.id, config)
        with self._lock:
            self._purge()
            self._execs[made.id] = made
        self._tell(container, made, f"exec_create: {' '.join(config.cmd)}", scope.actor)
        return made.id

    def get(self, scope: Scope, exec_id: str) -> Exec:
        """Return an exec. NotFound where there is none, or its container is gone or another namespace's."""
        found = self._execs.get(exec_id)
        if found is None:
            raise NotFound(f"No such exec instance: {exec_id}")
        self._container(scope, found)
        return found

    def _container(self, scope: Scope, found: Exec) -> Container:
        try:
            return self._containers.get(scope, found.container_id)
        except NotFound:
            raise NotFound(f"No such exec instance: {found.id}") from None

    def start(
        self, scope: Scope, exec_id: str, *, detach: bool = False, console_size: tuple[int, int] = (0, 0)
    ) -> Attachment | None:
        """Run an exec; return its streams, None when detached.

        Conflict if it ran already or the container doesn't run; RuntimeFailed where the command can't be run (its
        exit code is then the exec's).
        """
        found = self.get(scope, exec_id)
        container = self._container(scope, found)
        _check_running(container)
        with self._lock:
            found = self._execs[exec_id]
            if found.started:
                state = "is already running" if found.running else "has already run"
                raise Conflict(f"Error: Exec command {exec_id} {state}")
            size = console_size if console_size != (0, 0) else found.config.console_size
            found = replace(found, started=True, running=True, config=replace(found.config, console_size=size))
            self._execs[exec_id] = found
            ended = self._ended[exec_id] = threading.Event()
        self._tell(container, found, f"exec_start: {' '.join(found.config.cmd)}", scope.actor)
        attachment = self._run(container, found, attach=not detach)
        return _UntilEnded(attachment, ended) if attachment is not None else None

    def _run(self, container: Container, found: Exec, *, attach: bool) -> Attachment | None:
        config = found.config
        try:
            process = {**self._build_process(container, config), _ASKED: asdict(config)}
            done = self._runtime.exec_(
                container.id,
                found.id,
                process,
                tty=config.tty,
                stdin=config.attach_stdin and attach,
                attach=attach,
            )
        except BerthError as error:
            self._end(found.id, error.exit_code if isinstance(error, RuntimeFailed) else 126)
            raise
        faults.point("exec.after-start")
        with self._lock:
            self._execs[found.id] = replace(self._execs[found.id], pid=done.pid)
        self._watcher.watch_exec(container.id, found.id, done.conmon_pid, self.on_exit)
        return done.attachment

    def on_exit(self, notice: ExitNotice) -> None:
        """Take note of an exec's end (called by the watcher)."""
        if notice.exec_id is None:
            return
        found = self._end(notice.exec_id, notice.exit_code)
        self._journal.submit(self._tell_end, notice, found)

    def _tell_end(self, notice: ExitNotice, found: Exec | None) -> None:
        try:
            self._runtime.forget_exec(notice.container_id, str(notice.exec_id))
            if found is None:
                return
            container = self._containers.get(_EVERYWHERE, notice.container_id)
            self._record(
                container, found, "exec_die", _EVERYWHERE.actor, notice.time_ns, exitCode=str(notice.exit_code)
            )
        except NotFound:
            return
        except Exception:
            _log.exception("exec's end not recorded id=%s", notice.exec_id)

    def _end(self, exec_id: str, exit_code: int) -> Exec | None:
        with self._lock:
            found = self._execs.get(exec_id)
            if found is not None:
                found = replace(found, running=False, exit_code=exit_code, ended_ns=now_ns())
                self._execs[exec_id] = found
            ended = self._ended.pop(exec_id, None)
        if ended is not None:
            ended.set()
        return found

    def resize(self, scope: Scope, exec_id: str, width: int, height: int) -> None:
        """Set the size of an exec's terminal. Conflict if it doesn't run."""
        found = self.get(scope, exec_id)
        if not found.running:
            raise Conflict(f"Exec command {exec_id} is not running")
        self._runtime.resize(found.container_id, found.id, width, height)

    def ids_of(self, container_id: str) -> list[str]:
        """Return the container's execs that have not ended, oldest first."""
        return [e.id for e in list(self._execs.values()) if e.container_id == container_id and e.exit_code is None]

    def run_check(self, container: Container, argv: tuple[str, ...], seconds: float) -> tuple[int | None, bytes]:
        """Run a command to its end, without events; return exit code (None: out of time, killed) and output."""
        made = Exec(new_id(), container.id, ExecConfig(cmd=argv, attach_stdout=True, attach_stderr=True))
        ended = threading.Event()
        with self._lock:
            self._execs[made.id] = replace(made, started=True, running=True)
            self._ended[made.id] = ended
        try:
            attachment = self._run(container, made, attach=True)
            if attachment is None:
                return None, b""
            output = _collect(attachment, lambda: self._runtime.kill_exec(container.id, made.id), seconds)
            ended.wait(_SETTLE_SECONDS)
            with self._lock:
                found = self._execs.pop(made.id)
            return (None if output.timed_out else found.exit_code), output.data
        finally:
            with self._lock:
                self._execs.pop(made.id, None)

    def recover(self, running: Iterable[Container]) -> None:
        """Find the execs that an earlier engine left, and see their ends; call it after the watcher has started."""
        for container in running:
            for exec_id, monitor in self._runtime.running_execs(container.id).items():
                pid, process = self._runtime.exec_process(container.id, exec_id)
                made = Exec(exec_id, container.id, _asked(process), started=True, running=True, pid=pid)
                with self._lock:
                    self._execs.setdefault(exec_id, made)
                    self._ended[exec_id] = threading.Event()
                self._watcher.watch_exec(container.id, exec_id, monitor, self.on_exit)

    def note_detach(self, scope: Scope, exec_id: str) -> None:
        """Write down that an exec's client has left by its detach keys."""
        found = self.get(scope, exec_id)
        self._tell(self._container(scope, found), found, "exec_detach", scope.actor)

    def _purge(self) -> None:
        limit = now_ns() - _KEEP_NS
        for old in [e.id for e in self._execs.values() if 0 < e.ended_ns < limit]:
            del self._execs[old]

    def _tell(self, container: Container, found: Exec, action: str, by: str) -> None:
        """Record an event on the journal's thread: execs live in memory, so nobody need wait for the disk."""
        self._journal.submit(self._try_record, container, found, action, by, now_ns())

    def _try_record(self, container: Container, found: Exec, action: str, by: str, time_ns: int) -> None:
        try:
            self._record(container, found, action, by, time_ns)
        except Exception:
            _log.exception("event not recorded action=%s", action)

    def _record(self, container: Container, found: Exec, action: str, by: str, time_ns: int, **extra: str) -> None:
        event = container_event(container, action, by=by, extra={"execID": found.id, **extra})
        event = replace(event, time_ns=time_ns)
        with self._database.transaction() as transaction:
            transaction.record(event)


_EVERYWHERE = Scope(namespace="*", actor="engine")


def _asked(process: Mapping[str, Any]) -> ExecConfig:
    """Return what an exec of an earlier engine was asked for, as far as its process tells."""
    try:
        return _CONFIG.validate_python(process.get(_ASKED, {}))
    except ValidationError:
        return ExecConfig(cmd=tuple(process.get("args", ())), tty=bool(process.get("terminal")))


def _check_running(container: Container) -> None:
    status = container.state.status
    if status is Status.PAUSED:
        raise Conflict(f"Container {container.name} is paused, unpause the container before exec")
    if status is Status.RESTARTING:
        raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
    if not container.state.is_running:
        raise Conflict(f"Container {container.id} is not running")


class _UntilEnded:
    """An attachment whose end waits for the exit code."""

    def __init__(self, inner: Attachment, ended: threading.Event) -> None:
        self._inner = inner
        self._ended = ended
        self._closed = False

    def recv(self) -> tuple[int, bytes] | None:
        found = self._inner.recv()
        if found is None and not self._closed:
            self._ended.wait(_SETTLE_SECONDS)
        return found

    def send(self, data: bytes) -> None:
        self._inner.send(data)

    def close_stdin(self) -> None:
        self._inner.close_stdin()

    def close(self) -> None:
        self._closed = True
        self._inner.close()


class _Collected:
    """The first bytes of a command's output, and whether its time was up."""

    def __init__(self) -> None:
        self.data = b""
        self.timed_out = False


def _collect(attachment: Attachment, kill: Callable[[], None], seconds: float) -> _Collected:
    """Read to the end; when the time is up, kill and stop reading."""
    found = _Collected()

    def give_up() -> None:
        found.timed_out = True
        kill()
        attachment.close()

    timer = threading.Timer(max(seconds, 0.001), give_up)
    timer.daemon = True
    timer.start()
    began = time.monotonic()
    try:
        while packet := attachment.recv():
            found.data += packet[1][: _OUTPUT_LIMIT - len(found.data)]
    finally:
        timer.cancel()
        attachment.close()
    _log.debug("command ran seconds=%.3f", time.monotonic() - began)
    return found
