"""The `Runtime` made of conmon and crun (runc where there is no crun).

Hot paths start one process, conmon (and that one crun): `start` writes to crun's exec.fifo as `crun start` does,
signals go by pidfd, pause and resume by the freezer, `delete` removes the few files that crun keeps. With runc,
whose pipe has another protocol, `start` runs `runc start`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal as signals
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine import faults
from engine.errors import Internal, NotFound, RuntimeFailed
from engine.kernel import command, mounts, proc
from engine.kernel.cgroups import Cgroups
from engine.runtime import bundle, conmon, exits, failures
from engine.runtime.base import Attachment, Created, Executed, Launch, Truth
from engine.runtime.warmer import Warmer

_CREATE_SECONDS = 120.0
_VANISH_SECONDS = 10.0
_MONITOR_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the runtime keeps things: bundles, conmon's exit files, crun's own state."""

    bundles: Path
    exits: Path
    state: Path


def find_programs(state: Path) -> conmon.Program:
    """Return conmon and the runtime found on PATH. Raises Internal naming what is missing."""
    path = command.ENVIRONMENT["PATH"]
    monitor = shutil.which("conmon", path=path)
    runtime = shutil.which("crun", path=path) or shutil.which("runc", path=path)
    missing = [name for name, found in (("conmon", monitor), ("crun", runtime)) if not found]
    if monitor is None or runtime is None:
        raise Internal(f"program not found: {', '.join(missing)} (Debian: apt install conmon crun)")
    return conmon.Program(monitor, runtime, state)


