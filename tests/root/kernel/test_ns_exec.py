"""The pinned mount namespace: real processes enter it one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.kernel import mounts, ns_exec

_ENTER = """
import os, sys
from pathlib import Path
from engine.kernel import mounts, ns_exec
pin = Path(sys.argv[1])
new = ns_exec.enter_mount_namespace(pin)
assert ns_exec.enter_mount_namespace(pin) is False
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="h1ns") as name:
        yield Path(name)
        ns_exec.drop_mount_namespace(Path(name) / "ns/mnt")


def _inside(folder: Path, script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _ENTER + script, str(folder / "ns/mnt"), str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(ns_exec.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_mounts_of_one_engine_are_there_for_the_next_and_not_for_the_host(folder: Path) -> None:
    (folder / "m").mkdir()
    first = _inside(folder, "mounts.bind('/etc', sys.argv[2] + '/m'); print(new, os.readlink('/proc/self/ns/mnt'))")
    second = _inside(
        folder, "print(new, os.readlink('/proc/self/ns/mnt')); print(mounts.is_mount_point(sys.argv[2] + '/m'))"
    )
    namespace = first.split()[1]
    assert first.split()[0] == "True"
    assert second.split() == ["False", namespace, "True"]
    assert not mounts.is_mount_point(folder / "m")
    assert namespace != os.readlink("/proc/self/ns/mnt")


def test_mounts_of_the_host_appear_inside_where_it_shares_them(folder: Path) -> None:
    target = folder / "later"
    target.mkdir()
    found = mounts.find_mount(target)
    assert found is not None
    _inside(folder, "")
    mounts.bind("/etc", target)
    try:
        seen = _inside(folder, "print(mounts.is_mount_point(sys.argv[2] + '/later'))")
    finally:
        mounts.unmount(target)
    assert seen == str(found.is_shared)


def test_a_file_made_inside_is_on_the_host_at_the_same_path(folder: Path) -> None:
    _inside(
        folder,
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[2] + '/s'); "
        "Path(sys.argv[2], 'file').write_text('x')",
    )
    assert (folder / "s").is_socket()
    assert (folder / "file").read_text() == "x"


def test_no_v2_tree_is_seen_beside_v1_inside(folder: Path) -> None:
    assert _inside(folder, "print(mounts.is_mount_point('/sys/fs/cgroup/unified'))") == "False"


def test_a_process_with_threads_is_refused(folder: Path) -> None:
    script = (
        "import threading; from engine.errors import Internal\n"
        "t = threading.Thread(target=threading.Event().wait, args=(5,), daemon=True); t.start()\n"
        "try: ns_exec.enter_mount_namespace(Path(sys.argv[2]) / 'ns2/mnt')\n"
        "except Internal as error: print(error)\n"
    )
    assert "before any thread starts" in _inside(folder, script)


def test_dropping_it_leaves_nothing_mounted(folder: Path) -> None:
    _inside(folder, "")
    assert mounts.list_mounts(folder)
    ns_exec.drop_mount_namespace(folder / "ns/mnt")
    ns_exec.drop_mount_namespace(folder / "ns/mnt")
    assert mounts.list_mounts(folder) == []
