"""Resource limits of HostConfig as OCI `linux.resources`, rlimits, and what the machine makes of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.containers.model import BlockLimit, HostConfig, Ulimit
from engine.errors import InvalidArgument

CPU_PERIOD = 100_000
"""Microseconds: what `--cpus` is counted in."""
_NANO = 1_000_000_000
_ULIMITS = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What bounds the limits here: swap accounting, and rlimits that can't be raised (name → hard limit)."""

    swap_limit: bool = True
    swappiness: bool = True
    block_weight: bool = True
    rlimit_ceilings: Mapping[str, int] = field(default_factory=dict)
    may_lower_oom_score: bool = True
    block_device: Callable[[str], tuple[int, int]] = field(default_factory=lambda: find_block_device)
    open_files: tuple[int, int] | None = None
    """(soft, hard) of a container that asks for no `nofile`; None: what the engine itself has."""


def build_resources(host: HostConfig, machine: Machine) -> dict[str, Any]:
    """Return OCI `linux.resources` without devices: only what was asked for."""
    found: dict[str, Any] = {}
    for key, values in (("memory", _memory(host, machine)), ("cpu", _cpu(host)), ("pids", _pids(host))):
        if values:
            found[key] = values
    if block := _block(host, machine):
        found["blockIO"] = block
    return found


def _block(host: HostConfig, machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if host.blkio_weight and machine.block_weight:
        found["weight"] = host.blkio_weight
    if host.blkio_weight_device and machine.block_weight:
        found["weightDevice"] = [
            {**_numbers(limit, machine), "weight": limit.amount} for limit in host.blkio_weight_device
        ]
    throttles = {
        "throttleReadBpsDevice": host.blkio_device_read_bps,
        "throttleWriteBpsDevice": host.blkio_device_write_bps,
        "throttleReadIOPSDevice": host.blkio_device_read_iops,
        "throttleWriteIOPSDevice": host.blkio_device_write_iops,
    }
    for name, limits in throttles.items():
        if limits:
            found[name] = [{**_numbers(limit, machine), "rate": limit.amount} for limit in limits]
    return found


def _numbers(limit: BlockLimit, machine: Machine) -> dict[str, int]:
    major, minor = machine.block_device(limit.path)
    return {"major": major, "minor": minor}


def find_block_device(path: str) -> tuple[int, int]:
    """Return (major, minor) of a block device of the host. Raises InvalidArgument where the path is none."""
    try:
        found = Path(path).stat()
    except OSError as error:
        raise InvalidArgument(f"{path}: {os.strerror(error.errno or 0).lower()}") from None
    if not stat.S_ISBLK(found.st_mode):
        raise InvalidArgument(f"{path}: not a block device")
    return os.major(found.st_rdev), os.minor(found.st_rdev)


def find_warnings(host: HostConfig, machine: Machine) -> list[str]:
    """Return, in Docker's words, what was asked for and can't be had on this machine."""
    found = []
    if host.memory_swap > 0 and host.memory_swap != 2 * host.memory and not machine.swap_limit:
        found.append(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
            "Memory limited without swap."
        )
    if host.memory_swappiness is not None and not machine.swappiness:
        found.append(
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
            "Memory swappiness discarded."
        )
    for asked, what in ((host.blkio_weight, "Weight"), (host.blkio_weight_device, "Weight-device")):
        if asked and not machine.block_weight:
            option = "weight" if what == "Weight" else "weight_device"
            found.append(
                f"Your kernel does not support Block I/O {option} or the cgroup is not mounted. {what} discarded."
            )
    return found


def _memory(host: HostConfig, machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if host.memory:
        found["limit"] = host.memory
    if host.memory_reservation:
        found["reservation"] = host.memory_reservation
    if machine.swap_limit:
        # Docker's default: as much swap as memory. -1 is "no limit".
        swap = host.memory_swap or host.memory * 2
        if swap:
            found["swap"] = swap
    if host.memory_swappiness is not None and host.memory_swappiness >= 0 and machine.swappiness:
        found["swappiness"] = host.memory_swappiness
    if host.oom_kill_disable:
        found["disableOOMKiller"] = True
    return found


def _cpu(host: HostConfig) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if host.cpu_shares:
        found["shares"] = host.cpu_shares
    if host.nano_cpus:
        found["period"] = CPU_PERIOD
        found["quota"] = host.nano_cpus * CPU_PERIOD // _NANO
    if host.cpu_period:
        found["period"] = host.cpu_period
    if host.cpu_quota:
        found["quota"] = host.cpu_quota
    if host.cpu_realtime_period:
        found["realtimePeriod"] = host.cpu_realtime_period
    if host.cpu_realtime_runtime:
        found["realtimeRuntime"] = host.cpu_realtime_runtime
    if host.cpuset_cpus:
        found["cpus"] = host.cpuset_cpus
    if host.cpuset_mems:
        found["mems"] = host.cpuset_mems
    return found


def _pids(host: HostConfig) -> dict[str, Any]:
    if host.pids_limit is None or host.pids_limit == 0:
        return {}
    return {"limit": host.pids_limit if host.pids_limit > 0 else -1}


def build_rlimits(ulimits: tuple[Ulimit, ...], machine: Machine) -> list[dict[str, Any]]:
    """Return OCI rlimits, clamped to what this process may set. Raises InvalidArgument for an unknown name."""
    if machine.open_files is not None and all(ulimit.name != "nofile" for ulimit in ulimits):
        ulimits = (*ulimits, Ulimit("nofile", *machine.open_files))
    return [_rlimit(ulimit, machine) for ulimit in ulimits]


def _rlimit(ulimit: Ulimit, machine: Machine) -> dict[str, Any]:
    if ulimit.name not in _ULIMITS:
        raise InvalidArgument(f"invalid ulimit type: {ulimit.name}")
    ceiling = machine.rlimit_ceilings.get(ulimit.name, -1)
    hard = _least(ulimit.hard, ceiling)
    return {
        "type": f"RLIMIT_{ulimit.name.upper()}",
        "hard": _unsigned(hard),
        "soft": _unsigned(_least(ulimit.soft, hard)),
    }


def _least(value: int, ceiling: int) -> int:
    """Return the smaller of two limits, where -1 is no limit."""
    if ceiling < 0:
        return value
    return ceiling if value < 0 else min(value, ceiling)


def _unsigned(value: int) -> int:
    return value if value >= 0 else 2**64 - 1
