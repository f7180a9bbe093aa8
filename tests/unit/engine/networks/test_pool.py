from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.networks.pool import SandboxPool
from engine.networks.sandboxes import Sandbox


class Maker:
    """Makes sandboxes that are only names."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.discarded: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def make(self, key: str) -> Sandbox:
        self.gate.wait(5)
        name = f"{key}-{len(self.made)}"
        self.made.append(name)
        return Sandbox(name, Path(name))

    def discard(self, sandbox: Sandbox) -> None:
        self.discarded.append(sandbox.name)


@pytest.fixture
def maker() -> Maker:
    return Maker()


def test_a_pool_is_filled_and_filled_again(maker: Maker) -> None:
    pool = SandboxPool(maker.make, maker.discard)
    pool.keep("a", 2)
    assert pool.wait_filled(5)
    first = pool.take("a")
    assert first is not None
    assert first.name == "a-0"
    assert pool.wait_filled(5)
    assert maker.made == ["a-0", "a-1", "a-2"]
    pool.close()
    assert sorted(maker.discarded) == ["a-1", "a-2"]


def test_nothing_is_ready_under_an_unknown_key(maker: Maker) -> None:
    pool = SandboxPool(maker.make, maker.discard)
    assert pool.take("b") is None
    pool.close()


def test_a_dropped_key_takes_nothing_in_any_more(maker: Maker) -> None:
    maker.gate.clear()
    pool = SandboxPool(maker.make, maker.discard)
    pool.keep("a", 1)
    pool.drop("a")
    maker.gate.set()
    pool.close()
    assert maker.discarded == maker.made


def test_more_is_kept_never_less(maker: Maker) -> None:
    pool = SandboxPool(maker.make, maker.discard)
    pool.keep("a", 3)
    pool.keep_at_least("a", 1)
    pool.keep_at_least("b", 1)
    assert pool.wait_filled(5)
    assert len(maker.made) == 4
    pool.close()
