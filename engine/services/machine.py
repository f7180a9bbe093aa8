"""The machine at this moment: load, memory, and the disk that holds the data root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """Load of the last minutes; bytes of memory and of the file system below the data root (for non-root users)."""

    cpus: int
    load: tuple[float, float, float]
    memory_total: int
    memory_available: int
    disk_total: int
    disk_free: int


def read_machine(data_root: Path) -> Machine:
    """Return the machine as it is now."""
    memory = parse_meminfo(_MEMINFO.read_text(encoding="ascii"))
    disk = os.statvfs(data_root)
    return Machine(
        cpus=os.cpu_count() or 1,
        load=os.getloadavg(),
        memory_total=memory.get("MemTotal", 0),
        memory_available=memory.get("MemAvailable", memory.get("MemFree", 0)),
        disk_total=disk.f_blocks * disk.f_frsize,
        disk_free=disk.f_bavail * disk.f_frsize,
    )


def parse_meminfo(text: str) -> dict[str, int]:
    """Return the lines of proc_meminfo(5) in bytes."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return found
