"""A whole Debian, packed by other tools, comes out of a pull as it went in. Needs root; slow the first time."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.refs import Platform
from tests.fakes.image_store import SCOPE, Parts, opened
from tests.support import debian, registries

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a registry."""
    with registries.registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def store() -> Iterator[Parts]:
    """Return an empty store."""
    with opened() as parts:
        yield parts


def skopeo(layout: Path, target: str, *options: str) -> None:
    """Copy an image of a layout to a registry."""
    argv = ["skopeo", "copy", "-q", "--dest-tls-verify=false", *options, f"oci:{layout}:debian", f"docker://{target}"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def described(root: Path) -> dict[str, tuple[object, ...]]:
    """Return kind, mode, owner, size, target and capability of everything under a root."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            is_file, is_link = stat.S_ISREG(info.st_mode), stat.S_ISLNK(info.st_mode)
            found[os.path.relpath(path, root)] = (
                info.st_mode, info.st_uid, info.st_gid, info.st_rdev,
                info.st_size if is_file else 0, info.st_nlink if is_file else 0,
                os.readlink(path) if is_link else "",
                "security.capability" in os.listxattr(path, follow_symlinks=False),
            )  # fmt: skip
    return found


def times(root: Path) -> list[float]:
    """Return the times of change in the order of the names: the packers round them to seconds, each its way."""
    return [path.lstat().st_mtime for path in sorted(root.rglob("*"), key=lambda p: str(p.relative_to(root)))]


@pytest.mark.parametrize(
    ("packer", "options"),
    [
        ("umoci", ()),
        ("umoci", ("--format", "v2s2")),
        ("buildah", ("--dest-compress-format", "zstd")),
        ("buildah", ("--dest-compress-format", "gzip")),
    ],
    ids=["umoci-oci", "umoci-docker-v2", "buildah-zstd", "buildah-gzip"],
)
def test_debian_comes_out_as_it_went_in(store: Parts, registry: str, packer: str, options: tuple[str, ...]) -> None:
    layout = debian.umoci_layout() if packer == "umoci" else debian.buildah_layout()
    name = f"{registry}/{packer}:{'-'.join(options).strip('-') or 'plain'}"
    skopeo(layout, name, *options)
    store.pull(name)
    image = store.images.get(SCOPE, name)
    assert image.config.cmd == ("/bin/bash",)
    store.snapshots.prepare("c", image.chain)
    root = store.snapshots.mount("c")
    try:
        assert described(root) == described(debian.tree())
        assert max(abs(a - b) for a, b in zip(times(root), times(debian.tree()), strict=True)) < 1.5
        shown = subprocess.run(["chroot", root, "dpkg", "-s", "bash"], capture_output=True, text=True)
        assert "Status: install ok installed" in shown.stdout
    finally:
        store.snapshots.remove("c")


def test_an_index_made_by_buildah_gives_this_machines_image(store: Parts, registry: str, tmp_path: Path) -> None:
    host = Platform.host()
    foreign = "arm64" if host.architecture != "arm64" else "amd64"
    debian.buildah(tmp_path, "manifest", "create", "many")
    for architecture in (foreign, host.architecture):
        container = debian.buildah(tmp_path, "from", "scratch")
        (tmp_path / "arch").write_text(architecture)
        debian.buildah(tmp_path, "copy", "-q", container, tmp_path / "arch", "/arch")
        debian.buildah(tmp_path, "config", "--arch", architecture, container)
        debian.buildah(tmp_path, "commit", "-q", "--manifest", "many", container)
    target = f"docker://{registry}/many:1"
    debian.buildah(tmp_path, "manifest", "push", "--all", "--tls-verify=false", "many", target)
    for platform, expected in (("", host.architecture), (f"linux/{foreign}", foreign)):
        store.pull(f"{registry}/many:1", platform)
        image = store.images.get(SCOPE, f"{registry}/many:1")
        assert image.architecture == expected
        assert (store.layers.files(image.chain[-1]) / "arch").read_text() == expected
