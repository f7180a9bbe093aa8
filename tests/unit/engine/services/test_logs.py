"""The log service: following, its ends, rotation."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.clock import now_ns
from engine.containers.model import Container, HostConfig, LogConfig, State, Status
from engine.errors import Unsupported
from engine.logs.model import LogQuery
from engine.services.logs import Logs, LogStream
from engine.storage.paths import Paths
from tests.fakes.conmon_log import BASE_NS, Write, physical_lines
from tests.fakes.make import a_container


class Writer:
    """A container's conmon: appends, and begins a new file when told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.reopened = 0
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)

    def write(self, text: bytes) -> None:
        """Write what a container wrote at once."""
        with self._lock:
            self._file.write(b"".join(physical_lines([Write("stdout", text, now_ns())])))

    def reopen(self) -> None:
        """What conmon does at its control command."""
        with self._lock:
            self._file.close()
            self._file = self.path.open("ab", buffering=0)
            self.reopened += 1

    def close(self) -> None:
        self._file.close()


class World:
    """One running container and the service."""

    def __init__(self, root: Path, log_config: LogConfig, before: World | None = None) -> None:
        container = a_container(status=Status.RUNNING, host_config=HostConfig(log_config=log_config))
        container = before.container if before and before.container else container
        self.container: Container | None = container
        paths = Paths(root / "data", root / "run")
        self.writer = before.writer if before else Writer(paths.log(container.id))
        self.logs = Logs(paths, find=lambda _: self.container, reopen=lambda _: self.writer.reopen())
        self.logs.start([container])

    def stream(self, **query: object) -> LogStream:
        """Open the log, not framed."""
        assert self.container is not None
        return self.logs.open(self.container, LogQuery(**query), framed=False)  # type: ignore[arg-type]

    def read(self, **query: object) -> bytes:
        """Read the log, not framed."""
        with closing(self.stream(**query)) as stream:
            return b"".join(stream)

    def end(self) -> None:
        """The container's run ends."""
        assert self.container is not None
        self.container = replace(self.container, state=State(status=Status.EXITED))
        self.logs.on_change(self.container)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make a world with these log options."""
    worlds = []

    def build(driver: str = "json-file", **options: str) -> World:
        config = LogConfig(driver, {name.replace("_", "-"): value for name, value in options.items()})
        worlds.append(World(tmp_path / str(len(worlds)), config))
        return worlds[-1]

    yield build
    for world in worlds:
        world.logs.close()
        world.writer.close()


class Follower(threading.Thread):
    """Reads a stream to its end."""

    def __init__(self, stream: LogStream) -> None:
        super().__init__()
        self.stream = stream
        self.text = b""
        self.start()

    def run(self) -> None:
        with closing(self.stream):
            for chunk in self.stream:
                self.text += chunk

    def wait_for(self, text: bytes) -> None:
        """Wait until exactly this has arrived."""
        deadline = time.monotonic() + 5
        while self.text != text and time.monotonic() < deadline:
            time.sleep(0.001)
        assert self.text == text

    def ended(self) -> bytes:
        """Wait for the stream's end."""
        self.join(5)
        assert not self.is_alive()
        return self.text


def test_a_follower_sees_lines_as_they_come_and_the_end(make: Callable[..., World]) -> None:
    """The last, unfinished line arrives with the end."""
    world = make()
    world.writer.write(b"before\n")
    follower = Follower(world.stream(follow=True))
    follower.wait_for(b"before\n")
    world.writer.write(b"now\npart")
    follower.wait_for(b"before\nnow\n")
    world.writer.write(b"ing\nlast")
    follower.wait_for(b"before\nnow\nparting\n")
    world.end()
    assert follower.ended() == b"before\nnow\nparting\nlast"


def test_tail_nothing_and_follow(make: Callable[..., World]) -> None:
    """Only what comes from now on, a line that has begun included."""
    world = make()
    world.writer.write(b"old\nbeg")
    follower = Follower(world.stream(follow=True, tail=0))
    world.writer.write(b"un\nnew\n")
    follower.wait_for(b"begun\nnew\n")
    world.end()
    follower.ended()


