"""The machine's load, memory and disk."""

from engine.services import machine


def test_meminfo_in_bytes():
    found = machine.parse_meminfo("MemTotal:  16 kB\nMemAvailable: 4 kB\nHugePages_Total:  3\nnonsense\n")
    assert found == {"MemTotal": 16384, "MemAvailable": 4096, "HugePages_Total": 3}


def test_the_machine_as_it_is(tmp_path):
    found = machine.read_machine(tmp_path)
    assert found.cpus >= 1
    assert 0 < found.memory_available <= found.memory_total
    assert 0 <= found.disk_free <= found.disk_total
