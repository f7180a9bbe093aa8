"""What a container uses, read from its cgroup and its network namespace: no child process, some 0.2 ms.

v1 and v2 give the same `Sample`. Times are nanoseconds, sizes bytes, counters since the container's start. What the
machine has no controller for is empty or 0.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.clock import now_ns
from engine.kernel import proc
from engine.kernel.cgroups import Cgroups

_TICK_NS = 1_000_000_000 // proc.CLOCK_TICKS
_UNLIMITED = 1 << 62
"""Limits above this mean none (v1 writes the largest multiple of the page size)."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor time of the container, and of the whole machine (`system`) at the same moment."""

    total: int = 0
    user: int = 0
    kernel: int = 0
    per_cpu: tuple[int, ...] = ()
    system: int = 0
    online: int = 0
    periods: int = 0
    throttled_periods: int = 0
    throttled_ns: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """`limit` is the machine's memory where the container has none; `details` is memory.stat."""

    usage: int = 0
    max_usage: int = 0
    limit: int = 0
    failures: int = 0
    details: Mapping[str, int] = field(default_factory=dict)

    @property
    def working_set(self) -> int:
        """Return what can't be taken back at once: without the inactive file cache, as `docker stats` shows it."""
        inactive = self.details.get("total_inactive_file", self.details.get("inactive_file", 0))
        return self.usage - inactive if inactive < self.usage else self.usage


@dataclass(frozen=True, slots=True)
class DiskEntry:
    """One counter of one device: `operation` is the kernel's word."""

    major: int
    minor: int
    operation: str
    value: int


@dataclass(frozen=True, slots=True)
class Interface:
    """The counters of a network interface."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything about one moment of a running container."""

    read_ns: int
    cpu: Cpu
    memory: Memory
    pids: int = 0
    pids_limit: int = 0
    """0: none."""
    disk_bytes: tuple[DiskEntry, ...] = ()
    disk_operations: tuple[DiskEntry, ...] = ()
    interfaces: Mapping[str, Interface] = field(default_factory=dict)


def read_sample(cgroups: Cgroups, name: str, pid: int, *, own_network: bool) -> Sample:
    """Return what the container with cgroup `name` and first process `pid` uses; zeros where it is gone.

    Interfaces are read if the container has a network namespace of its own (or of another container).
    """
    read = _read_v2 if cgroups.is_v2 else _read_v1
    cpu, memory, disk_bytes, disk_operations = read(cgroups, name)
    limit = cgroups.read(name, "pids", "pids.max").strip()
    return Sample(
        read_ns=now_ns(),
        cpu=cpu,
        memory=memory,
        pids=_number(cgroups.read(name, "pids", "pids.current")),
        pids_limit=int(limit) if limit.isdigit() else 0,
        disk_bytes=disk_bytes,
        disk_operations=disk_operations,
        interfaces=read_interfaces(pid) if own_network else {},
    )


_Parts = tuple[Cpu, Memory, tuple[DiskEntry, ...], tuple[DiskEntry, ...]]


def _read_v1(cgroups: Cgroups, name: str) -> _Parts:
    system, online = read_machine_cpu()
    throttling = parse_pairs(cgroups.read(name, "cpu", "cpu.stat"))
    cpu = Cpu(
        total=_number(cgroups.read(name, "cpuacct", "cpuacct.usage")),
        user=_number(cgroups.read(name, "cpuacct", "cpuacct.usage_user")),
        kernel=_number(cgroups.read(name, "cpuacct", "cpuacct.usage_sys")),
        per_cpu=tuple(map(int, cgroups.read(name, "cpuacct", "cpuacct.usage_percpu").split())),
        system=system,
        online=online,
        periods=throttling.get("nr_periods", 0),
        throttled_periods=throttling.get("nr_throttled", 0),
        throttled_ns=throttling.get("throttled_time", 0),
    )
    memory = Memory(
        usage=_number(cgroups.read(name, "memory", "memory.usage_in_bytes")),
        max_usage=_number(cgroups.read(name, "memory", "memory.max_usage_in_bytes")),
        limit=_limit(cgroups.read(name, "memory", "memory.limit_in_bytes")),
        failures=_number(cgroups.read(name, "memory", "memory.failcnt")),
        details=parse_pairs(cgroups.read(name, "memory", "memory.stat")),
    )
    moved = parse_blkio(cgroups.read(name, "blkio", "blkio.throttle.io_service_bytes_recursive"))
    served = parse_blkio(cgroups.read(name, "blkio", "blkio.throttle.io_serviced_recursive"))
    return cpu, memory, moved, served


