"""The watcher's bookkeeping, with children that stand in for monitors."""

from __future__ import annotations

import queue
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import watcher as watcher_module
from engine.runtime.base import ExitNotice
from engine.runtime.watcher import ConmonWatcher

MS = 1_000_000


class Remains:
    def __init__(self) -> None:
        self.oom: set[str] = set()
        self.killed: list[str] = []

    def is_oom_killed(self, container_id: str) -> bool:
        return container_id in self.oom

    def kill_all(self, container_id: str) -> bool:
        self.killed.append(container_id)
        return True


class Scene:
    def __init__(self, folder: Path) -> None:
        self.exits, self.bundles = folder / "exits", folder / "bundles"
        self.exits.mkdir()
        self.bundles.mkdir()
        self.remains = Remains()
        self.told: queue.Queue[ExitNotice] = queue.Queue()
        self.watcher = ConmonWatcher(self.exits, self.bundles, self.remains)
        self.children: list[subprocess.Popen[bytes]] = []

    def monitor(self) -> int:
        child = subprocess.Popen(["/bin/sleep", "60"])
        self.children.append(child)
        return child.pid

    def ended(self, container_id: str, code: str) -> None:
        (self.exits / ".partial").write_text(code)
        (self.exits / ".partial").rename(self.exits / container_id)

    def close(self) -> None:
        self.watcher.close()
        for child in self.children:
            child.kill()
            child.wait()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def test_exit_file_tells_while_the_monitor_still_lives(scene: Scene) -> None:
    scene.watcher.start(scene.told.put)
    scene.watcher.watch("c1", scene.monitor())
    scene.remains.oom.add("c1")
    scene.ended("c1", "3")
    notice = scene.told.get(timeout=2)
    assert (notice.container_id, notice.exit_code, notice.oom_killed) == ("c1", 3, True)
    scene.children[0].kill()
    with pytest.raises(queue.Empty):
        scene.told.get(timeout=0.05)


def test_file_that_was_there_before_is_told_at_once(scene: Scene) -> None:
    (scene.bundles / "c1").mkdir()
    scene.ended("c1", "0")
    scene.watcher.start(scene.told.put)
    scene.watcher.watch("c1", scene.monitor())
    assert scene.told.get(timeout=2).exit_code == 0


def test_file_of_a_run_that_was_cleared_away_goes_and_one_with_a_bundle_stays(scene: Scene) -> None:
    (scene.bundles / "kept").mkdir()
    scene.watcher.start(scene.told.put)
    for name in ("kept", "cleared", "kept.tmp"):
        scene.ended(name, "0")
    scene.watcher.watch("last", scene.monitor())
    scene.ended("last", "0")
    assert scene.told.get(timeout=2).container_id == "last"
    assert sorted(path.name for path in scene.exits.iterdir()) == ["kept", "kept.tmp", "last"]


def test_strangers_files_are_ignored(scene: Scene) -> None:
    scene.watcher.start(scene.told.put)
    scene.ended("stranger", "1")
    scene.watcher.watch("c1", scene.monitor())
    scene.ended("c1", "2")
    assert scene.told.get(timeout=2).container_id == "c1"


def test_monitor_gone_without_a_file_is_lost(scene: Scene) -> None:
    scene.watcher.start(scene.told.put)
    scene.watcher.watch("c1", scene.monitor())
    scene.children[0].kill()
    notice = scene.told.get(timeout=2)
    assert (notice.exit_code, scene.remains.killed) == (137, ["c1"])


@pytest.mark.parametrize("pid", [0, 2**22 - 3], ids=["unknown", "long gone"])
def test_monitor_that_is_not_there_is_lost_at_once(scene: Scene, pid: int) -> None:
    scene.watcher.start(scene.told.put)
    scene.watcher.watch("c1", pid)
    assert scene.told.get(timeout=2).exit_code == 137


def test_exec_has_its_own_file_and_its_own_listener(scene: Scene) -> None:
    own: queue.Queue[ExitNotice] = queue.Queue()
    scene.watcher.start(scene.told.put)
    folder = scene.bundles / "c1/exec/e1"
    folder.mkdir(parents=True)
    (folder / "c1").write_text("9")
    scene.watcher.watch_exec("c1", "e1", scene.monitor(), own.put)
    scene.children[0].kill()
    notice = own.get(timeout=2)
    assert (notice.exec_id, notice.exit_code) == ("e1", 9)
    assert scene.told.empty()
    assert scene.remains.killed == []


def test_listener_that_fails_does_not_end_the_watch(scene: Scene) -> None:
    def listen(notice: ExitNotice) -> None:
        scene.told.put(notice)
        raise RuntimeError("a listener's fault")

    scene.watcher.start(listen)
    for name in ("c1", "c2"):
        scene.watcher.watch(name, scene.monitor())
        scene.ended(name, "0")
        assert scene.told.get(timeout=2).container_id == name


def test_closed_watcher_tells_nothing(scene: Scene) -> None:
    scene.watcher.start(scene.told.put)
    scene.watcher.watch("c1", scene.monitor())
    scene.watcher.close()
    scene.ended("c1", "0")
    assert scene.told.empty()
    scene.watcher = ConmonWatcher(scene.exits, scene.bundles, scene.remains)


@pytest.mark.parametrize(
    ("file", "now", "told"),
    [(100 * MS, 103 * MS, 103 * MS), (100 * MS, 500 * MS, 100 * MS), (100 * MS, 90 * MS, 100 * MS)],
    ids=["seen live", "seen later", "clock set back"],
)
def test_time_of_an_end(file: int, now: int, told: int) -> None:
    assert watcher_module.fine_time(file, now) == told


def test_end_is_not_before_its_start(scene: Scene) -> None:
    scene.watcher.start(scene.told.put)
    began = time.time_ns()
    scene.watcher.watch("c1", scene.monitor())
    scene.ended("c1", "0")
    assert scene.told.get(timeout=2).time_ns > began
