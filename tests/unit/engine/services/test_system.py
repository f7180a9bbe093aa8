from pathlib import Path

from config.settings import load
from engine.kernel.cgroups import Cgroups, Mode
from engine.services.system import System


def system(tmp_path, cgroups):
    return System(load({"BERTH_DATA_ROOT": str(tmp_path)}), "abcd1234", cgroups)


def test_facts_are_the_machines(tmp_path):
    facts = system(tmp_path, Cgroups(Mode.V2, {"memory": tmp_path})).facts()
    assert facts.kernel_version == Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert facts.host_name == Path("/proc/sys/kernel/hostname").read_text().strip()
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:"))
    assert facts.memory_bytes == int(total.split()[1]) * 1024
    assert facts.data_root == str(tmp_path)
    assert [program.name for program in facts.programs] == ["conmon", "crun"]


def test_on_v2_a_limit_is_its_controller(tmp_path):
    limits = system(tmp_path, Cgroups(Mode.V2, {"memory": tmp_path, "pids": tmp_path})).facts().limits
    assert (limits.memory, limits.swap, limits.pids, limits.cpuset, limits.cpu_quota) == (
        True,
        True,
        True,
        False,
        False,
    )


def test_on_v1_a_limit_is_a_file_of_its_controller(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.shares").touch()
    found = system(tmp_path, Cgroups(Mode.HYBRID, {"memory": tmp_path / "memory", "cpu": tmp_path / "cpu"}))
    limits = found.facts().limits
    assert (limits.memory, limits.swap, limits.cpu_shares, limits.cpu_quota) == (True, False, True, False)
    assert "WARNING: No swap limit support" in found.warnings()
    assert "WARNING: No cpu cfs quota support" in found.warnings()
    assert "WARNING: No memory limit support" not in found.warnings()
