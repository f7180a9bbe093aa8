"""Values no container can have: refused at create, in Docker's words, before anything is made. Pure."""

from __future__ import annotations

import os
import re

from engine.containers import restart
from engine.containers.model import Config, HostConfig
from engine.containers.signals import parse_signal
from engine.containers.spec import check_security_options
from engine.errors import InvalidArgument
from engine.kernel import caps

_SMALLEST_MEMORY = 6 * 1024 * 1024
_SMALLEST_CPU_PERIOD, _LARGEST_CPU_PERIOD = 1_000, 1_000_000
_SMALLEST_CPU_QUOTA = 1_000
_LIST = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*\Z")


def check_config(config: Config, host: HostConfig) -> None:
    """Raise InvalidArgument for what contradicts itself or has no meaning."""
    if not (config.entrypoint or config.cmd):
        raise InvalidArgument("no command specified")
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    if config.stop_signal:
        parse_signal(config.stop_signal)
    for entry in config.env:
        if not entry.partition("=")[0]:
            raise InvalidArgument(f"invalid environment variable: {entry}")
    restart.check_policy(host.restart_policy, auto_remove=host.auto_remove)
    for name in host.cap_add:
        caps.normalize(name, "CapAdd")
    for name in host.cap_drop:
        caps.normalize(name, "CapDrop")
    check_security_options(host.security_opt)
    check_limits(host)


def check_limits(host: HostConfig) -> None:
    """Raise InvalidArgument for limits that can't be set (also on update)."""
    _check_memory(host)
    _check_cpu(host)
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidArgument(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if host.shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")


def _check_memory(host: HostConfig) -> None:
    if host.memory < 0 or host.memory_reservation < 0:
        raise InvalidArgument("HostConfig: Memory and MemoryReservation must not be negative")
    if 0 < host.memory < _SMALLEST_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if host.memory_swap > 0 and not host.memory:
        raise InvalidArgument("You should always set the Memory limit when using Memoryswap limit, see usage")
    if host.memory and 0 < host.memory_swap < host.memory:
        raise InvalidArgument("Minimum memoryswap limit should be larger than memory limit, see usage")
    if host.memory_swappiness is not None and not -1 <= host.memory_swappiness <= 100:
        raise InvalidArgument(f"Invalid value: {host.memory_swappiness}, valid memory swappiness range is 0-100")
    if 0 < host.memory_reservation < _SMALLEST_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if host.memory and host.memory_reservation > host.memory:
        raise InvalidArgument("Minimum memory limit can not be less than memory reservation limit, see usage")


def _check_cpu(host: HostConfig) -> None:
    count = os.cpu_count() or 1
    if host.nano_cpus and (host.cpu_period or host.cpu_quota):
        other = "CPU Period" if host.cpu_period else "CPU Quota"
        raise InvalidArgument(f"Conflicting options: Nano CPUs and {other} cannot both be set")
    if not 0 <= host.nano_cpus <= count * 1_000_000_000:
        raise InvalidArgument(f"Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available")
    if host.cpu_shares < 0:
        raise InvalidArgument(f"invalid CPU shares ({host.cpu_shares}): value must be a positive integer")
    if host.cpu_period and not _SMALLEST_CPU_PERIOD <= host.cpu_period <= _LARGEST_CPU_PERIOD:
        raise InvalidArgument("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < host.cpu_quota < _SMALLEST_CPU_QUOTA:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    _check_list("CpusetCpus", host.cpuset_cpus, count, "CPUs")
    _check_list("CpusetMems", host.cpuset_mems, None, "memory nodes")


def _check_list(field: str, text: str, count: int | None, what: str) -> None:
    if not text:
        return
    if not _LIST.match(text):
        raise InvalidArgument(f"Invalid value {text} for {'cpuset cpus' if count else 'cpuset mems'} ({field})")
    highest = max(int(number) for number in re.findall(r"\d+", text))
    if count is not None and highest >= count:
        raise InvalidArgument(f"Requested {what} are not available - requested {text}, available: 0-{count - 1}")
