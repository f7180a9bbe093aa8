from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.volumes.copyup import copy_up, is_empty


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "data/deep").mkdir(parents=True)
    return root


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    volume = tmp_path / "volume"
    volume.mkdir()
    return volume


def test_files_folders_links_modes_and_times_are_copied(root: Path, volume: Path) -> None:
    file = root / "data/deep/file"
    file.write_bytes(os.urandom(70_000))
    file.chmod(0o4711)
    (root / "data/link").symlink_to("/etc/passwd")
    os.link(file, root / "data/hard")
    os.mkfifo(root / "data/fifo", 0o622)
    os.utime(file, ns=(5, 7_000_000_001))
    (root / "data").chmod(0o1750)
    os.utime(root / "data/deep", ns=(5, 9))

    assert copy_up(root, "/data", volume)

    copied = volume / "deep/file"
    assert copied.read_bytes() == file.read_bytes()
    assert stat.S_IMODE(copied.stat().st_mode) == 0o4711
    assert copied.stat().st_mtime_ns == 7_000_000_001
    assert (volume / "link").readlink() == Path("/etc/passwd")
    assert (volume / "hard").stat().st_ino == copied.stat().st_ino
    assert stat.S_ISFIFO((volume / "fifo").stat().st_mode)
    assert stat.S_IMODE(volume.stat().st_mode) == 0o1750
    assert (volume / "deep").stat().st_mtime_ns == 9


def test_sparse_and_empty_files_have_their_size(root: Path, volume: Path) -> None:
    (root / "data/empty").touch()
    with (root / "data/large").open("wb") as large:
        large.truncate(20_000_000)
    copy_up(root, "/data", volume)
    assert (volume / "empty").stat().st_size == 0
    assert (volume / "large").stat().st_size == 20_000_000


def test_a_folder_that_the_image_does_not_have_copies_nothing(root: Path, volume: Path) -> None:
    (root / "file").touch()
    assert not copy_up(root, "/missing", volume)
    assert not copy_up(root, "/file", volume)
    assert is_empty(volume)


def test_links_on_the_way_stay_within_the_root(root: Path, volume: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").touch()
    (root / "absolute").symlink_to(outside)
    (root / "relative").symlink_to("../outside")
    (root / "inside").symlink_to("/data")
    (root / "data/file").touch()
    assert not copy_up(root, "/absolute", volume)
    assert not copy_up(root, "/relative", volume)
    assert copy_up(root, "/inside", volume)
    assert (volume / "file").exists()
    assert not list(volume.rglob("secret"))


def test_links_below_are_copied_not_followed(root: Path, volume: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").touch()
    (root / "data/deep/out").symlink_to(outside)
    copy_up(root, "/data", volume)
    assert (volume / "deep/out").is_symlink()


def test_user_xattrs_are_copied(root: Path, volume: Path) -> None:
    file = root / "data/file"
    file.touch()
    try:
        os.setxattr(file, "user.note", b"kept")
    except OSError:
        pytest.skip("the file system of the test has no user xattrs")
    copy_up(root, "/data", volume)
    assert os.getxattr(volume / "file", "user.note") == b"kept"
