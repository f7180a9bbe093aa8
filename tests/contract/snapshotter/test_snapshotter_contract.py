"""What every `Snapshotter` promises (engine/storage/snapshots/base.py). Needs root: overlayfs mounts for real."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Conflict, NotFound
from engine.storage.paths import Paths
from engine.storage.snapshots.base import Snapshotter
from engine.storage.snapshots.overlay import OverlaySnapshots

BASE = "sha256:" + "a" * 64
TOP = "sha256:" + "b" * 64


@pytest.fixture
def paths() -> Iterator[Paths]:
    """Return an own data root with two unpacked layers."""
    root = Path(tempfile.mkdtemp(prefix="berth-snap-"))
    paths = Paths(root / "data", root / "run")
    paths.ensure()
    for chain_id, text in ((BASE, "base"), (TOP, "top")):
        layer = paths.layers / chain_id.partition(":")[2] / "fs"
        layer.mkdir(parents=True)
        (layer / "both").write_text(text)
        (layer / f"only-{text}").write_text(text)
    yield paths
    shutil.rmtree(root)


@pytest.fixture(params=[OverlaySnapshots], ids=["overlay"])
def snapshots(request: pytest.FixtureRequest, paths: Paths) -> Iterator[Snapshotter]:
    """Return each implementation in turn; unmounts what a test left."""
    made = request.param(paths)
    yield made
    for key in list(made.keys()):
        made.unmount(key)


def test_a_snapshot_shows_its_layers_with_the_topmost_first(snapshots: Snapshotter) -> None:
    snapshots.prepare("c1", [BASE, TOP])
    root = snapshots.mount("c1")
    assert (root / "both").read_text() == "top"
    assert sorted(p.name for p in root.iterdir()) == ["both", "only-base", "only-top"]


def test_two_snapshots_of_one_chain_do_not_see_each_other(snapshots: Snapshotter) -> None:
    for key in ("c1", "c2"):
        snapshots.prepare(key, [BASE])
    (snapshots.mount("c1") / "new").write_text("x")
    assert not (snapshots.mount("c2") / "new").exists()


def test_what_was_written_is_there_after_unmount_and_mount(snapshots: Snapshotter) -> None:
    snapshots.prepare("c1", [BASE])
    (snapshots.mount("c1") / "new").write_text("x")
    snapshots.unmount("c1")
    assert (snapshots.mount("c1") / "new").read_text() == "x"


def test_an_empty_chain_is_an_empty_root(snapshots: Snapshotter) -> None:
    snapshots.prepare("c1", [])
    root = snapshots.mount("c1")
    assert list(root.iterdir()) == []
    (root / "new").write_text("x")
    assert (snapshots.upper("c1") / "new").read_text() == "x"


def test_preparing_a_key_twice_is_a_conflict_and_harms_nothing(snapshots: Snapshotter) -> None:
    snapshots.prepare("c1", [BASE])
    (snapshots.mount("c1") / "new").write_text("x")
    with pytest.raises(Conflict):
        snapshots.prepare("c1", [TOP])
    assert snapshots.chain("c1") == (BASE,)
    assert (snapshots.mount("c1") / "new").exists()


def test_a_layer_that_is_not_unpacked_is_not_found_and_leaves_no_key(snapshots: Snapshotter) -> None:
    with pytest.raises(NotFound):
        snapshots.prepare("c1", [BASE, "sha256:" + "c" * 64])
    assert snapshots.keys() == []


def test_mounting_an_unknown_key_is_not_found(snapshots: Snapshotter, paths: Paths) -> None:
    with pytest.raises(NotFound):
        snapshots.mount("nobody")
    assert list(paths.rootfs.iterdir()) == []


def test_mounting_twice_gives_the_same_place_and_one_mount(snapshots: Snapshotter) -> None:
    snapshots.prepare("c1", [BASE])
    assert snapshots.mount("c1") == snapshots.mount("c1")
    snapshots.unmount("c1")
    assert str(snapshots.upper("c1")) not in Path("/proc/self/mountinfo").read_text()


def test_unmount_and_remove_of_unknown_keys_do_nothing(snapshots: Snapshotter) -> None:
    snapshots.unmount("nobody")
    snapshots.remove("nobody")


def test_remove_takes_the_mount_and_the_files_and_frees_the_key(snapshots: Snapshotter, paths: Paths) -> None:
    snapshots.prepare("c1", [BASE])
    (snapshots.mount("c1") / "new").write_text("x")
    snapshots.remove("c1")
    assert snapshots.keys() == []
    assert list(paths.rootfs.iterdir()) == []
    snapshots.prepare("c1", [BASE])
    assert not (snapshots.mount("c1") / "new").exists()


def test_usage_counts_the_bytes_of_files_once(snapshots: Snapshotter) -> None:
    snapshots.prepare("c1", [BASE])
    root = snapshots.mount("c1")
    assert snapshots.usage("c1") == 0
    (root / "folder").mkdir()
    (root / "folder" / "big").write_bytes(b"x" * 100_000)
    (root / "hard").hardlink_to(root / "folder" / "big")
    (root / "link").symlink_to("a" * 50)
    assert snapshots.usage("c1") == 100_050


def test_many_layers_mount(snapshots: Snapshotter, paths: Paths) -> None:
    chain = [f"sha256:{number:064x}" for number in range(127)]
    for number, chain_id in enumerate(chain):
        layer = paths.layers / chain_id.partition(":")[2] / "fs"
        layer.mkdir(parents=True)
        (layer / f"file-{number}").touch()
    snapshots.prepare("c1", chain)
    assert len(list(snapshots.mount("c1").iterdir())) == 127


def test_another_instance_finds_the_snapshots_and_mounts_of_a_dead_one(snapshots: Snapshotter, paths: Paths) -> None:
    snapshots.prepare("c1", [BASE])
    root = snapshots.mount("c1")
    (root / "new").write_text("x")
    successor = type(snapshots)(paths)  # type: ignore[call-arg]
    successor.recover()
    assert successor.keys() == ["c1"]
    assert (successor.mount("c1") / "new").read_text() == "x"
    successor.remove("c1")
    assert list(paths.rootfs.iterdir()) == []


def test_recover_takes_half_made_and_half_removed_ones_away(snapshots: Snapshotter, paths: Paths) -> None:
    snapshots.prepare("c1", [BASE])
    for name in (".new-c2-00000000", ".gone-c3-00000000"):
        (paths.snapshots / name / "upper").mkdir(parents=True)
    assert snapshots.keys() == ["c1"]
    snapshots.recover()
    assert sorted(p.name for p in paths.snapshots.iterdir()) == ["c1"]
