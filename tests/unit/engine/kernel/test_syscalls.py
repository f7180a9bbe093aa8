"""Raw system calls: the ones an unprivileged test can make."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from engine.kernel import syscalls


def test_openat2_keeps_links_and_dots_inside_the_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("inside")
    (tmp_path / "link").symlink_to("/../../etc/passwd")
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        with os.fdopen(syscalls.openat2(root, "link", os.O_RDONLY)) as stream:
            assert stream.read() == "inside"
        with pytest.raises(FileNotFoundError):
            syscalls.openat2(root, "/etc/shadow", os.O_RDONLY)
    finally:
        os.close(root)


def test_descriptors_are_close_on_exec(tmp_path: Path) -> None:
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    found = syscalls.openat2(root, ".", os.O_RDONLY | os.O_DIRECTORY)
    notify = syscalls.inotify_init()
    try:
        assert not os.get_inheritable(found)
        assert not os.get_inheritable(notify)
    finally:
        for fd in (root, found, notify):
            os.close(fd)


def test_failure_carries_errno_and_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere") as caught:
        syscalls.umount(tmp_path / "nowhere")
    assert caught.value.errno == errno.ENOENT


def test_inotify_tells_of_a_file_moved_in(tmp_path: Path) -> None:
    fd = syscalls.inotify_init()
    try:
        watch = syscalls.inotify_add_watch(fd, tmp_path, syscalls.Watch.MOVED_TO | syscalls.Watch.CLOSE_WRITE)
        (tmp_path / "file").write_text("x")
        got, mask, _, length = struct.unpack_from("iIII", os.read(fd, 4096))
        assert (got, mask & syscalls.Watch.CLOSE_WRITE != 0, length > 0) == (watch, True, True)
        syscalls.inotify_rm_watch(fd, watch)
    finally:
        os.close(fd)


def test_rename_noreplace_and_exchange(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    with pytest.raises(FileExistsError):
        syscalls.rename_noreplace(one, two)
    syscalls.rename_exchange(one, two)
    assert (one.read_text(), two.read_text()) == ("2", "1")
