"""Copying image content into a volume: what only root can copy."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from engine.volumes.copyup import copy_up


def test_owners_devices_and_capabilities_are_copied(tmp_path: Path) -> None:
    root, volume = tmp_path / "root", tmp_path / "volume"
    (root / "data").mkdir(parents=True)
    volume.mkdir()
    program = root / "data/program"
    program.touch(mode=0o755)
    os.chown(program, 1000, 1001)
    capability = bytes.fromhex("0100000200040000000000000000000000000000")  # v2, cap_net_bind_service=ep
    os.setxattr(program, "security.capability", capability)
    os.mknod(root / "data/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.symlink("nowhere", root / "data/link")
    os.lchown(root / "data/link", 7, 8)
    os.chown(root / "data", 33, 34)

    assert copy_up(root, "/data", volume)

    copied = (volume / "program").stat()
    assert (copied.st_uid, copied.st_gid) == (1000, 1001)
    assert os.getxattr(volume / "program", "security.capability") == capability
    assert (volume / "null").stat().st_rdev == os.makedev(1, 3)
    assert ((volume / "link").lstat().st_uid, (volume / "link").lstat().st_gid) == (7, 8)
    assert (volume.stat().st_uid, volume.stat().st_gid) == (33, 34)
