"""What `info` and `version` tell: facts of the machine, read once, and the programs that the engine drives."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from engine.kernel import cgroups as cgroups_module
from engine.kernel import command
from engine.services import machine

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program that the engine drives, with its version and commit ("" where it doesn't tell)."""

    name: str
    version: str
    commit: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Which limits the kernel can enforce."""

    memory: bool
    swap: bool
    oom_kill_disable: bool
    cpu_shares: bool
    cpu_quota: bool
    cpuset: bool
    pids: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine and this engine."""

    id: str
    host_name: str
    kernel_version: str
    operating_system: str
    os_version: str
    machine: str
    """As uname has it; `architecture` is Go's name for it."""
    architecture: str
    cpus: int
    memory_bytes: int
    cgroup_version: str
    limits: Limits
    data_root: str
    programs: tuple[Program, ...]
    python_version: str
    address_pool: str
    insecure_registries: tuple[str, ...]
    registry_mirrors: tuple[str, ...]


class System:
    """Facts that do not change while the engine runs, and those that do."""

    def __init__(
        self,
        settings: Settings,
        instance: str,
        cgroups: cgroups_module.Cgroups,
        network_warnings: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._settings = settings
        self._instance = instance
        self._cgroups = cgroups
        self._network_warnings = network_warnings
        self._lock = threading.Lock()
        self._facts: Facts | None = None

    def facts(self) -> Facts:
        """Return the facts; the first call asks the programs for their versions."""
        with self._lock:
            if self._facts is None:
                self._facts = self._gather()
            return self._facts

    def machine(self) -> machine.Machine:
        """Return load, memory and disk as they are now."""
        return machine.read_machine(self._settings.data_root)

    def forwards_ipv4(self) -> bool:
        """Say whether the kernel forwards IPv4 packets at the moment."""
        return _text(_FORWARDING).strip() == "1"

    def warnings(self) -> tuple[str, ...]:
        """Return what a user should know about this machine, in Docker's words."""
        limits = self.facts().limits
        found = []
        if not limits.memory:
            found.append("WARNING: No memory limit support")
        if not limits.swap:
            found.append("WARNING: No swap limit support")
        if not limits.oom_kill_disable and self.facts().cgroup_version == "1":
            found.append("WARNING: No oom kill disable support")
        for name, there in (("cfs quota", limits.cpu_quota), ("shares", limits.cpu_shares), ("set", limits.cpuset)):
            if not there:
                found.append(f"WARNING: No cpu {name} support")
        if not limits.pids:
            found.append("WARNING: No pids limit support")
        if not self.forwards_ipv4():
            found.append("WARNING: IPv4 forwarding is disabled")
        return (*found, *self._network_warnings())

    def _gather(self) -> Facts:
        uname = os.uname()
        release = _os_release()
        return Facts(
            id=self._instance,
            host_name=uname.nodename,
            kernel_version=uname.release,
            operating_system=release.get("PRETTY_NAME", "Linux"),
            os_version=release.get("VERSION_ID", ""),
            machine=uname.machine,
            architecture=_GO_NAMES.get(uname.machine, uname.machine),
            cpus=len(os.sched_getaffinity(0)),
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            cgroup_version=self._cgroups.version,
            limits=self._limits(),
            data_root=str(self._settings.data_root),
            programs=tuple(_program(name) for name in ("conmon", "crun")),
            python_version=platform.python_version(),
            address_pool=self._settings.bridge_pool,
            insecure_registries=self._settings.insecure_registries,
            registry_mirrors=self._settings.registry_mirrors,
        )

    def _limits(self) -> Limits:
        found = self._cgroups.hierarchies
        if self._cgroups.is_v2:
            has = {name: name in found for name in ("memory", "cpu", "cpuset", "pids")}
            return Limits(has["memory"], has["memory"], False, has["cpu"], has["cpu"], has["cpuset"], has["pids"])

        def there(controller: str, file: str) -> bool:
            root = found.get(controller)
            return root is not None and (root / file).exists()

        return Limits(
            memory="memory" in found,
            swap=there("memory", "memory.memsw.limit_in_bytes"),
            oom_kill_disable=there("memory", "memory.oom_control"),
            cpu_shares=there("cpu", "cpu.shares"),
            cpu_quota=there("cpu", "cpu.cfs_quota_us"),
            cpuset="cpuset" in found,
            pids="pids" in found,
        )


def _program(name: str) -> Program:
    try:
        lines = command.run([name, "--version"], timeout=10).text.splitlines()
    except command.CommandError:
        return Program(name, "not found", "")
    version = next((line.rpartition(" ")[2] for line in lines if " version " in line), "")
    commit = next((line.partition(":")[2].strip() for line in lines if line.startswith("commit:")), "")
    return Program(name, version, commit)


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
