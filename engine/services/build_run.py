"""RUN: a step's process in a container of its own, with everything a container has here: cgroup, limits, network.

The container has no record: nobody but its build knows it, and after a crash it is swept as any container without one.
"""

from __future__ import annotations

import codecs
import os
import posixpath
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from engine.build import config as configs
from engine.clock import now_ns
from engine.containers.model import Config as ContainerConfig
from engine.containers.model import Container, HostConfig, LogConfig, MountPoint
from engine.errors import BerthError, Internal, InvalidArgument
from engine.kernel import syscalls
from engine.runtime.base import Attachment, ExitNotice, ExitWatcher, Runtime
from engine.services.attach import AttachPoints
from engine.services.launch import Launcher
from engine.services.networks import Joined, Networks
from engine.storage.changes import MOUNT_POINTS
from engine.storage.paths import Paths
from engine.storage.snapshots.base import Snapshotter
from engine.values import ImageConfig, Scope

Output = Callable[[int, str], None]
"""Takes (1 stdout or 2 stderr, text)."""
_SETTLE_SECONDS = 30.0


class StepFailed(BerthError):
    """A step's process ended with another exit code than 0."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Canceled(BerthError):
    """The build was canceled."""


@dataclass(frozen=True, slots=True)
class Process:
    """What a RUN step starts. `env` are the variables it sees, `host` limits, network mode and the like."""

    argv: tuple[str, ...]
    env: tuple[str, ...]
    config: ImageConfig
    host: HostConfig
    mounts: tuple[MountPoint, ...] = ()


class StopFlag(Protocol):
    """A build's end that somebody asked for: `on_stop` calls back at once when it was asked for already."""

    def is_set(self) -> bool: ...
    def on_stop(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call `callback` at the end that is asked for; return what undoes that."""


class StepRuntime(Runtime, Protocol):
    """The runtime, and its way to end a container's processes at once."""

    def kill_all(self, container_id: str) -> bool: ...


class StepRunner:
    """Runs the processes of steps."""

    def __init__(
        self,
        *,
        paths: Paths,
        runtime: StepRuntime,
        watcher: ExitWatcher,
        snapshots: Snapshotter,
        networks: Networks,
        build_spec: Callable[[Container, Path, Joined], dict[str, Any]],
        private_cgroups: bool,
    ) -> None:
        self._paths = paths
        self._runtime = runtime
        self._watcher = watcher
        self._snapshots = snapshots
        self._networks = networks
        self._build_spec = build_spec
        self._private_cgroups = private_cgroups

    def run(
        self, scope: Scope, key: str, chain: Sequence[str], process: Process, output: Output, stop: StopFlag
    ) -> None:
        """Run a process in the root `key` (made by the caller) to its end; StepFailed for a failure, Canceled.

        Nothing of it is left afterwards but what it wrote.
        """
        container = self._container(scope, key, chain, process)
        streams, end = _Streams(), _End(self._watcher)
        launcher = Launcher(
            paths=self._paths,
            runtime=self._runtime,
            watcher=cast(ExitWatcher, end),
            snapshots=self._snapshots,
            networks=self._networks,
            attach_points=cast(AttachPoints, streams),
            build_spec=self._build_spec,
        )
        with self._cleared(launcher, container), ExitStack() as undo:
            launcher.launch(container, undo)
            undo.pop_all()
            forget = stop.on_stop(partial(self._runtime.kill_all, container.id))
            try:
                streams.pump(output)
                notice = end.wait()
            finally:
                forget()
        if stop.is_set():
            raise Canceled("build canceled")
        if notice.exit_code:
            words = " ".join(process.argv)
            killed = " (it was killed for want of memory)" if notice.oom_killed else ""
            code = notice.exit_code
            raise StepFailed(f"The command '{words}' returned a non-zero code: {code}{killed}", code)

    def _cleared(self, launcher: Launcher, container: Container) -> ExitStack:
        stack = ExitStack()
        stack.callback(_remove_files, self._paths.container(container.id))
        stack.callback(launcher.clear, container)
        return stack

    def _container(self, scope: Scope, key: str, chain: Sequence[str], process: Process) -> Container:
        mode = process.host.network_mode
        host = replace(
            process.host,
            network_mode="bridge" if mode in ("", "default") else mode,
            ipc_mode="private",
            cgroupns_mode="private" if self._private_cgroups else "host",
            log_config=LogConfig("none"),
        )
        config = ContainerConfig(
            hostname=key[:12],
            user=process.config.user,
            env=process.env,
            cmd=process.argv,
            working_dir=process.config.working_dir,
        )
        return Container(
            id=key,
            namespace=scope.home,
            name=f"build-{key[:12]}",
            created_ns=now_ns(),
            image_id="",
            chain=tuple(chain),
            config=config,
            host_config=host,
            networks=self._networks.plan(scope, host, ()),
            mounts=process.mounts,
            created_by=scope.actor,
        )


class _Streams:
    """Joined to the process before it runs, as a launcher wants it."""

    def __init__(self) -> None:
        self._attachment: Attachment | None = None

    def open(self, container_id: str, attach: Callable[[], Attachment]) -> None:
        self._attachment = attach()

    def pump(self, output: Output) -> None:
        """Hand over everything the process writes, until it ends."""
        if self._attachment is None:
            raise Internal("a step's process has no streams")
        utf8 = codecs.getincrementaldecoder("utf-8")
        decoders = {1: utf8("replace"), 2: utf8("replace")}
        try:
            while (packet := self._attachment.recv()) is not None:
                stream, data = packet
                if text := decoders[stream].decode(data):
                    output(stream, text)
            for stream, decoder in decoders.items():
                if text := decoder.decode(b"", final=True):
                    output(stream, text)
        finally:
            self._attachment.close()


class _End:
    """Watches for one container's end, in the watcher's stead."""

    def __init__(self, watcher: ExitWatcher) -> None:
        self._watcher = watcher
        self._ended = threading.Event()
        self._notice: ExitNotice | None = None

    def watch(self, container_id: str, conmon_pid: int) -> None:
        self._watcher.watch(container_id, conmon_pid, self._on_exit)

    def wait(self) -> ExitNotice:
        if not self._ended.wait(_SETTLE_SECONDS) or self._notice is None:
            raise Internal("the end of a step's process was not seen")
        return self._notice

    def _on_exit(self, notice: ExitNotice) -> None:
        self._notice = notice
        self._ended.set()


def missing_targets(root: Path, targets: Sequence[str]) -> list[str]:
    """Return the paths (outermost first) that the runtime will make in a root to mount `targets` on."""
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    found: list[str] = []
    try:
        for target in targets:
            path = ""
            for part in target.strip("/").split("/"):
                path += f"/{part}"
                try:
                    os.close(syscalls.openat2(fd, path, os.O_PATH))
                except OSError:
                    found.append(path)
    finally:
        os.close(fd)
    return list(dict.fromkeys(found))


def drop_stubs(upper: Path, made: Sequence[str], etc: os.stat_result | None) -> None:
    """Take out of what a step wrote what the runtime made to mount on, where it is empty still.

    `etc`: what /etc was before, None where there was none: with nothing but such files made in it it has not changed.
    """
    fd = os.open(upper, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in [*reversed(made), *MOUNT_POINTS]:
            _remove_empty(fd, path)
        if _is_untouched(upper / "etc", etc):
            _remove_empty(fd, "/etc")
    finally:
        os.close(fd)


def _remove_empty(root_fd: int, path: str) -> None:
    above, _, name = path.rpartition("/")
    try:
        parent = syscalls.openat2(
            root_fd, above.lstrip("/") or ".", os.O_PATH | os.O_DIRECTORY,
            resolve=syscalls.Resolve.BENEATH | syscalls.Resolve.NO_SYMLINKS,
        )  # fmt: skip
    except OSError:
        return
    try:
        info = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(info.st_mode):
            os.rmdir(name, dir_fd=parent)
        elif stat.S_ISREG(info.st_mode) and not info.st_size:
            os.unlink(name, dir_fd=parent)
    except OSError:
        return
    finally:
        os.close(parent)


def _is_untouched(folder: Path, before: os.stat_result | None) -> bool:
    try:
        now = folder.lstat()
        if "trusted.overlay.opaque" in os.listxattr(folder, follow_symlinks=False):
            return False
    except OSError:
        return False
    was = (before.st_mode, before.st_uid, before.st_gid) if before else (stat.S_IFDIR | 0o755, 0, 0)
    return (now.st_mode, now.st_uid, now.st_gid) == was


def _remove_files(folder: Path) -> None:
    for name in ("hostname", "hosts", "resolv.conf"):
        (folder / name).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:
        return


def working_dir_of(config: ImageConfig, path: str) -> str:
    """Return a path relative to a stage's working folder as an absolute one."""
    if not path:
        raise InvalidArgument("a path is required")
    return posixpath.normpath(posixpath.join("/", config.working_dir or "/", path))


def environment(config: ImageConfig, args: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a step's process sees: the image's environment, and arguments that it does not set."""
    own = configs.variables(config)
    return (*config.env, *(f"{name}={value}" for name, value in sorted(args.items()) if name not in own))
