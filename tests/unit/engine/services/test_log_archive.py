"""The logs of removed containers: kept, readable at every moment, dropped by policy, whole after any crash."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.clock import now_ns
from engine.containers.model import Config, Container
from engine.errors import Forbidden, InvalidArgument, NotFound
from engine.events import Bus
from engine.logs.store import ArchivedLog, ArchiveStore, Policy
from engine.services.log_archive import LogArchive
from engine.storage import migrate
from engine.storage.db import Database
from engine.storage.paths import Paths
from engine.values import Scope, Surface
from tests.fakes.conmon_log import BASE_NS, Write, physical_lines
from tests.fakes.make import a_container

_DAY_NS = 24 * 3600 * 1_000_000_000
_SCOPE = Scope("team")


class World:
    """A database, folders, and one archive after the other on them."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root / "data", root / "run")
        self.paths.ensure()
        migrate.upgrade(self.paths.database)
        self.database = Database(self.paths.database, Bus())
        self.store = ArchiveStore(self.database, Policy(days=30, bytes=1 << 30, count=100, live_bytes=0))
        self.archive = self.fresh()

    def fresh(self) -> LogArchive:
        """Return the archive as a new engine has it."""
        self.archive = LogArchive(self.store, self.paths, threading.Lock())
        self.archive.load()
        return self.archive

    def container(self, number: int, text: bytes = b"one\ntwo\n") -> Container:
        """Make a container of the team that has written something."""
        container = replace(
            a_container(), id=f"{number:064x}", namespace="team", name=f"web{number}", config=Config(image="app:1")
        )
        path = self.paths.log(container.id)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(physical_lines([Write("stdout", text, BASE_NS)] if text else [])))
        return container

    def remove(self, container: Container) -> None:
        """What the removal of a container does."""
        with self.database.transaction() as transaction:
            self.archive.begin(transaction, container)
        self.archive.keep(container.id)

    def read(self, archive_id: str) -> list[bytes]:
        """Return the lines of an archived log."""
        log = self.archive.find(_SCOPE, archive_id)
        assert log is not None
        with closing(self.archive.open(log)) as opened:
            return [line for frame in opened.frames for line in frame.load().lines]

    def wait_ready(self, archive_id: str) -> ArchivedLog:
        """Wait until a log is built."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            log = self.archive.find(_SCOPE, archive_id)
            if log is not None and log.ready:
                return log
            time.sleep(0.002)
        raise AssertionError("the log was not built")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.archive.close()
    world.database.close()


def test_a_removed_container_s_log_stays_under_its_name(world: World) -> None:
    """It is read while its files are conmon's, and the same when they are compressed."""
    container = world.container(1)
    world.remove(container)
    assert world.read(container.id) == [b"one", b"two"]
    assert not world.paths.log(container.id).exists()
    world.archive.start()
    log = world.wait_ready(container.id)
    assert (log.name, log.image, log.summary.lines, log.summary.size) == ("web1", "app:1", 2, 8)
    assert world.read(container.id) == [b"one", b"two"]
    folder = world.paths.log_archive / "team" / container.id
    assert [path.name for path in folder.iterdir()] == ["log.zst"]


def test_nothing_is_kept_of_an_empty_log_or_where_the_policy_says_so(world: World) -> None:
    world.remove(world.container(1, b""))
    world.archive.set_policy(_SCOPE, {"days": 0})
    world.remove(world.container(2))
    assert world.archive.list_(_SCOPE) == []


def test_another_namespace_sees_nothing(world: World) -> None:
    container = world.container(1)
    world.remove(container)
    assert world.archive.list_(Scope("other")) == []
    assert world.archive.find(Scope("other"), container.id) is None
    with pytest.raises(NotFound):
        world.archive.remove(Scope("other"), container.id)
    assert [log.id for log in world.archive.list_(Scope("*"))] == [container.id]


def _nothing(_world: World, _container: Container) -> None:
    """Killed right after the record."""


def _moved(world: World, container: Container) -> None:
    world.archive.keep(container.id)


def _half_moved(world: World, container: Container) -> None:
    folder = world.paths.log_archive / "team" / container.id
    folder.mkdir(parents=True)
    path = world.paths.log(container.id)
    path.with_name("log.1").write_bytes(b"")
    path.with_name("log.1").rename(folder / "log.1")


