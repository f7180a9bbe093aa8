"""Docker's ContainerStatsResponse and ContainerTopResponse, and Berth's usage record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.clock import render_ns
from engine.containers.model import Container
from engine.services.sampling import Cpu, DiskEntry, Interface, Memory, Sample
from engine.services.top import ProcessTable
from engine.services.usage_feed import Row

_NO_LIMIT = (1 << 64) - 1
_UNUSED_DISK = (
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
)
_NO_CPU = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}


def render_stats(container: Container, sample: Sample | None, previous: Sample | None = None) -> dict[str, Any]:
    """Return the record of a sample; `previous` is what a client computes rates against. No sample: all empty."""
    shown: dict[str, Any] = {
        "name": f"/{container.name}",
        "id": container.id,
        "read": render_ns(sample.read_ns if sample else 0),
        "preread": render_ns(previous.read_ns if previous else 0),
        "pids_stats": _pids(sample) if sample else {},
        "blkio_stats": _disk(sample),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu(sample.cpu) if sample else _NO_CPU,
        "precpu_stats": _cpu(previous.cpu) if previous else _NO_CPU,
        "memory_stats": _memory(sample.memory) if sample else {},
    }
    if sample and sample.interfaces:
        shown["networks"] = {name: _interface(interface) for name, interface in sample.interfaces.items()}
    return shown


def _pids(sample: Sample) -> dict[str, int]:
    return {"current": sample.pids, "limit": sample.pids_limit or _NO_LIMIT}


def _cpu(cpu: Cpu) -> dict[str, Any]:
    usage: dict[str, Any] = {"total_usage": cpu.total}
    if cpu.per_cpu:
        usage["percpu_usage"] = list(cpu.per_cpu)
    usage["usage_in_kernelmode"] = cpu.kernel
    usage["usage_in_usermode"] = cpu.user
    throttling = {
        "periods": cpu.periods,
        "throttled_periods": cpu.throttled_periods,
        "throttled_time": cpu.throttled_ns,
    }
    return {
        "cpu_usage": usage,
        "system_cpu_usage": cpu.system,
        "online_cpus": cpu.online,
        "throttling_data": throttling,
    }


def _memory(memory: Memory) -> dict[str, Any]:
    shown: dict[str, Any] = {"usage": memory.usage, "stats": dict(memory.details), "limit": memory.limit}
    if memory.max_usage:
        shown["max_usage"] = memory.max_usage
    if memory.failures:
        shown["failcnt"] = memory.failures
    return shown


def _disk(sample: Sample | None) -> dict[str, Any]:
    unused: list[Any] | None = None if sample is None else []
    shown: dict[str, Any] = dict.fromkeys(_UNUSED_DISK, unused)
    shown["io_service_bytes_recursive"] = _entries(sample.disk_bytes) if sample else None
    shown["io_serviced_recursive"] = _entries(sample.disk_operations) if sample else None
    return shown


def _entries(entries: Iterable[DiskEntry]) -> list[dict[str, Any]]:
    return [{"major": e.major, "minor": e.minor, "op": e.operation, "value": e.value} for e in entries]


def _interface(interface: Interface) -> dict[str, int]:
    return {name: getattr(interface, name) for name in Interface.__slots__}


def render_top(table: ProcessTable) -> dict[str, Any]:
    """Return titles and rows."""
    return {"Titles": table.titles, "Processes": table.rows}


def render_usage(at_ns: int, rows: Mapping[str, Row]) -> dict[str, Any]:
    """Return one moment of `/berth/usage`."""
    shown = {key: {name: getattr(row, name) for name in Row.__slots__} for key, row in rows.items()}
    return {"at": render_ns(at_ns), "rows": shown}
