"""Layers are unpacked whole and safely, or not at all. Needs root: owners, devices, trusted xattrs."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from engine.errors import Exhausted, InvalidArgument, NotFound
from engine.refs import digest_of
from engine.storage.layers import Layers, chain_ids
from engine.storage.paths import Paths
from engine.storage.snapshots.overlay import OverlaySnapshots
from tests.fakes import tars
from tests.fakes.tars import link, member, tar


@pytest.fixture
def paths() -> Iterator[Paths]:
    """Return an own data root."""
    root = Path(tempfile.mkdtemp(prefix="berth-layers-", dir="/var/tmp"))
    paths = Paths(root / "data", root / "run")
    paths.ensure()
    yield paths
    shutil.rmtree(root)


@pytest.fixture
def layers(paths: Paths) -> Iterator[Layers]:
    """Return an empty store of layers."""
    made = Layers(paths)
    yield made
    made.close()


def unpacked(layers: Layers, data: bytes) -> Path:
    """Unpack `data` as a base layer and return its files."""
    staged = layers.stage(tars.pieces(data, 4000))
    layers.commit(staged, staged.diff_id, "")
    return layers.files(staged.diff_id)


def left(layers: Layers, paths: Paths) -> list[str]:
    """Return what is in the layers' folder once the sweeper is done."""
    layers.drain()
    return sorted(p.name for p in paths.layers.iterdir())