def _read_v2(cgroups: Cgroups, name: str) -> _Parts:
    system, online = read_machine_cpu()
    stat = parse_pairs(cgroups.read(name, "cpu", "cpu.stat"))
    cpu = Cpu(
        total=stat.get("usage_usec", 0) * 1000,
        user=stat.get("user_usec", 0) * 1000,
        kernel=stat.get("system_usec", 0) * 1000,
        system=system,
        online=online,
        periods=stat.get("nr_periods", 0),
        throttled_periods=stat.get("nr_throttled", 0),
        throttled_ns=stat.get("throttled_usec", 0) * 1000,
    )
    memory = Memory(
        usage=_number(cgroups.read(name, "memory", "memory.current")),
        max_usage=_number(cgroups.read(name, "memory", "memory.peak")),
        limit=_limit(cgroups.read(name, "memory", "memory.max")),
        failures=parse_pairs(cgroups.read(name, "memory", "memory.events")).get("oom", 0),
        details=parse_pairs(cgroups.read(name, "memory", "memory.stat")),
    )
    moved, served = parse_io_stat(cgroups.read(name, "io", "io.stat"))
    return cpu, memory, moved, served


def parse_pairs(text: str) -> dict[str, int]:
    """Return `name number` lines as a dictionary."""
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=False))


def parse_blkio(text: str) -> tuple[DiskEntry, ...]:
    """Return the entries of a v1 blkio file (`8:0 Read 4096`); its last line, the total, is none of a device's."""
    entries = []
    for line in text.splitlines():
        device, operation, *value = line.split()
        if value:
            major, _, minor = device.partition(":")
            entries.append(DiskEntry(int(major), int(minor), operation, int(value[0])))
    return tuple(entries)


def parse_io_stat(text: str) -> tuple[tuple[DiskEntry, ...], tuple[DiskEntry, ...]]:
    """Return bytes and operations of v2's io.stat (`8:0 rbytes=1 wbytes=2 rios=3 …`)."""
    moved, served = [], []
    for line in text.splitlines():
        device, *pairs = line.split()
        if ":" not in device:
            continue
        major, minor = map(int, device.split(":"))
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        for word, key in (("read", "r"), ("write", "w")):
            moved.append(DiskEntry(major, minor, word, int(values.get(f"{key}bytes", 0))))
            served.append(DiskEntry(major, minor, word, int(values.get(f"{key}ios", 0))))
    return tuple(moved), tuple(served)


def read_interfaces(pid: int) -> dict[str, Interface]:
    """Return the counters of the interfaces that process `pid` sees, without loopback."""
    return parse_net_dev(proc.read(pid, "net/dev").decode()) if pid else {}


def parse_net_dev(text: str) -> dict[str, Interface]:
    """Return the interfaces of /proc/PID/net/dev, without loopback."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        name = name.strip()
        if name != "lo":
            values = list(map(int, numbers.split()))
            found[name] = Interface(*values[:4], *values[8:12])
    return found


def read_machine_cpu() -> tuple[int, int]:
    """Return the time that all processors of the machine spent since boot, idle included, and how many there are."""
    fd = os.open("/proc/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(fd, 1 << 16)
    finally:
        os.close(fd)
    first, _, rest = text.partition(b"\n")
    # user nice system idle iowait irq softirq: what Docker adds up.
    return sum(map(int, first.split()[1:8])) * _TICK_NS, sum(line.startswith(b"cpu") for line in rest.split(b"\n"))


def _limit(text: str) -> int:
    text = text.strip()
    limit = int(text) if text.isdigit() else 0
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return limit if 0 < limit < min(_UNLIMITED, machine) else machine


def _number(text: str) -> int:
    return int(text) if text else 0