def seal_runtime(programs: conmon.Program, folder: Path) -> conmon.Program:
    """Return the programs with the runtime bound read-only in `folder`, in the engine's own mount namespace.

    crun copies itself at every run so that no container can write to it through /proc/self/exe, unless it finds
    itself on a read-only mount: that copy and second exec are a tenth of a start.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / Path(programs.runtime).name
    if mounts.is_mount_point(target):
        mounts.unmount(target)
    target.touch(mode=0o700)
    mounts.bind(programs.runtime, target, read_only=True)
    return replace(programs, runtime=str(target))


class CrunRuntime:
    """Drives conmon and crun. `programs` is what `find_programs` found."""

    def __init__(self, folders: Folders, programs: conmon.Program, cgroups: Cgroups) -> None:
        self._folders = folders
        self._programs = programs
        self._cgroups = cgroups
        self._is_crun = Path(programs.runtime).name == "crun"
        self._names: dict[str, str] = {}
        self._parents: set[str] = set()
        self._in_service = cgroups.own_name() != "/"
        self._warmer = Warmer(cgroups.warm)

    def close(self) -> None:
        """End the runtime's own thread; containers go on."""
        self._warmer.close()

    @property
    def loads_bpf(self) -> bool:
        """Whether the runtime takes a compiled system call filter (crun's annotation)."""
        return self._is_crun

    def warm(self) -> None:
        """Say that a process will be started within some 20 ms: a part of the kernel's work then begins now."""
        self._warmer.warm()

    def create(self, launch: Launch) -> Created:
        """Start conmon and crun up to the point where the process waits for `start`."""
        self.warm()
        container_id, folder = launch.container_id, launch.bundle
        self._prepare_parent(container_id)
        exits.forget(self._folders.exits, container_id)
        log = f"k8s-file:{launch.log_path}" if launch.log_path else "none"
        options = conmon.stdio_options(tty=launch.tty, stdin=launch.stdin, stdin_once=launch.stdin_once)
        argv = self._programs.argv(container_id, folder, exit_dir=self._folders.exits, log=log, options=options)
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                monitor = command.launch(argv, fds={conmon.SYNC_FD: writer}, env=_environment())
            finally:
                os.close(writer)
            faults.point("start.after-monitor")
            answer = _answer(conmon.LineReader(reader), monitor)
        finally:
            os.close(reader)
        if answer.number is None or answer.number <= 0:
            _reap(monitor)
            words = answer.message or bundle.get(folder / conmon.WORDS)
            self._sweep(container_id)
            raise failures.create_failed(words, _first_argument(folder))
        faults.point("start.before-pid-file")
        bundle.put(folder / "conmon.pid", str(monitor).encode())
        self._set_apart(container_id, monitor)
        return Created(answer.number, monitor)

    def _set_apart(self, container_id: str, monitor: int) -> None:
        """Take a monitor out of the engine's service, so that stopping and accounting that one leaves it alone."""
        if self._in_service:
            self._cgroups.adopt(f"{self._cgroup(container_id).rpartition('/')[0]}/monitors", monitor)

    def start(self, container_id: str) -> None:
        """Let the created process exec."""
        if not self._is_crun:
            self._run("start", container_id)
            return
        fifo = f"{self._folders.state}/{container_id}/exec.fifo"
        try:
            fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise failures.create_failed(f"cannot start a container that has stopped: {error.strerror}") from error
        try:
            # In this order, as crun does: `crun state` takes the fifo's absence for "running".
            os.unlink(fifo)  # noqa: PTH108 - hot path
            os.write(fd, b"\0")
        finally:
            os.close(fd)

    def signal(self, container_id: str, pid: int, signal: int) -> bool:
        """Send a signal to the container's first process; False when it is gone."""
        if not self._owns(container_id, pid):
            return False
        sent = proc.send_signal(pid, signal)
        if sent and signal == signals.SIGKILL and self._cgroups.is_frozen(self._cgroup(container_id)):
            # v1: a frozen process dies only when it is thawed.
            self._cgroups.thaw(self._cgroup(container_id))
        return sent

    def pause(self, container_id: str) -> None:
        """Freeze the container's cgroup."""
        self._cgroups.freeze(self._existing_cgroup(container_id))

    def resume(self, container_id: str) -> None:
        """Thaw the container's cgroup."""
        self._cgroups.thaw(self._existing_cgroup(container_id))

    def delete(self, container_id: str) -> None:
        """Kill what is left, remove every trace."""
        self._sweep(container_id)
        self._await_monitor(container_id)
        bundle.remove(self._folders.bundles / container_id)
        exits.forget(self._folders.exits, container_id)
        self._names.pop(container_id, None)

    def _await_monitor(self, container_id: str) -> None:
        """Wait for the exit file that a monitor still writes: after its removal it would lie there for ever."""
        if os.path.exists(f"{self._folders.exits}/{container_id}"):  # noqa: PTH110 - hot path
            return
        monitor = bundle.get_pid(self._folders.bundles / container_id / "conmon.pid")
        if monitor > 0 and container_id in proc.argv(monitor):
            proc.wait_gone(monitor, _MONITOR_SECONDS)

    def _sweep(self, container_id: str) -> None:
        name = self._cgroup(container_id)
        if name:
            self.kill_all(container_id)
            deadline = time.monotonic() + _VANISH_SECONDS
            pause = 0.0005
            while not self._cgroups.remove(name):
                if time.monotonic() > deadline:
                    raise Internal(f"processes of {container_id[:12]} do not end: cgroup {name} is busy")
                self._cgroups.kill(name)
                time.sleep(pause)
                pause = min(pause * 2, 0.1)
        _remove_state(self._folders.state / container_id)

    def kill_all(self, container_id: str) -> bool:
        """SIGKILL every process in the container's cgroup; say whether there was one."""
        name = self._cgroup(container_id)
        return bool(name) and self._cgroups.kill(name)

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
        """Run a further process under a conmon of its own."""
        self.warm()
        folder = bundle.exec_folder(self._folders.bundles / container_id, exec_id)
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        bundle.put(folder / "process.json", json.dumps(process).encode())
        options = ["--exec", "--exec-process-spec", str(folder / "process.json")]
        options += conmon.stdio_options(tty=tty, stdin=stdin, stdin_once=True)
        options += ["--exec-attach"] if attach else []
        argv = self._programs.argv(container_id, folder, exit_dir=folder, log="none", options=options)
        with conmon.ExecPipes(attach=attach) as pipes:
            monitor = command.launch(argv, fds=pipes.child_fds, env={**_environment(), **pipes.environment})
            pipes.close_child_side()
            attachment = None
            try:
                attachment = pipes.shake_hands(folder, _console_size(process)) if attach else None
                answer = _answer(pipes.sync, monitor)
                if answer.number is None or answer.number < 0:
                    words = answer.message or bundle.get(folder / conmon.WORDS)
                    raise failures.exec_failed(words, str(process["args"][0]))
            except (RuntimeFailed, NotFound):
                if attachment is not None:
                    attachment.close()
                _reap(monitor)
                bundle.remove(folder)
                raise
        bundle.put(folder / "conmon.pid", str(monitor).encode())
        self._set_apart(container_id, monitor)
        return Executed(answer.number, monitor, attachment)

    def forget_exec(self, container_id: str, exec_id: str) -> None:
        """Remove the folder of an exec session that has ended."""
        bundle.remove(bundle.exec_folder(self._folders.bundles / container_id, exec_id))

    def kill_exec(self, container_id: str, exec_id: str) -> None:
        """SIGKILL the process of an exec session; none is fine."""
        folder = bundle.exec_folder(self._folders.bundles / container_id, exec_id)
        pid = bundle.get_pid(folder / "pid")
        if self._owns(container_id, pid):
            proc.send_signal(pid, signals.SIGKILL)

    def running_execs(self, container_id: str) -> dict[str, int]:
        """Return the exec sessions that left their files, with their monitors' pids."""
        folder = self._folders.bundles / container_id / "exec"
        found = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        return {name: bundle.get_pid(folder / name / "conmon.pid") for name in found}

    def exec_process(self, container_id: str, exec_id: str) -> tuple[int, dict[str, Any]]:
        """Return the pid of an exec session, and the process as it was asked for; 0 and {} for what is not told."""
        folder = bundle.exec_folder(self._folders.bundles / container_id, exec_id)
        try:
            asked: dict[str, Any] = json.loads(bundle.get(folder / "process.json") or "{}")
        except ValueError:
            asked = {}
        return bundle.get_pid(folder / "pid"), asked

    def attach(self, container_id: str, exec_id: str | None = None) -> Attachment:
        """Take hold of a running process's stdio."""
        return conmon.connect(self._folder(container_id, exec_id))

    def resize(self, container_id: str, exec_id: str | None, width: int, height: int) -> None:
        """Set the terminal's size in characters."""
        conmon.resize(self._folder(container_id, exec_id), width, height)

    def reopen_log(self, container_id: str) -> None:
        """Have conmon open the log path anew."""
        conmon.reopen_log(self._folder(container_id, None))

    def update(self, container_id: str, resources: Mapping[str, Any]) -> None:
        """Change the limits of a running container."""
        self._run("update", "--resources", "-", container_id, stdin=json.dumps(resources).encode())

    def probe(self, container_id: str) -> Truth:
        """Look at pid, monitor, exit file and exec.fifo."""
        folder = self._folders.bundles / container_id
        pid, monitor = bundle.get_pid(folder / "pid"), bundle.get_pid(folder / "conmon.pid")
        notice = exits.read(self._folders.exits, container_id, oom_killed=self.is_oom_killed(container_id))
        alive = notice is None and self._owns(container_id, pid)
        waits = (self._folders.state / container_id / "exec.fifo").exists()
        return Truth(alive, pid if alive else 0, monitor, notice, started=alive and not waits)

    def is_oom_killed(self, container_id: str) -> bool:
        """Say whether the kernel killed one of the container's processes for want of memory."""
        name = self._cgroup(container_id)
        if name and self._cgroups.oom_kills(name) > 0:
            return True
        return (self._folders.bundles / container_id / "oom").exists()

    def _prepare_parent(self, container_id: str) -> None:
        name = self._cgroup(container_id)
        parent = name.rpartition("/")[0]
        if parent and (parent not in self._parents or not self._cgroups.exists(parent)):
            self._cgroups.prepare_parent(name)
            self._parents.add(parent)

    def _folder(self, container_id: str, exec_id: str | None) -> Path:
        folder = self._folders.bundles / container_id
        return folder if exec_id is None else bundle.exec_folder(folder, exec_id)

    def _owns(self, container_id: str, pid: int) -> bool:
        """Say whether a pid is still a process of this container and not a stranger who inherited the number."""
        name = self._cgroup(container_id)
        return pid > 0 and bool(name) and name.encode() in proc.read(pid, "cgroup") and proc.is_alive(pid)

    def _cgroup(self, container_id: str) -> str:
        name = self._names.get(container_id)
        if not name:
            name = bundle.get(self._folders.bundles / container_id / "cgroup")
            if name:
                self._names[container_id] = name
        return name

    def _existing_cgroup(self, container_id: str) -> str:
        name = self._cgroup(container_id)
        if not name or not self._cgroups.exists(name):
            raise NotFound(f"container {container_id[:12]} has no processes")
        return name

    def _run(self, *arguments: str, stdin: bytes | None = None) -> None:
        argv = [self._programs.runtime, "--root", str(self._programs.state), *arguments]
        try:
            command.run(argv, input=stdin, timeout=_CREATE_SECONDS)
        except command.CommandError as error:
            raise RuntimeFailed(
                f"OCI runtime {arguments[0]} failed: {failures.clean(error.stderr)}: unknown"
            ) from error


