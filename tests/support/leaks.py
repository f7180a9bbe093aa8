"""What one instance of Berth has on the machine: looked at after its end, when nothing may be left."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def left_by(instance: str, *roots: Path) -> list[str]:
    """Return a line for each mount, link, nft table, cgroup and process that `instance` (its name, its roots) has."""
    return [
        *(f"mount {line}" for line in mounts_below(*roots)),
        *(f"link {line}" for line in links_of(instance)),
        *(f"nft table {line}" for line in tables_of(instance)),
        *(f"cgroup {path}" for path in cgroups_of(instance)),
        *(f"process {pid} {line}" for pid, line in processes_of(*roots).items()),
    ]


def mounts_below(*roots: Path) -> list[str]:
    """Return the mount points of our mount namespace below any of `roots`."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if any(Path(point).is_relative_to(root) for root in roots)]


def links_of(instance: str) -> list[str]:
    """Return names of network links that carry the instance's name."""
    done = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True)
    return [
        link["ifname"]
        for link in json.loads(done.stdout)
        if instance in link["ifname"] or instance in link.get("ifalias", "")
    ]


def tables_of(instance: str) -> list[str]:
    """Return nft tables that carry the instance's name."""
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if instance in line]


def cgroups_of(instance: str) -> list[Path]:
    """Return the instance's own cgroup folders, of every hierarchy."""
    return [path for pattern in ("berth/{}", "*/berth/{}") for path in CGROUPS.glob(pattern.format(instance))]


def processes_of(*roots: Path) -> dict[int, str]:
    """Return pid and command line of processes whose arguments name one of the roots."""
    found = {}
    needles = [os.fsencode(root) for root in roots]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if any(needle in words for needle in needles):
            found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")[:200]
    return found
