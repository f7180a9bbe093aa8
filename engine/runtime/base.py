"""What the engine needs of an OCI runtime with a monitor, and the values that cross.

A container's processes: one monitor (conmon) for each container, outside of the engine's life; under it the
container's first process. States, as the kernel has them:

    (nothing) ── create ──▶ created ── start ──▶ running ⇄ paused ──▶ exited ── delete ──▶ (nothing)

`create` returns when the process waits in its namespaces, `start` lets it exec. The exit arrives at the watcher, once,
also when the engine was down meanwhile or the monitor was lost. `delete` takes everything away from any state and may
be called again. Nothing here takes locks: the caller makes changes of one container one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

STDOUT = 1
STDERR = 2


@dataclass(frozen=True, slots=True)
class Launch:
    """What `create` starts. `bundle` holds config.json; `log_path` None keeps no log.

    `stdin` gives the process a pipe (or the terminal) to read; `stdin_once` closes it when the first client that
    attached goes away.
    """

    container_id: str
    bundle: Path
    log_path: Path | None
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """The container's first process and its monitor, as pids of the host."""

    pid: int
    conmon_pid: int


@dataclass(frozen=True, slots=True)
class ExitNotice:
    """A process's end. `exec_id` None: the container itself. `exit_code` is 128 + signal for a death by signal."""

    container_id: str
    exec_id: str | None
    exit_code: int
    time_ns: int
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """What the kernel has of a container. `started` False: created, waits for `start`. `exit`: an end not yet told."""

    alive: bool
    pid: int = 0
    conmon_pid: int = 0
    exit: ExitNotice | None = None
    started: bool = False


class Attachment(Protocol):
    """A client's hold on a process's stdio. The monitor waits for a slow reader, and so does the process: read on."""

    def recv(self) -> tuple[int, bytes] | None:
        """Return (STDOUT or STDERR, data), None at the end; blocks. A terminal has STDOUT only."""

    def send(self, data: bytes) -> None:
        """Write to the process's stdin; dropped where it has none or is gone."""

    def close_stdin(self) -> None:
        """Give the process an end of file; output goes on. Only for `stdin_once` and exec: else it stays open."""

    def close(self) -> None:
        """Let go, and wake a `recv` that waits. Idempotent."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A further process in a container; `attachment` None where none was asked for."""

    pid: int
    conmon_pid: int
    attachment: Attachment | None


class Runtime(Protocol):
    """See the module's text for states and promises. A failure of the programs is RuntimeFailed, in Docker's words."""

    def warm(self) -> None:
        """Say that a process will be started within some 20 ms, so that slow work of the kernel begins now."""

    def create(self, launch: Launch) -> Created:
        """Start the monitor and the container's first process, up to its exec; on failure nothing is left behind."""

    def start(self, container_id: str) -> None:
        """Let the created process exec."""

    def signal(self, container_id: str, pid: int, signal: int) -> bool:
        """Send a signal to the container's first process; False when it is gone. A recycled pid is never hit."""

    def pause(self, container_id: str) -> None:
        """Freeze every process of the container; returns when the kernel has done so."""

    def resume(self, container_id: str) -> None:
        """Thaw a frozen container."""

    def delete(self, container_id: str) -> None:
        """Kill what is left, remove state, cgroup, bundle and exit record. Idempotent, from any state."""

    def exec_(
        self,
        container_id: str,
        exec_id: str,
        process: Mapping[str, Any],
        *,
        tty: bool = False,
        stdin: bool = False,
        attach: bool = False,
    ) -> Executed:
        """Run a further process (OCI `process`); with `attach`, no byte of its output is lost. RuntimeFailed."""

    def attach(self, container_id: str, exec_id: str | None = None) -> Attachment:
        """Take hold of a running process's stdio. NotFound where its monitor doesn't listen (any more)."""

    def resize(self, container_id: str, exec_id: str | None, width: int, height: int) -> None:
        """Set the terminal's size in characters. NotFound where the process is gone."""

    def update(self, container_id: str, resources: Mapping[str, Any]) -> None:
        """Change the limits of a running container (OCI `linux.resources`)."""

    def probe(self, container_id: str) -> Truth:
        """Look at the kernel: for an engine that starts, and for one that doubts."""

    def reopen_log(self, container_id: str) -> None:
        """Have the monitor open its log path anew, after a rename (rotation)."""


class ExitWatcher(Protocol):
    """Tells of every exit once. `on_exit` runs on the watcher's one thread: hand over, don't wait there."""

    def start(self, on_exit: Callable[[ExitNotice], None]) -> None:
        """Begin to tell."""

    def watch(
        self, container_id: str, conmon_pid: int, on_exit: Callable[[ExitNotice], None] | None = None
    ) -> None:
        """Expect the end of a container: before `start`, or for a running one after the engine's own start.

        `on_exit` is told in `start`'s stead.
        """

    def watch_exec(
        self, container_id: str, exec_id: str, conmon_pid: int, on_exit: Callable[[ExitNotice], None] | None = None
    ) -> None:
        """Expect the end of an exec session; may be called after it. `on_exit` is told in `start`'s stead."""

    def close(self) -> None:
        """Stop telling; what is expected is forgotten, the processes go on."""
