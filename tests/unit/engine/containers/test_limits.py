"""Limits of HostConfig in OCI's words."""

from __future__ import annotations

from typing import Any

import pytest

from engine.containers import limits
from engine.containers.limits import Machine
from engine.containers.model import HostConfig, Ulimit
from engine.errors import InvalidArgument

MB = 1 << 20


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"memory": 64 * MB}, {"memory": {"limit": 64 * MB, "swap": 128 * MB}}),
        ({"memory": 64 * MB, "memory_swap": -1}, {"memory": {"limit": 64 * MB, "swap": -1}}),
        ({"memory": 64 * MB, "memory_swap": 65 * MB}, {"memory": {"limit": 64 * MB, "swap": 65 * MB}}),
        ({"memory_reservation": MB}, {"memory": {"reservation": MB}}),
        ({"memory_swappiness": 0}, {"memory": {"swappiness": 0}}),
        ({"memory_swappiness": -1}, {}),
        ({"oom_kill_disable": True}, {"memory": {"disableOOMKiller": True}}),
        ({"nano_cpus": 1_500_000_000}, {"cpu": {"period": 100_000, "quota": 150_000}}),
        ({"cpu_period": 50_000, "cpu_quota": 25_000}, {"cpu": {"period": 50_000, "quota": 25_000}}),
        (
            {"cpu_shares": 512, "cpuset_cpus": "0-1", "cpuset_mems": "0"},
            {"cpu": {"shares": 512, "cpus": "0-1", "mems": "0"}},
        ),
        ({"pids_limit": 7}, {"pids": {"limit": 7}}),
        ({"pids_limit": -1}, {"pids": {"limit": -1}}),
        ({"pids_limit": 0}, {}),
        ({"blkio_weight": 300}, {"blockIO": {"weight": 300}}),
    ],
)
def test_resources(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert limits.build_resources(HostConfig(**given), Machine()) == expected


def test_what_the_machine_has_not_is_left_out() -> None:
    machine = Machine(swap_limit=False, swappiness=False, block_weight=False)
    host = HostConfig(memory=MB, memory_swap=MB, memory_swappiness=1, blkio_weight=10)
    assert limits.build_resources(host, machine) == {"memory": {"limit": MB}}


@pytest.mark.parametrize(
    ("soft", "hard", "ceiling", "expected"),
    [
        (10, 20, None, (10, 20)),
        (10, 20, 15, (10, 15)),
        (18, 20, 15, (15, 15)),
        (-1, -1, None, (2**64 - 1, 2**64 - 1)),
        (-1, -1, 15, (15, 15)),
        (10, -1, -1, (10, 2**64 - 1)),
    ],
)
def test_rlimits_are_clamped_to_the_hard_limit(
    soft: int, hard: int, ceiling: int | None, expected: tuple[int, int]
) -> None:
    machine = Machine(rlimit_ceilings={} if ceiling is None else {"nofile": ceiling})
    assert limits.build_rlimits((Ulimit("nofile", soft, hard),), machine) == [
        {"type": "RLIMIT_NOFILE", "soft": expected[0], "hard": expected[1]}
    ]


def test_open_files_are_the_hosts_unless_asked_for() -> None:
    machine = Machine(open_files=(1024, 4096))
    assert limits.build_rlimits((), machine) == [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}]
    assert limits.build_rlimits((Ulimit("nofile", 5, 6),), machine) == [{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 6}]


def test_unknown_ulimit_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="invalid ulimit type: nope"):
        limits.build_rlimits((Ulimit("nope", 1, 1),), Machine())
