"""Control groups, v1, hybrid and v2 behind one face: `/berth/<instance>/<namespace>/<container>`.

A cgroup is named by its path from the hierarchies' root, with a leading slash: what the OCI runtime takes as
`cgroupsPath`. On v1 the same name exists once in each hierarchy. No child process; a cgroup that is gone reads as
empty. Kernel: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.errors import Internal
from engine.kernel import proc

ROOT = Path("/sys/fs/cgroup")
_V2_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
_SETTLE_SECONDS = 5.0
_THAW_EVERY = 4
_UNLIMITED = 1 << 62
"""v1 shows no limit as the largest multiple of the page size."""


class Mode(Enum):
    """Which hierarchies hold the controllers. HYBRID is v1 with an empty v2 tree beside it."""

    V1 = "v1"
    HYBRID = "hybrid"
    V2 = "v2"


@dataclass(frozen=True, slots=True)
class Features:
    """Which limits the machine can enforce: what Docker's info calls MemoryLimit, SwapLimit, CpuCfsQuota …"""

    memory: bool
    swap: bool
    swappiness: bool
    oom_kill_disable: bool
    cpu_shares: bool
    cpu_quota: bool
    cpuset: bool
    pids: bool
    block_weight: bool


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The machine's hierarchies. `hierarchies` maps controller to mount point; on v2 all of them to one."""

    mode: Mode
    hierarchies: Mapping[str, Path]

    @property
    def is_v2(self) -> bool:
        """Whether the controllers are in the unified tree."""
        return self.mode is Mode.V2

    @property
    def version(self) -> str:
        """Docker's word for it: "1" or "2"."""
        return "2" if self.is_v2 else "1"

    def roots(self) -> list[Path]:
        """Return each hierarchy's mount point once."""
        return list(dict.fromkeys(self.hierarchies.values()))

    def path(self, name: str, controller: str) -> Path:
        """Return the folder of cgroup `name` in the hierarchy of `controller`."""
        root = self.hierarchies.get(controller)
        if root is None:
            raise Internal(f"this machine has no cgroup controller {controller!r}")
        return Path(f"{root}{name}")

    def read(self, name: str, controller: str, file: str) -> str:
        """Return a file of a cgroup (`memory.usage_in_bytes`, `cpu.stat`), "" where there is none."""
        root = self.hierarchies.get(controller)
        if root is None:
            return ""
        try:
            fd = os.open(f"{root}{name}/{file}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            chunks = []
            while chunk := os.read(fd, 65536):
                chunks.append(chunk)
            return b"".join(chunks).decode()
        except OSError:
            return ""
        finally:
            os.close(fd)

    def exists(self, name: str) -> bool:
        """Say whether the cgroup is there in some hierarchy."""
        return any(os.path.isdir(f"{root}{name}") for root in self.roots())  # noqa: PTH112 - hot path

    def create(self, name: str) -> None:
        """Make a cgroup and its parents in every hierarchy; it may be there already."""
        for root in self.roots():
            Path(f"{root}{name}").mkdir(parents=True, exist_ok=True)
        if self.is_v2:
            self._delegate(name)

    def _delegate(self, name: str) -> None:
        root = self.roots()[0]
        for parent in reversed(Path(name).parents):
            folder = Path(f"{root}{parent}")
            offered = (folder / "cgroup.controllers").read_text().split()
            wanted = " ".join(f"+{word}" for word in _V2_CONTROLLERS if word in offered)
            if wanted:
                (folder / "cgroup.subtree_control").write_text(wanted)

    def prepare_parent(self, name: str) -> None:
        """Make the parent of a cgroup, and have its children take over its cpuset as they are made (v1).

        An OCI runtime else copies the cpuset by hand, with a wait for the kernel's migration queue.
        """
        parent = str(Path(name).parent)
        if self.is_v2:
            Path(f"{self.roots()[0]}{parent}").mkdir(parents=True, exist_ok=True)
            return
        root = self.hierarchies.get("cpuset")
        if root is None:
            return
        for folder in [*reversed(Path(parent).parents), Path(parent)]:
            path = Path(f"{root}{folder}")
            path.mkdir(exist_ok=True)
            _write(f"{path}/cgroup.clone_children", "1")
            for file in ("cpuset.cpus", "cpuset.mems"):
                if not (path / file).read_text().strip():
                    (path / file).write_text((path.parent / file).read_text())

    def warm(self) -> None:
        """Move this process to where it is: the next move of a process, by anyone, need not wait for the kernel.

        The first move after 20 ms of rest waits for an RCU grace period (10 ms, rcu_sync of the threadgroup lock);
        who knows that a container is about to start can have that wait begin earlier. Blocks as long; no lock held.
        """
        own = self.own_name()
        _write(f"{self._tracking_root()}{own.rstrip('/')}/cgroup.procs", str(os.getpid()))

    def _tracking_root(self) -> Path:
        return self.hierarchies.get("name=systemd") or self.roots()[0]

    def own_name(self) -> str:
        """Return this process's cgroup in the process-tracking hierarchy: a service's, or `/`."""
        found = proc.cgroup_of(os.getpid())
        if self.is_v2:
            return found.get("", "/")
        root = self._tracking_root()
        return next((found[word] for word, path in self.hierarchies.items() if path == root and word in found), "/")

    def pids(self, name: str) -> list[int]:
        """Return the processes of a cgroup and of the ones below it."""
        for root in self._process_roots():
            found: list[int] = []
            for folder, _, files in os.walk(f"{root}{name}"):
                if "cgroup.procs" in files:
                    found += _read_pids(f"{folder}/cgroup.procs")
            if found:
                return found
        return []

    def _process_roots(self) -> list[Path]:
        # A process may have been moved in one v1 hierarchy by hand: ask a second one before saying "none".
        return [self.hierarchies[word] for word in ("pids", "memory") if word in self.hierarchies] or self.roots()[:1]

    def kill(self, name: str) -> bool:
        """SIGKILL every process of a cgroup; return whether there was one. Frozen ones are thawed to die."""
        if self.is_v2:
            had = bool(self.pids(name))
            _write(f"{self.roots()[0]}{name}/cgroup.kill", "1")
            return had
        found = self.pids(name)
        for pid in found:
            proc.send_signal(pid, signal.SIGKILL)
        if found and "FROZEN" in self.read(name, "freezer", "freezer.state"):
            self.thaw(name)
        return bool(found)

    def remove(self, name: str) -> bool:
        """Remove a cgroup with what is below it; False where processes keep it. Gone already counts as removed."""
        removed = [_remove_tree(f"{root}{name}") for root in self.roots()]
        return all(removed)

    def freeze(self, name: str) -> None:
        """Stop every process of a cgroup and wait until the kernel says so. Raises Internal after 5 s."""
        self._set_frozen(name, frozen=True)

    def thaw(self, name: str) -> None:
        """Let a frozen cgroup go on."""
        self._set_frozen(name, frozen=False)

    def _set_frozen(self, name: str, *, frozen: bool) -> None:
        if self.is_v2:
            file, text = "cgroup.freeze", "1" if frozen else "0"
        else:
            file, text = "freezer.state", "FROZEN" if frozen else "THAWED"
        path = self.path(name, "freezer") / file
        deadline = time.monotonic() + _SETTLE_SECONDS
        pause, rounds = 0.0005, 0
        path.write_text(text)
        while self.is_frozen(name) is not frozen:
            if time.monotonic() > deadline:
                path.write_text("0" if self.is_v2 else "THAWED")
                raise Internal(f"cgroup {name} did not become {text.lower()} within {_SETTLE_SECONDS:g} s")
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
            rounds += 1
            if not self.is_v2:
                # v1 may stay FREEZING where one process waits in the kernel for another that is frozen already (vfork,
                # exec of a process with threads): let them pass, and ask again.
                if frozen and rounds % _THAW_EVERY == 0:
                    path.write_text("THAWED")
                    time.sleep(0.002)
                path.write_text(text)

    def is_frozen(self, name: str) -> bool:
        """Say whether every process of the cgroup is stopped."""
        if self.is_v2:
            return "frozen 1" in self.read(name, "freezer", "cgroup.events")
        return self.read(name, "freezer", "freezer.state").strip() == "FROZEN"

    def oom_kills(self, name: str) -> int:
        """Return how many processes the kernel killed for want of memory."""
        file = "memory.events" if self.is_v2 else "memory.oom_control"
        for line in self.read(name, "memory", file).splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
        return 0

    def features(self) -> Features:
        """Return which limits can be set here."""
        has = self.hierarchies.__contains__
        if self.is_v2:
            swap = (self.roots()[0] / "cgroup.controllers").exists() and Path("/proc/swaps").exists()
            io, cpu = has("io"), has("cpu")
            return Features(has("memory"), swap, False, False, cpu, cpu, has("cpuset"), has("pids"), io)
        memory = self.hierarchies.get("memory", Path("/nowhere"))
        cpu_root = self.hierarchies.get("cpu", Path("/nowhere"))
        block = self.hierarchies.get("blkio", Path("/nowhere"))
        return Features(
            memory=has("memory"),
            swap=(memory / "memory.memsw.limit_in_bytes").exists(),
            swappiness=(memory / "memory.swappiness").exists(),
            oom_kill_disable=has("memory"),
            cpu_shares=(cpu_root / "cpu.shares").exists(),
            cpu_quota=(cpu_root / "cpu.cfs_quota_us").exists(),
            cpuset=has("cpuset"),
            pids=has("pids"),
            block_weight=any((block / name).exists() for name in ("blkio.weight", "blkio.bfq.weight")),
        )

    def memory_bounds(self, name: str) -> tuple[int, int]:
        """Return (limit, peak) of a cgroup's memory in bytes; 0 for what is not limited or not told."""
        files = ("memory.max", "memory.peak") if self.is_v2 else ("memory.limit_in_bytes", "memory.max_usage_in_bytes")
        texts = [self.read(name, "memory", file).strip() for file in files]
        limit, peak = (int(text) if text.isdigit() else 0 for text in texts)
        return (limit if limit < _UNLIMITED else 0), peak

    def adopt(self, name: str, pid: int) -> None:
        """Move a process into a cgroup of the process-tracking hierarchy (systemd's on v1), made if need be."""
        folder = Path(f"{self._tracking_root()}{name}")
        folder.mkdir(parents=True, exist_ok=True)
        _write(f"{folder}/cgroup.procs", str(pid))


def detect(root: Path = ROOT) -> Cgroups:
    """Look at the machine's hierarchies. Raises Internal where there are none."""
    if (root / "cgroup.controllers").exists():
        words = (root / "cgroup.controllers").read_text().split()
        return Cgroups(Mode.V2, dict.fromkeys([*words, "freezer", "devices"], root))
    hierarchies: dict[str, Path] = {}
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.is_symlink() or not (folder / "cgroup.procs").exists() or folder.name == "unified":
            continue
        for word in folder.name.split(","):
            hierarchies["name=systemd" if word == "systemd" else word] = folder
    if not hierarchies:
        raise Internal(f"no cgroup hierarchies under {root}: mount them (systemd does, cgroupfs-mount does)")
    hybrid = (root / "unified" / "cgroup.procs").exists()
    return Cgroups(Mode.HYBRID if hybrid else Mode.V1, hierarchies)


def container_cgroup(instance: str, namespace: str, container_id: str) -> str:
    """Return the name of a container's cgroup."""
    return f"/berth/{instance}/{namespace}/{container_id}"


def namespace_cgroup(instance: str, namespace: str) -> str:
    """Return the name of the cgroup that holds a namespace's containers and its hard limits."""
    return f"/berth/{instance}/{namespace}"


def _read_pids(path: str) -> list[int]:
    try:
        with open(path, encoding="ascii") as stream:  # noqa: PTH123 - hot path
            return [int(line) for line in stream]
    except OSError:
        return []


def _write(path: str, text: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, text.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _remove_tree(path: str) -> bool:
    try:
        os.rmdir(path)  # noqa: PTH106 - hot path
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise
    else:
        return True
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)  # noqa: PTH106 - hot path
        except OSError as error:
            if error.errno == errno.EBUSY:
                return False
    return not os.path.isdir(path)  # noqa: PTH112
