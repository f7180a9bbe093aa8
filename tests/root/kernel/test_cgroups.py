"""Cgroups of the running kernel."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from engine.kernel import cgroups, proc
from engine.kernel.cgroups import Cgroups


@pytest.fixture
def name() -> Iterator[str]:
    found = cgroups.detect()
    name = cgroups.container_cgroup("h1test", "default", "one")
    found.create(name)
    yield name
    found.kill(name)
    assert found.remove("/berth/h1test")


@pytest.fixture
def machine() -> Cgroups:
    return cgroups.detect()


def _sleeper(machine: Cgroups, name: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(["/bin/sleep", "60"])
    for root in machine.roots():
        if (root / name[1:] / "cpuset.cpus").exists() and not machine.is_v2:
            continue
        (root / name[1:] / "cgroup.procs").write_text(str(child.pid))
    return child


def test_a_process_is_listed_frozen_thawed_and_killed(machine: Cgroups, name: str) -> None:
    child = _sleeper(machine, name)
    try:
        assert machine.pids(name) == [child.pid]
        machine.freeze(name)
        assert machine.is_frozen(name)
        proc.send_signal(child.pid, signal.SIGTERM)
        assert child.poll() is None
        machine.thaw(name)
        assert child.wait(2) == -signal.SIGTERM
    finally:
        child.kill()
        child.wait()
    assert machine.pids(name) == []


def test_kill_ends_a_frozen_process_too(machine: Cgroups, name: str) -> None:
    child = _sleeper(machine, name)
    machine.freeze(name)
    assert machine.kill(name) is True
    assert child.wait(2) == -signal.SIGKILL
    assert machine.kill(name) is False


def test_remove_says_false_while_a_process_is_inside(machine: Cgroups, name: str) -> None:
    child = _sleeper(machine, name)
    try:
        assert machine.remove(name) is False
    finally:
        child.kill()
        child.wait()
    assert machine.remove(name) is True
    assert not machine.exists(name)


def test_files_are_read(machine: Cgroups, name: str) -> None:
    file = "memory.current" if machine.is_v2 else "memory.usage_in_bytes"
    assert machine.read(name, "memory", file).strip().isdigit()
    assert machine.oom_kills(name) == 0


def test_children_of_a_prepared_parent_have_a_cpuset(machine: Cgroups, name: str) -> None:
    machine.prepare_parent(name + "/sub/leaf")
    if machine.is_v2:
        assert machine.exists(name + "/sub")
        return
    leaf = machine.path(name + "/sub/leaf", "cpuset")
    leaf.mkdir()
    assert (leaf / "cpuset.cpus").read_text() == (machine.hierarchies["cpuset"] / "cpuset.cpus").read_text()
    assert (leaf / "cpuset.mems").read_text().strip()


def test_warming_leaves_the_process_where_it_is(machine: Cgroups) -> None:
    before = proc.cgroup_of(os.getpid())
    machine.warm()
    assert proc.cgroup_of(os.getpid()) == before


def test_processes_that_fork_and_exec_all_the_time_are_frozen_too(machine: Cgroups, name: str) -> None:
    child = subprocess.Popen(["/bin/sh", "-c", "while :; do /bin/true; done"])
    for root in machine.roots():
        if machine.is_v2 or not (root / name[1:] / "cpuset.cpus").exists():
            (root / name[1:] / "cgroup.procs").write_text(str(child.pid))
    try:
        for _ in range(20):
            machine.freeze(name)
            assert machine.is_frozen(name)
            machine.thaw(name)
    finally:
        machine.kill(name)
        child.wait()