def _half_written(world: World, container: Container) -> None:
    world.archive.keep(container.id)
    (world.paths.log_archive / "team" / container.id / "log.zst.new").write_bytes(b"BERTHLOG1\nrubbish")


def _written(world: World, container: Container) -> None:
    world.archive.keep(container.id)
    log = world.archive.find(_SCOPE, container.id)
    assert log is not None
    folder = world.paths.log_archive / "team" / container.id
    assert world.archive._write(folder, folder / "log.zst") is not None


@pytest.mark.parametrize("until", [_nothing, _moved, _half_moved, _half_written, _written])
def test_a_crash_anywhere_loses_nothing(world: World, until: Callable[[World, Container], None]) -> None:
    """The next engine goes on where this one was killed."""
    container = world.container(1)
    with world.database.transaction() as transaction:
        world.archive.begin(transaction, container)
    until(world, container)
    world.fresh()
    assert world.read(container.id) == [b"one", b"two"]
    world.archive.start()
    world.wait_ready(container.id)
    assert world.read(container.id) == [b"one", b"two"]
    folder = world.paths.log_archive / "team" / container.id
    deadline = time.monotonic() + 10
    while len(list(folder.iterdir())) > 1 and time.monotonic() < deadline:
        time.sleep(0.002)
    assert [path.name for path in folder.iterdir()] == ["log.zst"]


def test_a_folder_without_a_record_is_swept(world: World) -> None:
    stray = world.paths.log_archive / "team" / ("f" * 64)
    stray.mkdir(parents=True)
    world.fresh()
    assert not stray.exists()


def _ready(world: World, number: int, removed_ns: int, stored: int) -> None:
    log = ArchivedLog(f"{number:064x}", "team", "web", removed_ns=removed_ns, ready=True)
    log = replace(log, summary=replace(log.summary, stored=stored, size=stored * 5))
    with world.database.transaction() as transaction:
        world.store.add(transaction, log)
    (world.paths.log_archive / "team" / log.id).mkdir(parents=True)


@pytest.mark.parametrize(
    ("policy", "left"),
    [({"days": 2}, [1, 0]), ({"bytes": 250}, [1, 0]), ({"count": 3}, [2, 1, 0]), ({"days": None}, [3, 2, 1, 0])],
    ids=str,
)
def test_a_policy_holds_at_once(world: World, policy: dict[str, int | None], left: list[int]) -> None:
    """By age, by bytes on disk, by number: the oldest go, files and records."""
    for number in range(4):
        _ready(world, number, now_ns() - number * _DAY_NS - 1000, 100)
    world.archive.set_policy(_SCOPE, policy)
    assert [int(log.id, 16) for log in world.archive.list_(_SCOPE)] == left
    assert len(list((world.paths.log_archive / "team").iterdir())) == len(left)
    assert world.archive.used("team").stored == 100 * len(left)


def test_a_policy_is_the_team_s_own_and_can_be_the_default_again(world: World) -> None:
    world.archive.set_policy(_SCOPE, {"days": 3, "live_bytes": 1000})
    assert world.archive.policy("team") == replace(world.archive.defaults, days=3, live_bytes=1000)
    assert world.archive.policy("other") == world.archive.defaults
    world.archive.set_policy(_SCOPE, {"days": None})
    assert world.archive.policy("team") == replace(world.archive.defaults, live_bytes=1000)
    for bad in ({"days": -1}, {"weeks": 2}, {"bytes": 1 << 60}):
        with pytest.raises(InvalidArgument, match=next(iter(bad))):
            world.archive.set_policy(_SCOPE, bad)


def test_a_team_may_keep_less_and_only_an_administrator_more(world: World) -> None:
    owner = Scope("team", surface=Surface.WEB)
    assert world.archive.set_policy(owner, {"days": 5, "count": 100}).days == 5
    for more in ({"days": 31}, {"count": 101}, {"bytes": 1 << 31}):
        with pytest.raises(Forbidden, match="administrator"):
            world.archive.set_policy(owner, more)
    assert world.archive.set_policy(replace(owner, grants=frozenset("*")), {"days": 31}).days == 31
