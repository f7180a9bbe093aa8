"""Hierarchies found, names made, files read, on trees made of plain files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Internal
from engine.kernel import cgroups
from engine.kernel.cgroups import Mode


def _v1(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir()
        (root / name / "cgroup.procs").touch()


def test_v1_and_hybrid_are_told_apart(tmp_path: Path) -> None:
    _v1(tmp_path, "cpu,cpuacct", "memory", "systemd", "freezer")
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    found = cgroups.detect(tmp_path)
    assert found.mode is Mode.V1
    assert set(found.hierarchies) == {"cpu", "cpuacct", "memory", "name=systemd", "freezer"}
    assert found.path("/berth/x", "cpuacct") == tmp_path / "cpu,cpuacct/berth/x"
    assert len(found.roots()) == 4
    _v1(tmp_path, "unified")
    assert cgroups.detect(tmp_path).mode is Mode.HYBRID


def test_v2_has_one_tree_for_all(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    found = cgroups.detect(tmp_path)
    assert (found.mode, found.version, found.roots()) == (Mode.V2, "2", [tmp_path])
    folder = tmp_path / "berth"
    folder.mkdir()
    (folder / "memory.events").write_text("low 0\noom 2\noom_kill 3\n")
    assert found.oom_kills("/berth") == 3


def test_oom_counter_of_v1(tmp_path: Path) -> None:
    _v1(tmp_path, "memory")
    (tmp_path / "memory/c").mkdir()
    (tmp_path / "memory/c/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert cgroups.detect(tmp_path).oom_kills("/c") == 1


def test_gone_cgroup_reads_as_empty_and_is_removed(tmp_path: Path) -> None:
    _v1(tmp_path, "memory", "pids")
    found = cgroups.detect(tmp_path)
    assert found.read("/gone", "memory", "memory.stat") == ""
    assert found.read("/gone", "nosuch", "x") == ""
    assert found.oom_kills("/gone") == 0
    assert found.pids("/gone") == []
    assert found.remove("/gone") is True
    assert not found.exists("/gone")


def test_machine_without_cgroups_is_named(tmp_path: Path) -> None:
    with pytest.raises(Internal, match="no cgroup hierarchies"):
        cgroups.detect(tmp_path)


def test_names() -> None:
    assert cgroups.container_cgroup("i1", "team", "abc") == "/berth/i1/team/abc"
    assert cgroups.namespace_cgroup("i1", "team") == "/berth/i1/team"