def _console_size(process: Mapping[str, Any]) -> tuple[int, int]:
    # crun reads it for a container's process and not for an exec's.
    size = process.get("consoleSize") or {}
    return int(size.get("width", 0)), int(size.get("height", 0))


def _environment() -> dict[str, str]:
    return {**command.ENVIRONMENT, "_OCI_SYNCPIPE": str(conmon.SYNC_FD)}


def _answer(lines: conmon.LineReader, monitor: int) -> conmon.Answer:
    try:
        return lines.read(_CREATE_SECONDS)
    except TimeoutError as error:
        proc.send_signal(monitor, signals.SIGKILL)
        _reap(monitor)
        raise Internal(f"conmon (pid {monitor}): {error}") from error


def _reap(monitor: int) -> None:
    try:
        os.waitpid(monitor, 0)
    except ChildProcessError:
        return


def _first_argument(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text())["process"]["args"][0])
    except (OSError, ValueError, LookupError):
        return ""


def _remove_state(folder: Path) -> None:
    try:
        for entry in os.listdir(folder):
            os.unlink(folder / entry)  # noqa: PTH108 - hot path
        os.rmdir(folder)  # noqa: PTH106 - hot path
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.ENOTEMPTY):
            raise
        shutil.rmtree(folder, ignore_errors=True)
