"""What holds a container: limits in its cgroup, capabilities, seccomp, masked paths, namespaces, rlimits."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.docker_cli import Docker, eventually

DEFAULT_CAPABILITIES = 0x00000000A80425FB
"""Docker's fourteen default capabilities as the kernel's bit mask."""
SYS_ADMIN, NET_ADMIN, CHOWN = 1 << 21, 1 << 12, 1 << 0


def cgroup_file(v2: str, v1: str) -> str:
    """Return a shell command that prints a cgroup file, whichever version this machine has."""
    return f"cat /sys/fs/cgroup/{v2} 2>/dev/null || cat /sys/fs/cgroup/{v1}"


def read_limit(docker: Docker, v2: str, v1: str, *args: str) -> str:
    """Return a cgroup file's text as a container with `args` sees it."""
    return docker.ok("run", "--rm", *args, docker.image, "sh", "-c", cgroup_file(v2, v1))


def status_of(docker: Docker, *args: str) -> dict[str, str]:
    """Return /proc/self/status of a process in a container with `args`."""
    out = docker.ok("run", "--rm", *args, docker.image, "cat", "/proc/self/status")
    return dict(line.split(":\t", 1) for line in out.splitlines() if ":\t" in line)


def capabilities(docker: Docker, *args: str, kind: str = "CapEff") -> int:
    """Return a capability set of a process in a container with `args`."""
    return int(status_of(docker, *args)[kind], 16)


def test_memory_limit(docker: Docker) -> None:
    assert read_limit(docker, "memory.max", "memory/memory.limit_in_bytes", "-m", "64m") == str(64 << 20)


def test_a_process_that_takes_more_memory_is_killed_and_the_record_says_so(docker: Docker) -> None:
    name = docker.name()
    result = docker("run", "--name", name, "-m", "16m", "--memory-swap", "16m", docker.image, "tail", "/dev/zero")
    assert result.code == 137
    assert docker.inspect(name)["State"]["OOMKilled"] is True


def test_cpu_limit(docker: Docker) -> None:
    out = docker.ok(
        "run", "--rm", "--cpus", "0.5", docker.image, "sh", "-c",
        "cd /sys/fs/cgroup; cat cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us",
    )  # fmt: skip
    assert out.split() == ["50000", "100000"]


def test_cpu_shares(docker: Docker) -> None:
    assert read_limit(docker, "cpu.weight", "cpu/cpu.shares", "--cpu-shares", "512") in ("512", "20")


def test_cpuset(docker: Docker) -> None:
    assert read_limit(docker, "cpuset.cpus", "cpuset/cpuset.cpus", "--cpuset-cpus", "0") == "0"


def test_process_limit(docker: Docker) -> None:
    assert read_limit(docker, "pids.max", "pids/pids.max", "--pids-limit", "20") == "20"
    script = "for i in $(seq 30); do sleep 5 & done"
    result = docker("run", "--rm", "--pids-limit", "10", docker.image, "sh", "-c", script)
    assert "can't fork" in result.err


def test_the_cgroup_is_gone_with_the_container(docker: Docker) -> None:
    cid = docker.running()
    pid = docker.inspect(cid)["State"]["Pid"]
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    folders = [path for line in lines if cid in line for path in Path("/sys/fs/cgroup").glob(f"*{line.split(':')[2]}")]
    folders += [Path("/sys/fs/cgroup" + line.split(":")[2]) for line in lines if line.startswith("0::") and cid in line]
    there = [folder for folder in folders if folder.is_dir()]
    assert there
    docker.ok("rm", "-f", cid)
    eventually(lambda: not any(folder.exists() for folder in there), 5, "the end of the cgroups")


def test_default_capabilities_are_dockers(docker: Docker) -> None:
    status = status_of(docker)
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[kind], 16) == DEFAULT_CAPABILITIES, kind
    for kind in ("CapInh", "CapAmb"):
        assert int(status[kind], 16) == 0, kind