def test_everything_a_tar_says_is_on_the_disk(layers: Layers) -> None:
    files = unpacked(
        layers,
        tar(
            member("d", mode=0o2751, uid=5, gid=6, mtime=1111),
            member("d/f", b"hello", mode=0o4755, uid=1000, gid=1001, mtime=2222.5),
            link("d/soft", "/etc/passwd"),
            link("d/hard", "d/f", hard=True),
            member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
            member("pipe", type=tarfile.FIFOTYPE, mode=0o600),
            member("x", b"", pax_headers={"SCHILY.xattr.user.k": "v"}),
            member("implicit/parents/f", b""),
        ),
    )
    folder, file = (files / "d").stat(), (files / "d/f").stat()
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid, folder.st_gid, folder.st_mtime) == (0o2751, 5, 6, 1111)
    assert (stat.S_IMODE(file.st_mode), file.st_uid, file.st_gid) == (0o4755, 1000, 1001)
    assert file.st_mtime_ns == 2_222_500_000_000
    assert os.readlink(files / "d/soft") == "/etc/passwd"
    assert (files / "d/hard").stat().st_ino == file.st_ino
    assert (files / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISFIFO((files / "pipe").stat().st_mode)
    assert os.getxattr(files / "x", "user.k") == b"v"
    assert stat.S_IMODE((files / "implicit/parents").stat().st_mode) == 0o755


PACKERS = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_the_diff_id_is_that_of_the_uncompressed_tar(layers: Layers, pack: object) -> None:
    data = tars.tree({"a": b"x" * 100_000})
    staged = layers.stage(tars.pieces(pack(data)), digest_of(data))  # type: ignore[operator]
    assert staged.diff_id == digest_of(data)
    assert staged.size == 100_000
    layers.discard(staged)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([member("../evil", b"x")], '"../evil" is outside'),
        ([member("a/../../evil", b"x")], "outside"),
        ([link("hard", "../../../etc/shadow", hard=True)], "outside"),
        ([link("out", "/tmp"), member("out/evil", b"x")], 'through the symbolic link "out"'),
        ([link("out", "../../../.."), member("out/evil", b"x")], "through the symbolic link"),
        ([member("d"), link("d/in", "../e"), member("e"), member("d/in/evil", b"x")], "through the symbolic link"),
        ([link("out", "/"), member("out/made/evil", b"x")], "symbolic link"),
        ([link("out", "/etc"), link("h", "out/passwd", hard=True)], 'hard link "h" to "out/passwd"'),
        ([link("out", "/etc"), member("out/.wh.passwd", b"")], "symbolic link"),
        ([link("out", "/etc"), member("out/.wh..wh..opq", b"")], "symbolic link"),
        ([member("f", b"x"), member("f/below", b"x")], "not a directory"),
        ([link("h", "missing", hard=True)], "No such file"),
        ([member("d/.wh...", b"")], "invalid whiteout"),
        ([member("n" * 300, b"")], "File name too long"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_bad_layers_are_refused_and_leave_nothing(
    layers: Layers, paths: Paths, members: list[tuple[tarfile.TarInfo, bytes | None]], says: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        layers.stage([tar(member("good", b"x"), *members)])
    assert says in str(refused.value)
    assert left(layers, paths) == []
    assert not Path("/tmp/evil").exists()


def test_a_wrong_diff_id_is_refused_and_leaves_nothing(layers: Layers, paths: Paths) -> None:
    with pytest.raises(InvalidArgument, match="wrong diff id"):
        layers.stage([tars.tree({"a": b"x"})], digest_of(b"other"))
    assert left(layers, paths) == []


def test_an_error_of_the_stream_passes_through_and_leaves_nothing(layers: Layers, paths: Paths) -> None:
    def broken() -> Iterator[bytes]:
        yield tars.tree({"a": b"x" * 5000})[:3000]
        raise ConnectionResetError("gone")

    threads = threading.active_count()
    with pytest.raises(ConnectionResetError):
        layers.stage(broken())
    assert left(layers, paths) == []
    assert threading.active_count() <= threads + 1, "the sweeper, and no reader left behind"


def test_a_link_that_a_file_replaces_is_not_followed(layers: Layers) -> None:
    files = unpacked(layers, tar(link("f", "/tmp/evil"), member("f", b"x")))
    assert (files / "f").read_bytes() == b"x"
    assert not (files / "f").is_symlink()
    assert not Path("/tmp/evil").exists()


def test_a_folder_that_a_link_replaces_is_not_entered_again(layers: Layers) -> None:
    with pytest.raises(InvalidArgument, match="symbolic link"):
        layers.stage([tar(member("d"), member("d/f", b""), link("d", "/tmp"), member("d/evil", b"x"))])
    assert not Path("/tmp/evil").exists()


def test_foreign_xattrs_are_not_taken_over(layers: Layers) -> None:
    headers = {"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.trusted.overlay.opaque": "y"}
    files = unpacked(layers, tar(member("d", pax_headers=headers)))
    assert os.listxattr(files / "d") == []


def test_whiteouts_hide_what_is_below_in_the_mounted_root(layers: Layers, paths: Paths) -> None:
    below = tars.tree(dict.fromkeys(["keep", "gone", "dir/gone", "opq/old", "again/old", "own/old"], b"1"))
    above = tar(
        member(".wh.gone", b""),
        member(".wh.dir", b""),
        member("opq"),
        member("opq/new", b"2"),
        member("opq/.wh..wh..opq", b""),
        member(".wh.again", b""),
        member("again"),
        member("again/new", b"2"),
        member("own"),
        member("own/new", b"2"),
        member(".wh.own", b""),
        member(".wh..wh.plnk/1.2", b"aufs"),
    )
    diffs = []
    for data in (below, above):
        staged = layers.stage([data])
        diffs.append(staged.diff_id)
        layers.commit(staged, chain_ids(diffs)[-1], "")
    snapshots = OverlaySnapshots(paths)
    snapshots.prepare("c", chain_ids(diffs))
    root = snapshots.mount("c")
    try:
        seen = sorted(str(p.relative_to(root)) for p in root.rglob("*"))
        assert seen == ["again", "again/new", "keep", "opq", "opq/new", "own", "own/new"]
    finally:
        snapshots.remove("c")


def test_the_tar_is_made_again_bit_by_bit(layers: Layers) -> None:
    data = tar(
        member("./"),
        member("d", pax_headers={"comment": "x"}),
        member("d/big", bytes(range(256)) * 3000),
        member("d/" + "n" * 180, b"long name"),
        member("d/.wh.f", b""),
        link("l", "d/big", hard=True),
        member("empty", b""),
    )
    staged = layers.stage(tars.pieces(data, 999))
    layers.commit(staged, staged.diff_id, "")
    assert hashlib.sha256(b"".join(layers.tar(staged.diff_id))).hexdigest() == hashlib.sha256(data).hexdigest()


def test_a_tar_with_a_file_twice_says_that_it_cannot_be_made_again(layers: Layers) -> None:
    staged = layers.stage([tar(member("f", b"1"), member("f", b"22"))])
    layers.commit(staged, staged.diff_id, "")
    assert not layers.has_tar(staged.diff_id)
    with pytest.raises(NotFound):
        layers.tar(staged.diff_id)


def test_committing_twice_keeps_the_first(layers: Layers, paths: Paths) -> None:
    for _ in (1, 2):
        staged = layers.stage([tars.tree({"a": b"x"})])
        layers.commit(staged, staged.diff_id, "")
    assert left(layers, paths) == [staged.diff_id.partition(":")[2]]
    assert layers.info(staged.diff_id).size == 1


def test_remove_frees_the_name_at_once_and_the_disk_soon(layers: Layers, paths: Paths) -> None:
    staged = layers.stage([tars.tree({"a": b"x"})])
    layers.commit(staged, staged.diff_id, "")
    layers.remove(staged.diff_id)
    assert not layers.has(staged.diff_id)
    assert left(layers, paths) == []


def test_recover_deletes_what_a_crash_left(layers: Layers, paths: Paths) -> None:
    layers.stage([tars.tree({"a": b"x"})])
    (paths.layers / ".gone-1" / "fs").mkdir(parents=True)
    layers.recover()
    assert left(layers, paths) == []


def test_a_full_disk_is_exhausted_and_leaves_nothing(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "berth-test", tmp_path], check=True)
    try:
        paths = Paths(tmp_path / "data", tmp_path / "run")
        paths.ensure()
        layers = Layers(paths)
        with pytest.raises(Exhausted, match="no space left on device"):
            layers.stage([tars.tree({"big": b"x" * 4_000_000})])
        assert left(layers, paths) == []
        layers.close()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_chain_ids_are_those_of_the_specification() -> None:
    a, b = digest_of(b"a"), digest_of(b"b")
    assert chain_ids([]) == ()
    assert chain_ids([a, b]) == (a, digest_of(f"{a} {b}".encode()))


def test_layers_begin_far_from_each_other_where_the_file_system_can(layers: Layers, paths: Paths) -> None:
    kind = subprocess.run(["stat", "-f", "-c", "%T", paths.layers], capture_output=True, text=True, check=True).stdout
    flags = subprocess.run(["lsattr", "-d", paths.layers], capture_output=True, text=True, check=False).stdout.split()
    assert ("T" in flags[0]) if kind.startswith("ext") else True
    assert unpacked(layers, tars.tree({"a": b"x"})).is_dir()
