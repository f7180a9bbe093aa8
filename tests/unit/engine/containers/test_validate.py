from __future__ import annotations

from typing import Any

import pytest

from engine.containers.model import Config, HostConfig
from engine.containers.validate import check_config, check_limits
from engine.errors import InvalidArgument

MIB = 1024 * 1024
GOOD = Config(image="busybox", cmd=("true",))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"memory": 4 * MIB}, "Minimum memory limit allowed is 6MB"),
        ({"memory": -1}, "must not be negative"),
        ({"memory": 64 * MIB, "memory_swap": 32 * MIB}, "should be larger than memory limit"),
        ({"memory_swap": 64 * MIB}, "always set the Memory limit"),
        ({"memory": 64 * MIB, "memory_reservation": 65 * MIB}, "less than memory reservation"),
        ({"memory_swappiness": 101}, "range is 0-100"),
        ({"nano_cpus": 10_000_000_000_000}, "Range of CPUs is from 0.01 to"),
        ({"nano_cpus": 5, "cpu_quota": 5000}, "CPU Quota cannot both be set"),
        ({"nano_cpus": 5, "cpu_period": 5000}, "CPU Period cannot both be set"),
        ({"cpu_period": 10}, "less than 1ms"),
        ({"cpu_quota": 10}, "quota can not be less"),
        ({"cpuset_cpus": "0-9999"}, "Requested CPUs are not available"),
        ({"cpuset_cpus": "a"}, "Invalid value a for cpuset cpus"),
        ({"cpuset_mems": "0,"}, "Invalid value 0, for cpuset mems"),
        ({"cpu_shares": -2}, "invalid CPU shares"),
        ({"oom_score_adj": 1001}, "range for oom score adj"),
        ({"shm_size": -1}, "SHM size"),
        ({"blkio_weight": 5}, "from 10 to 1000"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_limits_that_can_not_be_are_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        check_limits(HostConfig(**fields))


@pytest.mark.parametrize(
    "fields",
    [{}, {"memory": 6 * MIB, "memory_swap": -1}, {"cpuset_cpus": "0"}, {"pids_limit": -1}, {"memory_swappiness": -1}],
    ids=str,
)
def test_limits_that_can_be_pass(fields: dict[str, Any]) -> None:
    check_limits(HostConfig(**fields))


@pytest.mark.parametrize(
    ("config", "host", "text"),
    [
        (Config(image="x"), HostConfig(), "no command specified"),
        (Config(image="x", cmd=("y",), working_dir="rel"), HostConfig(), "needs to be an absolute path"),
        (Config(image="x", cmd=("y",), env=("=v",)), HostConfig(), "invalid environment variable: =v"),
        (Config(image="x", cmd=("y",), stop_signal="NOPE"), HostConfig(), "invalid signal: NOPE"),
        (GOOD, HostConfig(cap_add=("NOPE",)), 'invalid CapAdd: unknown capability: "CAP_NOPE"'),
        (GOOD, HostConfig(cap_drop=("NOPE",)), 'invalid CapDrop: unknown capability: "CAP_NOPE"'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_configurations_that_can_not_be_are_refused(config: Config, host: HostConfig, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        check_config(config, host)