def test_capabilities_are_added_and_dropped(docker: Docker) -> None:
    added = ("--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN")
    assert capabilities(docker, *added) == (DEFAULT_CAPABILITIES | NET_ADMIN) & ~CHOWN
    assert capabilities(docker, "--cap-drop", "ALL") == 0
    assert capabilities(docker, "--cap-drop", "ALL", "--cap-add", "cap_chown") == CHOWN
    assert capabilities(docker, "--cap-drop", "ALL", "--cap-add", "CHOWN", kind="CapBnd") == CHOWN


def test_an_unknown_capability_is_refused(docker: Docker) -> None:
    error = docker.fails("create", "--cap-add", "NO_SUCH_THING", docker.image)
    assert 'invalid CapAdd: unknown capability: "CAP_NO_SUCH_THING"' in error


def test_another_user_has_no_effective_capabilities(docker: Docker) -> None:
    assert capabilities(docker, "--user", "1000") == 0
    assert capabilities(docker, "--user", "1000", kind="CapBnd") == DEFAULT_CAPABILITIES


def test_seccomp_filters_by_default_and_not_when_unconfined(docker: Docker) -> None:
    assert status_of(docker)["Seccomp"] == "2"
    assert status_of(docker, "--security-opt", "seccomp=unconfined")["Seccomp"] == "0"


def test_seccomp_refuses_a_new_user_namespace(docker: Docker) -> None:
    assert "not permitted" in docker("run", "--rm", docker.image, "unshare", "-U", "true").err


def test_a_seccomp_profile_can_be_given(docker: Docker, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
    )
    result = docker("run", "--rm", "--security-opt", f"seccomp={profile}", docker.image, "mkdir", "/x")
    assert result.code == 1
    assert "Operation not permitted" in result.err


def test_no_new_privileges_by_option(docker: Docker) -> None:
    assert status_of(docker)["NoNewPrivs"] == "0"
    assert status_of(docker, "--security-opt", "no-new-privileges")["NoNewPrivs"] == "1"


def test_sensitive_paths_are_masked_or_read_only(docker: Docker) -> None:
    out = docker.ok("run", "--rm", docker.image, "sh", "-c", "cat /proc/kcore 2>/dev/null | wc -c; cat /proc/mounts")
    assert out.splitlines()[0] == "0"
    for path in ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"):
        if Path(path).exists():  # as the kernel was built
            assert re.search(rf"^proc {path} proc ro[, ]", out, re.MULTILINE), path
    assert re.search(r"^tmpfs /sys/firmware tmpfs ro[, ]", out, re.MULTILINE)
    assert re.search(r"^sysfs /sys sysfs ro[, ]", out, re.MULTILINE)


def test_kernel_settings_can_not_be_written(docker: Docker) -> None:
    result = docker("run", "--rm", docker.image, "sh", "-c", "echo 1 > /proc/sys/kernel/panic")
    assert result.code != 0
    assert "Read-only file system" in result.err


def test_a_sysctl_of_the_network_can_be_set(docker: Docker) -> None:
    name = "net.ipv4.ip_unprivileged_port_start"
    assert docker.ok("run", "--rm", "--sysctl", f"{name}=99", docker.image, "sysctl", "-n", name) == "99"


def test_devices_are_the_harmless_ones(docker: Docker) -> None:
    out = docker.ok("run", "--rm", docker.image, "ls", "/dev").split()
    expected = {"fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty"}
    assert set(out) - {"core", "console"} == expected | {"urandom", "zero"}
    result = docker("run", "--rm", docker.image, "sh", "-c", "mknod /tmp/mem c 1 1 && cat /tmp/mem")
    assert "not permitted" in result.err


def test_a_device_can_be_given(docker: Docker) -> None:
    script = "echo x > /dev/hole && echo ok"
    assert docker.ok("run", "--rm", "--device", "/dev/null:/dev/hole:rw", docker.image, "sh", "-c", script) == "ok"


