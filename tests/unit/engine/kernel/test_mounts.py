"""Reading the mount table."""

from __future__ import annotations

from pathlib import Path

from engine.kernel import mounts

_TABLE = (
    "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
    r"36 27 0:4 net:[4026532] /run/my\040dir/a\134b rw master:3 - nsfs nsfs rw"
    "\n40 27 0:30 / /proc rw - proc proc\n"
)


def test_mountinfo_is_parsed_with_its_escapes() -> None:
    root, pin, proc = mounts.parse_mountinfo(_TABLE)
    assert (root.target, root.is_shared, root.fstype, root.super_options) == ("/", True, "ext4", "rw,discard")
    assert (pin.target, pin.root, pin.is_slave, pin.is_shared) == ("/run/my dir/a\\b", "net:[4026532]", True, False)
    assert (proc.tags, proc.super_options) == ((), "")


def test_the_root_is_a_mount_point_and_a_plain_folder_is_not(tmp_path: Path) -> None:
    assert mounts.is_mount_point("/proc")
    assert not mounts.is_mount_point(tmp_path)
    found = mounts.find_mount("/proc/self")
    assert found is not None
    assert found.fstype == "proc"


def test_unmount_of_no_mount_says_so(tmp_path: Path) -> None:
    assert mounts.unmount(tmp_path) is False
    assert mounts.unmount_under(tmp_path) == 0
