"""Root tests: they fail where root is missing, and whoever leaks is told."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.docker_cli import eventually
from tests.support.network_lab import NetworkLab


@pytest.fixture(scope="session", autouse=True)
def being_root() -> None:
    """Fail, rather than skip, without root: a green run must have run something."""
    assert os.geteuid() == 0, "tests/root needs root"
    for program in ("conmon", "crun", "nft", "ip", "docker", "skopeo", "docker-registry"):
        found = any(Path(folder, program).exists() for folder in os.environ["PATH"].split(":"))
        assert found, f"{program} is not installed; scripts/setup test does that"


@pytest.fixture(autouse=True)
def leaving_nothing(tmp_path: Path) -> Iterator[None]:
    """Fail the test that leaves a child process, a thread or a mount behind."""
    children, threads = set(children_of(os.getpid())), set(threading.enumerate())
    yield

    def left() -> list[str]:
        return [
            *(f"process {pid}" for pid in children_of(os.getpid()) if pid not in children),
            *(f"thread {thread.name}" for thread in threading.enumerate() if thread not in threads),
            *(f"mount {point}" for point in leaks.mounts_below(tmp_path)),
        ]

    def gone() -> bool:
        return not left()

    try:
        eventually(gone, 5)
    except AssertionError:
        pytest.fail(f"left behind: {left()}")


@pytest.fixture
def lab() -> Iterator[NetworkLab]:
    """The networks as a service of their own, in namespaces that the test made."""
    lab = NetworkLab()
    try:
        yield lab
    finally:
        left = lab.destroy()
    assert not left


def children_of(parent: int) -> list[int]:
    """Return the process's children, those of the session's fixtures among them."""
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        try:
            found += [int(pid) for pid in (task / "children").read_text().split()]
        except OSError:
            continue  # the thread has ended
    return found