def test_shared_memory_has_its_size(docker: Docker) -> None:
    look = (docker.image, "grep", "/dev/shm", "/proc/mounts")
    assert "size=65536k" in docker.ok("run", "--rm", *look)
    assert "size=8192k" in docker.ok("run", "--rm", "--shm-size", "8m", *look)


def test_resource_limits(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--ulimit", "nofile=100:200", docker.image, "cat", "/proc/self/limits")
    assert re.search(r"^Max open files\s+100\s+200\s", out, re.MULTILINE)


def test_the_container_has_namespaces_of_its_own(docker: Docker) -> None:
    script = "for n in pid net ipc uts mnt; do readlink /proc/self/ns/$n; done"
    out = docker.ok("run", "--rm", docker.image, "sh", "-c", script)
    ours = {os.readlink(f"/proc/self/ns/{name}") for name in ("pid", "net", "ipc", "uts", "mnt")}
    assert ours.isdisjoint(out.split())


def test_the_hosts_process_namespace_can_be_shared(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--pid", "host", docker.image, "sh", "-c", "readlink /proc/self/ns/pid")
    assert out == os.readlink("/proc/self/ns/pid")


def test_the_process_namespace_of_another_container_can_be_shared(docker: Docker) -> None:
    other = docker.running()
    out = docker.ok("run", "--rm", "--pid", f"container:{other}", docker.image, "ps")
    assert "sleep 1000" in out


def test_the_command_is_pid_one(docker: Docker) -> None:
    assert docker.ok("run", "--rm", docker.image, "sh", "-c", "echo $$") == "1"


def test_privileged_has_more_capabilities_and_devices_and_no_filter(docker: Docker) -> None:
    script = "grep -E 'CapEff|Seccomp:' /proc/self/status; grep ' /sys ' /proc/mounts; ls /dev | wc -l"
    out = docker.ok("run", "--rm", "--privileged", docker.image, "sh", "-c", script)
    effective = int(re.findall(r"CapEff:\t(\w+)", out)[0], 16)
    assert effective & SYS_ADMIN
    assert effective & DEFAULT_CAPABILITIES == DEFAULT_CAPABILITIES
    assert "Seccomp:\t0" in out
    assert re.search(r"^sysfs /sys sysfs rw", out, re.MULTILINE)
    assert int(out.split()[-1]) > 20


def test_the_score_of_the_out_of_memory_killer(docker: Docker) -> None:
    assert docker.ok("run", "--rm", "--oom-score-adj", "500", docker.image, "cat", "/proc/self/oom_score_adj") == "500"


def test_limits_below_the_minimum_are_refused(docker: Docker) -> None:
    assert "Minimum memory limit allowed is 6MB" in docker.fails("create", "-m", "4m", docker.image)
    error = docker.fails("create", "-m", "64m", "--memory-swap", "32m", docker.image)
    assert "Minimum memoryswap limit should be larger than memory limit" in error
    assert "Range of CPUs is from 0.01 to" in docker.fails("create", "--cpus", "10000", docker.image)


def test_the_clock_and_the_hostname_can_not_be_changed(docker: Docker) -> None:
    result = docker("run", "--rm", docker.image, "sh", "-c", "hostname other; date -s 2020-01-01")
    assert result.err.count("not permitted") == 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_another_user_can_open_its_own_streams(docker: Docker, stream: str) -> None:
    result = docker("run", "--rm", "--user", "1000", docker.image, "sh", "-c", f"echo text > /dev/{stream}")
    assert (result.code, getattr(result, stream.removeprefix("std"))) == (0, "text\n")


def test_freeing_happens_when_many_come_and_go(docker: Docker) -> None:
    for _ in range(5):
        docker.ok("run", "--rm", "-m", "32m", docker.image, "true")
    mine = f"label=berth.test={docker.token}"
    eventually(lambda: docker.ok("ps", "-aq", "--filter", mine) == "", 5, "an empty list")
