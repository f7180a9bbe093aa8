"""Garbage collection under load, with kill -9 in between: nothing that is referred to is lost, nothing else stays.

A process pulls, loads (which commits layers, as a build does), removes and prunes from five threads at once on one
store, and is killed; the next one finds a whole store and goes on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import BerthError
from tests.fakes import tars
from tests.fakes.image_store import SCOPE, Parts, docker_archive, opened
from tests.root.test_pull import push
from tests.support import registries

ROUNDS = 4
_BASE = tars.tree({f"lib/b{n}": random.Random(n).randbytes(20_000) for n in range(40)})


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of an open registry."""
    with registries.registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


def layered(number: int) -> list[bytes]:
    """Return the layers of one of the images, which share all but the last."""
    return [_BASE, tars.tree({"mid": b"m" * 1000}), tars.tree({f"top{number}": bytes([number]) * 50_000})]


def churn(store: Parts, names: list[str], seconds: float, tell: Callable[[str], None]) -> None:
    """Do all of it at once for a while; conflicts and lost races are part of it, anything else ends it."""
    until = time.monotonic() + seconds

    def loop(number: int, act: Callable[[random.Random], object]) -> None:
        dice = random.Random(os.getpid() + number)
        while time.monotonic() < until:
            try:
                act(dice)
            except BerthError as error:
                if "damaged" in str(error):
                    raise
            tell(f"did {number}")

    def load(dice: random.Random) -> None:
        number = dice.randrange(5)
        store.load(docker_archive(layered(number), [f"loaded{number}:1"]))

    def remove(dice: random.Random) -> None:
        store.images.remove(SCOPE, dice.choice([*names, *(f"loaded{n}:1" for n in range(5))]), force=True)

    acts: list[Callable[[random.Random], object]] = [
        lambda dice: store.pull(dice.choice(names)), lambda dice: store.pull(dice.choice(names)), load, remove,
        lambda dice: store.images.prune(SCOPE, {"dangling": ("false",)} if dice.random() < 0.3 else {}),
    ]  # fmt: skip
    threads = [threading.Thread(target=loop, args=(n, act)) for n, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def check(store: Parts) -> None:
    """Fail where a record lacks content, or content has no record."""
    wanted = set()
    for view in store.images.list_(SCOPE):
        for digest in view.image.blobs:
            assert store.content.verify(digest), f"lost: blob {digest}"
        for layer in view.image.layers:
            assert store.layers.has(layer.chain_id), f"lost: layer {layer.chain_id}"
            assert sum(1 for _ in store.layers.tar(layer.chain_id)), layer
        wanted.update(f"blobs/{digest.replace(':', '/')}" for digest in view.image.blobs)
        wanted.update(f"layers/{chain_id.partition(':')[2]}" for chain_id in view.image.chain)
    assert set(store.files()) == wanted


def test_kill_9_under_load_loses_nothing_and_leaks_nothing(registry: str, tmp_path: Path) -> None:
    names = [push(registry, *layered(number)) for number in range(3)]
    for round_ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.root.test_garbage_load", tmp_path, *names],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert process.stdout
        did: set[str] = set()
        enough = random.Random(round_).randrange(20, 80)
        for count, line in enumerate(process.stdout):
            did.add(line.strip())
            if count >= enough and len(did) >= 4:
                break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert len(did) >= 4, f"the load ended early: {did}"
        with opened(tmp_path) as store:
            store.images.recover()
            check(store)
    with opened(tmp_path) as store:
        churn(store, names, 1.0, lambda line: None)
        store.images.prune(SCOPE, {"dangling": ("false",)})
        assert store.files() == []


if __name__ == "__main__":
    with opened(Path(sys.argv[1])) as opened_store:
        opened_store.images.recover()
        churn(opened_store, sys.argv[2:], 60, lambda line: print(line, flush=True))
