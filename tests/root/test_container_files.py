"""Files of containers: what changed (on real overlayfs), tars of them, and nothing that leaves the root."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import InvalidArgument, NotFound
from engine.storage import archive
from engine.storage.changes import Change, Kind, list_changes
from engine.storage.paths import Paths
from engine.storage.snapshots.overlay import OverlaySnapshots

CHAIN = ("sha256:" + "a" * 64, "sha256:" + "b" * 64)


@pytest.fixture
def snapshots(tmp_path: Path) -> Iterator[OverlaySnapshots]:
    paths = Paths(tmp_path / "data", tmp_path / "run")
    paths.ensure()
    base, top = (paths.layers / chain.partition(":")[2] / "fs" for chain in CHAIN)
    for folder in (base / "etc/sub", base / "var", top / "opt"):
        folder.mkdir(parents=True)
    (base / "etc/motd").write_text("old")
    (base / "etc/sub/one").write_text("1")
    (base / "etc/gone").write_text("x")
    (base / "var/file").write_text("v")
    (top / "opt/tool").write_text("t")
    snapshots = OverlaySnapshots(paths)
    snapshots.prepare("c", CHAIN)
    yield snapshots
    snapshots.remove("c")


def lowers(snapshots: OverlaySnapshots) -> list[Path]:
    return [snapshots.upper("c").parents[2] / "layers" / chain.partition(":")[2] / "fs" for chain in CHAIN]


def test_changes_are_told_as_docker_tells_them(snapshots: OverlaySnapshots) -> None:
    root = snapshots.mount("c")
    (root / "etc/motd").write_text("new")
    (root / "etc/gone").unlink()
    (root / "new/deep").mkdir(parents=True)
    (root / "new/deep/file").write_text("n")
    (root / "opt/tool").chmod(0o600)
    assert list_changes(snapshots.upper("c"), lowers(snapshots)) == [
        Change(Kind.MODIFIED, "/etc"),
        Change(Kind.DELETED, "/etc/gone"),
        Change(Kind.MODIFIED, "/etc/motd"),
        Change(Kind.ADDED, "/new"),
        Change(Kind.ADDED, "/new/deep"),
        Change(Kind.ADDED, "/new/deep/file"),
        Change(Kind.MODIFIED, "/opt"),
        Change(Kind.MODIFIED, "/opt/tool"),
    ]


def test_an_untouched_container_has_no_changes(snapshots: OverlaySnapshots) -> None:
    snapshots.mount("c")
    assert list_changes(snapshots.upper("c"), lowers(snapshots)) == []


def test_a_folder_made_anew_hides_what_was_in_it(snapshots: OverlaySnapshots) -> None:
    root = snapshots.mount("c")
    (root / "etc/sub/one").unlink()
    (root / "etc/sub").rmdir()
    (root / "etc/sub").mkdir()
    (root / "etc/sub/two").write_text("2")
    found = list_changes(snapshots.upper("c"), lowers(snapshots))
    assert Change(Kind.DELETED, "/etc/sub/one") in found
    assert Change(Kind.ADDED, "/etc/sub/two") in found


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[int]:
    root = tmp_path / "root"
    (root / "dir/inner").mkdir(parents=True)
    (root / "dir/file").write_bytes(b"x" * 3000)
    os.link(root / "dir/file", root / "dir/hard")
    (root / "dir/link").symlink_to("/dir/file")
    (root / "out").symlink_to("../../../../etc")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "dir/pipe")
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_a_folder_is_packed_with_links_as_links(tree: int) -> None:
    found = members(b"".join(archive.pack(tree, "/dir", "dir")))
    assert list(found) == ["dir", "dir/file", "dir/hard", "dir/inner", "dir/link", "dir/pipe"]
    assert found["dir/file"].size == 3000
    assert (found["dir/hard"].islnk(), found["dir/hard"].linkname) == (True, "dir/file")
    assert found["dir/link"].linkname == "/dir/file"
    assert found["dir/pipe"].isfifo()


def test_a_path_with_a_dot_at_its_end_is_its_content(tree: int) -> None:
    assert "./file" in members(b"".join(archive.pack(tree, "/dir/.", archive.base_name("/dir/."))))


def test_links_and_dots_stay_within_the_root(tree: int) -> None:
    for path in ("/out/passwd", "/../../etc/passwd", "/out/../../etc/passwd"):
        with pytest.raises(NotFound):
            archive.stat_path(tree, path)
    with pytest.raises(InvalidArgument):
        archive.stat_path(tree, "/loop/x")


STEPS = ("..", ".", "", "dir", "inner", "file", "link", "out", "loop", "pipe", "passwd", "etc", "root", "é", "a" * 300)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=8), lead=st.sampled_from(("", "/", "//", "/../")))
def test_no_path_leads_out_of_the_root(tree: int, tmp_path: Path, steps: list[str], lead: str) -> None:
    path = lead + "/".join(steps)
    for follow in (True, False):
        try:
            fd = archive.open_path(tree, path, follow=follow)
        except (NotFound, InvalidArgument):
            continue
        try:
            assert Path(os.readlink(f"/proc/self/fd/{fd}")).is_relative_to(tmp_path / "root")
        finally:
            os.close(fd)


def test_stat_tells_gos_mode_bits_and_does_not_follow_the_last_link(tree: int) -> None:
    link = archive.stat_path(tree, "/dir/link")
    assert (link.name, link.link_target, link.mode & (1 << 27)) == ("link", "/dir/file", 1 << 27)
    assert archive.stat_path(tree, "/dir").mode >> 31 == 1
    assert archive.stat_path(tree, "/").name == "/"


def test_a_file_that_shrinks_while_it_is_read_leaves_a_whole_tar(tree: int, tmp_path: Path) -> None:
    big = tmp_path / "root/dir/big"
    big.write_bytes(b"y" * (3 << 20))
    pieces = archive.pack(tree, "/dir/big", "big")
    first = next(pieces)
    big.write_bytes(b"")
    assert members(first + b"".join(pieces))["big"].size == 3 << 20


def test_what_the_runtime_made_to_mount_on_is_no_change(snapshots: OverlaySnapshots) -> None:
    root = snapshots.mount("c")
    (root / "etc/hosts").touch()
    (root / "proc").mkdir()
    assert list_changes(snapshots.upper("c"), lowers(snapshots)) == []
