"""A runtime on this machine, in a mount namespace of the test's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import busybox
from tests.support.runtime_bench import Bench, private_mounts


@pytest.fixture(scope="module")
def busybox_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A busybox root."""
    return busybox.make_rootfs(tmp_path_factory.mktemp("rootfs"))


@pytest.fixture(scope="module")
def own_mounts() -> Iterator[None]:
    """Run the module's tests in a private mount namespace."""
    with private_mounts():
        yield


@pytest.fixture
def bench(busybox_root: Path, own_mounts: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The runtime with folders of its own."""
    with tempfile.TemporaryDirectory(prefix="berth-") as name:
        monkeypatch.chdir(name)  # conmon writes its file `oom` where it is
        made = Bench(Path(name), busybox_root)
        yield made
        made.close()
