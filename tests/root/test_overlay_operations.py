"""The four file operations of a layered root, seen on the upper folder."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage.paths import Paths
from engine.storage.snapshots.overlay import OverlaySnapshots

LAYER = "sha256:" + "a" * 64


@pytest.fixture
def base() -> Iterator[Path]:
    """Return an own data root with one layer."""
    root = Path(tempfile.mkdtemp(prefix="berth-ovl-"))
    paths = Paths(root / "data,with:odd chars", root / "run")
    paths.ensure()
    layer = paths.layers / ("a" * 64) / "fs"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc" / "motd").write_text("from the image")
    (layer / "etc" / "hosts").write_text("127.0.0.1")
    layer.chmod(0o751)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def snapshots(base: Path) -> Iterator[OverlaySnapshots]:
    """Return snapshots with `c` mounted."""
    made = OverlaySnapshots(Paths(base / "data,with:odd chars", base / "run"))
    made.prepare("c", [LAYER])
    made.mount("c")
    yield made
    made.remove("c")


def test_create_puts_the_new_file_into_the_upper_folder_alone(snapshots: OverlaySnapshots, base: Path) -> None:
    (snapshots.mount("c") / "etc" / "new").write_text("made here")
    assert (snapshots.upper("c") / "etc" / "new").read_text() == "made here"
    assert not list(base.glob("data*/engine/layers/*/fs/etc/new"))


def test_read_copies_nothing(snapshots: OverlaySnapshots) -> None:
    assert (snapshots.mount("c") / "etc" / "motd").read_text() == "from the image"
    assert list(snapshots.upper("c").iterdir()) == []


def test_modify_copies_the_file_up_and_leaves_the_layer_as_it_was(snapshots: OverlaySnapshots, base: Path) -> None:
    with (snapshots.mount("c") / "etc" / "motd").open("a") as file:
        file.write(", and more")
    assert (snapshots.upper("c") / "etc" / "motd").read_text() == "from the image, and more"
    assert next(base.glob("data*/engine/layers/*/fs/etc/motd")).read_text() == "from the image"
    assert [p.name for p in (snapshots.upper("c") / "etc").iterdir()] == ["motd"]


def test_delete_leaves_a_whiteout_of_device_0_0(snapshots: OverlaySnapshots, base: Path) -> None:
    (snapshots.mount("c") / "etc" / "motd").unlink()
    assert not (snapshots.mount("c") / "etc" / "motd").exists()
    info = (snapshots.upper("c") / "etc" / "motd").lstat()
    assert stat.S_ISCHR(info.st_mode)
    assert info.st_rdev == os.makedev(0, 0)
    assert next(base.glob("data*/engine/layers/*/fs/etc/motd")).exists()


def test_a_folder_deleted_and_made_again_is_opaque(snapshots: OverlaySnapshots) -> None:
    root = snapshots.mount("c")
    shutil.rmtree(root / "etc")
    (root / "etc").mkdir()
    assert list((root / "etc").iterdir()) == []
    assert os.getxattr(snapshots.upper("c") / "etc", "trusted.overlay.opaque") == b"y"


def test_the_root_has_the_mode_of_the_topmost_layer(snapshots: OverlaySnapshots) -> None:
    assert stat.S_IMODE(snapshots.mount("c").stat().st_mode) == 0o751