@pytest.mark.parametrize("how", ["close", "service", "removed"])
def test_a_follower_that_waits_can_be_ended(make: Callable[..., World], how: str) -> None:
    """By its client, by the engine, by the removal of the container."""
    world = make()
    world.writer.write(b"x\n")
    stream = world.stream(follow=True)
    follower = Follower(stream)
    follower.wait_for(b"x\n")
    if how == "close":
        stream.cancel()
    elif how == "service":
        world.logs.close()
    else:
        gone, world.container = world.container, None
        assert gone is not None
        world.logs.drop(replace(gone, state=State(status=Status.REMOVING)))
    follower.ended()


def test_until_ends_a_follower(make: Callable[..., World]) -> None:
    """At that time if nothing is written, at the first later line otherwise."""
    world = make()
    follower = Follower(world.stream(follow=True, until_ns=now_ns() + 30_000_000))
    world.writer.write(b"in time\n")
    assert follower.ended() == b"in time\n"


def test_following_a_stopped_container_ends_at_once(make: Callable[..., World]) -> None:
    """As does a query whose end has passed."""
    world = make()
    world.writer.write(b"x\n")
    assert world.read(follow=True, until_ns=BASE_NS) == b""
    world.end()
    assert world.read(follow=True) == b"x\n"


def test_a_stream_that_is_never_iterated_holds_nothing(make: Callable[..., World]) -> None:
    """A client may vanish before its first byte."""
    world = make()
    before = os.listdir("/proc/self/fd")
    stream = world.stream(follow=True)
    assert len(os.listdir("/proc/self/fd")) > len(before)
    stream.close()
    assert os.listdir("/proc/self/fd") == before
    assert list(stream) == []


def test_no_driver_no_log(make: Callable[..., World]) -> None:
    """The words are Docker's."""
    with pytest.raises(Unsupported, match=r"^configured logging driver does not support reading$"):
        make("none").stream()


def test_a_log_is_rotated_at_its_size_and_followers_lose_nothing(make: Callable[..., World]) -> None:
    """Files beyond max-file go; whoever follows sees every line once."""
    world = make(max_size="1k", max_file="2")
    follower = Follower(world.stream(follow=True))
    expected = b""
    deadline = time.monotonic() + 10
    number = 0
    while world.writer.reopened < 3 and time.monotonic() < deadline:
        line = b"line %d %s\n" % (number, b"." * 50)
        world.writer.write(line)
        expected += line
        number += 1
        time.sleep(0.002)
    world.end()
    assert world.writer.reopened >= 3
    assert follower.ended() == expected
    files = sorted(path.name for path in world.writer.path.parent.iterdir())
    assert files == ["log", "log.1", "log.dropped"]
    assert expected.endswith(world.read())


def test_a_rotation_broken_off_by_a_crash_is_finished(tmp_path: Path) -> None:
    """The writer goes on in the file that has a number until the next start of the engine."""
    world = World(tmp_path, LogConfig("json-file", {"max-size": "10k", "max-file": "3"}))
    world.writer.write(b"one\n")
    world.logs.close()
    world.writer.path.rename(world.writer.path.with_name("log.1"))
    world.writer.write(b"two\n")
    again = World(tmp_path, LogConfig("json-file", {"max-size": "10k", "max-file": "3"}), world)
    again.writer.write(b"three\n")
    assert again.writer.reopened == 1
    assert again.read() == b"one\ntwo\nthree\n"
    again.logs.close()
    again.writer.close()


def test_records_of_a_log(make: Callable[..., World]) -> None:
    """Line by line, with times and streams."""
    world = make()
    world.writer.write(b"a\nb")
    assert world.container is not None
    records = list(world.logs.records(world.container, LogQuery()))
    assert [(record.stream, record.text, record.whole) for record in records] == [
        ("stdout", b"a", True),
        ("stdout", b"b", False),
    ]
    assert abs(records[0].time_ns - now_ns()) < 10**10
