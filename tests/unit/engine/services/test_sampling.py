"""Samples of v1 and v2 cgroups, from files as kernels write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.kernel.cgroups import Cgroups, Mode
from engine.services.sampling import (
    DiskEntry,
    Interface,
    Memory,
    parse_blkio,
    parse_io_stat,
    parse_net_dev,
    read_machine_cpu,
    read_sample,
)

_NAME = "/berth/i/default/c"


def _tree(root: Path, files: dict[str, str]) -> dict[str, Path]:
    hierarchies = {}
    for name, text in files.items():
        controller, _, file = name.partition("/")
        folder = root / controller
        hierarchies[controller] = folder
        path = Path(f"{folder}{_NAME}") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return hierarchies


def test_v1(tmp_path: Path) -> None:
    """Every controller has a tree of its own."""
    files = {
        "cpuacct/cpuacct.usage": "300\n",
        "cpuacct/cpuacct.usage_user": "200\n",
        "cpuacct/cpuacct.usage_sys": "100\n",
        "cpuacct/cpuacct.usage_percpu": "250 50 \n",
        "cpu/cpu.stat": "nr_periods 4\nnr_throttled 2\nthrottled_time 77\n",
        "memory/memory.usage_in_bytes": "5000\n",
        "memory/memory.max_usage_in_bytes": "6000\n",
        "memory/memory.limit_in_bytes": "1048576\n",
        "memory/memory.failcnt": "3\n",
        "memory/memory.stat": "cache 1\ntotal_inactive_file 1000\n",
        "pids/pids.current": "7\n",
        "pids/pids.max": "max\n",
        "blkio/blkio.throttle.io_service_bytes_recursive": "254:0 Read 10\n254:0 Write 20\nTotal 30\n",
        "blkio/blkio.throttle.io_serviced_recursive": "Total 0\n",
    }
    cgroups = Cgroups(Mode.V1, _tree(tmp_path, files))
    sample = read_sample(cgroups, _NAME, 0, own_network=True)
    assert (sample.cpu.total, sample.cpu.user, sample.cpu.kernel, sample.cpu.per_cpu) == (300, 200, 100, (250, 50))
    assert (sample.cpu.periods, sample.cpu.throttled_periods, sample.cpu.throttled_ns) == (4, 2, 77)
    assert sample.memory == Memory(5000, 6000, 1048576, 3, {"cache": 1, "total_inactive_file": 1000})
    assert sample.memory.working_set == 4000
    assert (sample.pids, sample.pids_limit) == (7, 0)
    assert sample.disk_bytes == (DiskEntry(254, 0, "Read", 10), DiskEntry(254, 0, "Write", 20))
    assert sample.disk_operations == ()


def test_v2(tmp_path: Path) -> None:
    """Microseconds become nanoseconds; `max` is the machine's memory."""
    files = {
        "u/cpu.stat": "usage_usec 3\nuser_usec 2\nsystem_usec 1\nnr_periods 4\nnr_throttled 2\nthrottled_usec 5\n",
        "u/memory.current": "5000\n",
        "u/memory.peak": "6000\n",
        "u/memory.max": "max\n",
        "u/memory.events": "low 0\noom 3\noom_kill 1\n",
        "u/memory.stat": "anon 1\ninactive_file 1000\n",
        "u/pids.current": "7\n",
        "u/pids.max": "100\n",
        "u/io.stat": "254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n",
    }
    root = _tree(tmp_path, files)["u"]
    cgroups = Cgroups(Mode.V2, dict.fromkeys(("cpu", "memory", "pids", "io"), root))
    sample = read_sample(cgroups, _NAME, 0, own_network=False)
    assert (sample.cpu.total, sample.cpu.user, sample.cpu.kernel, sample.cpu.throttled_ns) == (3000, 2000, 1000, 5000)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert sample.memory == Memory(5000, 6000, machine, 3, {"anon": 1, "inactive_file": 1000})
    assert sample.memory.working_set == 4000
    assert (sample.pids, sample.pids_limit) == (7, 100)
    assert sample.disk_bytes == (DiskEntry(254, 0, "read", 10), DiskEntry(254, 0, "write", 20))
    assert sample.disk_operations == (DiskEntry(254, 0, "read", 1), DiskEntry(254, 0, "write", 2))


@pytest.mark.parametrize("mode", [Mode.V1, Mode.V2])
def test_a_container_that_is_gone_uses_nothing(tmp_path: Path, mode: Mode) -> None:
    """Its files vanish between two reads."""
    cgroups = Cgroups(mode, dict.fromkeys(("cpu", "cpuacct", "memory", "pids", "blkio", "io"), tmp_path))
    sample = read_sample(cgroups, _NAME, 1 << 30, own_network=True)
    assert (sample.cpu.total, sample.memory.usage, sample.pids, sample.interfaces) == (0, 0, 0, {})


def test_interfaces_without_loopback() -> None:
    """Names and numbers may touch."""
    text = (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
        "    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n"
        "  eth0:90 1 2 3 0 0 0 0 40 5 6 7 0 0 0 0\n"
    )
    assert parse_net_dev(text) == {"eth0": Interface(90, 1, 2, 3, 40, 5, 6, 7)}


def test_disk_files_may_be_empty() -> None:
    """A container that did no I/O has no entries; a device line of v2 may have no counters."""
    assert parse_blkio("") == ()
    assert parse_io_stat("7:0 \n") == (
        (DiskEntry(7, 0, "read", 0), DiskEntry(7, 0, "write", 0)),
        (DiskEntry(7, 0, "read", 0), DiskEntry(7, 0, "write", 0)),
    )


def test_the_machine_spends_time() -> None:
    """As much as all processors have, give or take what boot and virtual machines swallow."""
    total, count = read_machine_cpu()
    assert count == os.cpu_count()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert 0.5 * uptime * count < total / 1e9 < 1.1 * uptime * count
