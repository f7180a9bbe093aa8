"""A runtime on this machine with folders of its own, and shortcuts to start things."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.ids import new_id
from engine.kernel import cgroups, ns_exec, syscalls
from engine.kernel.syscalls import MountFlag, Namespace
from engine.runtime import bundle, crun
from engine.runtime.base import Created, ExitNotice, Launch
from engine.runtime.crun import CrunRuntime, Folders
from engine.runtime.watcher import ConmonWatcher
from tests.fakes import busybox


class Bench:
    """The runtime under test with its watcher, and shortcuts to start things."""

    def __init__(self, root: Path, rootfs: Path) -> None:
        self.root, self.rootfs = root, rootfs
        self.folders = Folders(root / "bundles", root / "exits", root / "crun")
        for folder in (self.folders.bundles, self.folders.exits, self.folders.state):
            folder.mkdir(exist_ok=True)
        self.cgroups = cgroups.detect()
        self.programs = crun.find_programs(self.folders.state)
        self.runtime = CrunRuntime(self.folders, self.programs, self.cgroups)
        self.notices: queue.Queue[ExitNotice] = queue.Queue()
        self.watcher = ConmonWatcher(self.folders.exits, self.folders.bundles, self.runtime)
        self.watcher.start(self.notices.put)
        self.ids = [folder.name for folder in self.folders.bundles.iterdir()]
        self.monitors: list[int] = []

    def launch(self, argv: Sequence[str], *, tty: bool = False, stdin: bool = False, once: bool = False) -> Launch:
        """Write a bundle."""
        container_id = new_id()
        self.ids.append(container_id)
        folder = self.folders.bundles / container_id
        cgroup = cgroups.container_cgroup("h1contract", "default", container_id)
        bundle.write(folder, busybox.make_spec(self.rootfs, cgroup, argv, tty=tty))
        return Launch(container_id, folder, self.root / f"{container_id}.log", tty, stdin, once)

    def create(self, argv: Sequence[str], **options: bool) -> tuple[str, Created]:
        """Create a container and watch it."""
        launch = self.launch(argv, **options)
        created = self.runtime.create(launch)
        self.monitors.append(created.conmon_pid)
        self.watcher.watch(launch.container_id, created.conmon_pid)
        return launch.container_id, created

    def run(self, argv: Sequence[str], **options: bool) -> tuple[str, Created]:
        """Create and start."""
        container_id, created = self.create(argv, **options)
        self.runtime.start(container_id)
        return container_id, created

    def notice(self, seconds: float = 5) -> ExitNotice:
        """Wait for the next exit."""
        return self.notices.get(timeout=seconds)

    def log(self, container_id: str) -> list[str]:
        """Return the texts of the log's lines."""
        text = (self.root / f"{container_id}.log").read_text()
        return [line.split(" ", 3)[3] for line in text.splitlines()]

    def close(self) -> None:
        """Take everything away."""
        for container_id in self.ids:
            self.runtime.delete(container_id)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in self.monitors))
        until(lambda: not own_monitors())  # those of execs: the watcher must be there to reap them
        self.watcher.close()
        self.runtime.close()
        self.cgroups.remove("/berth/h1contract")


def own_monitors() -> list[int]:
    """Return the children of this process that are conmon, those that wait to be reaped included."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            children = (task / "children").read_text().split()
            found += [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text() == "conmon\n"]
        except FileNotFoundError:
            continue  # ended meanwhile
    return found


def until(condition: Callable[[], object], seconds: float = 5) -> None:
    """Wait until a call returns something true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@contextmanager
def private_mounts() -> Iterator[None]:
    """Put this thread into a mount namespace of its own (crun refuses hybrid cgroups elsewhere), and back."""
    host = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    where = Path.cwd()
    syscalls.unshare(Namespace.MOUNT)
    syscalls.mount("none", "/", flags=MountFlag.REC | MountFlag.SLAVE)
    ns_exec.hide_unified_cgroup()
    os.chdir(where)
    try:
        yield
    finally:
        syscalls.unshare(Namespace.FILESYSTEM)
        syscalls.setns(host, Namespace.MOUNT)
        os.chdir(where)
        os.close(host)
