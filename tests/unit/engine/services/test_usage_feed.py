"""The usage feed: one thread for all, none for nobody; rates; what a namespace sees."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from engine.containers.model import Container, State, Status
from engine.services import usage_feed
from engine.services.sampling import Cpu, DiskEntry, Interface, Memory, Sample
from engine.services.usage_feed import UsageFeed
from engine.values import Scope
from tests.fakes.make import a_container


class Machine:
    """Containers that use half a processor; counts how often it is asked."""

    def __init__(self) -> None:
        self.containers = [
            a_container(status=Status.RUNNING),
            a_container(status=Status.RUNNING, namespace="team"),
            a_container(),
        ]
        self.asked = threading.Semaphore(0)
        self.samples = 0

    def sample(self, container: Container) -> Sample | None:
        """Time goes on by one second at each look."""
        if not container.state.is_running:
            return None
        self.samples += 1
        now = (container.state.started_ns or 0) + self.samples * 10**9
        return Sample(
            read_ns=now,
            cpu=Cpu(total=self.samples * 10**9 // 2),
            memory=Memory(usage=1000, limit=5000, details={"inactive_file": 100}),
            pids=3,
            disk_bytes=(DiskEntry(1, 0, "Read", 5), DiskEntry(2, 0, "read", 6), DiskEntry(1, 0, "Write", 7)),
            interfaces={"eth0": Interface(1, 0, 0, 0, 2, 0, 0, 0), "eth1": Interface(10, 0, 0, 0, 20, 0, 0, 0)},
        )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_feed, "_FIRST_S", 0.001)
    monkeypatch.setattr(usage_feed, "_PERIOD_S", 0.005)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def feed(machine: Machine) -> Iterator[UsageFeed]:
    feed = UsageFeed(machine.sample, lambda: machine.containers)
    yield feed
    feed.close()


def _threads() -> int:
    return sum(thread.name == "usage" for thread in threading.enumerate())


def test_rows_of_running_containers(feed: UsageFeed, machine: Machine) -> None:
    """Rates from two samples, totals over interfaces and devices."""
    watch = feed.watch(threading.Event())
    usage = next(watch)
    watch.close()  # type: ignore[attr-defined]
    rows = usage.seen_by(Scope(namespace="*"))
    assert set(rows) == {c.id for c in machine.containers if c.state.is_running}
    row = rows[machine.containers[0].id]
    assert row.cpu == pytest.approx(50)
    assert (row.mem, row.limit, row.pids, row.rx, row.tx, row.read, row.write) == (900, 5000, 3, 11, 22, 11, 7)


def test_a_namespace_sees_its_own(feed: UsageFeed, machine: Machine) -> None:
    """And nothing of others."""
    usage = next(feed.watch(threading.Event()))
    assert set(usage.seen_by(Scope(namespace="team"))) == {machine.containers[1].id}


def test_a_container_that_started_again_has_no_negative_rate(feed: UsageFeed, machine: Machine) -> None:
    """Its counters began anew."""
    watch = feed.watch(threading.Event())
    next(watch)
    restarted = machine.containers[0]
    machine.samples = 0
    machine.containers[0] = a_container(
        id=restarted.id, status=Status.RUNNING, state=State(status=Status.RUNNING, started_ns=5)
    )
    for _ in range(3):
        rows = next(watch).seen_by(Scope())
        assert rows[restarted.id].cpu >= 0


def test_one_thread_for_all_and_none_for_nobody(feed: UsageFeed) -> None:
    """It ends with the last watcher and comes back with the next."""
    first, second = feed.watch(threading.Event()), feed.watch(threading.Event())
    next(first)
    next(second)
    assert _threads() == 1
    first.close()  # type: ignore[attr-defined]
    next(second)
    second.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "usage":
            thread.join(5)
    assert _threads() == 0
    next(feed.watch(threading.Event()))


def test_a_watcher_whose_client_went_ends(feed: UsageFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, not at the next moment."""
    monkeypatch.setattr(usage_feed, "_FIRST_S", 60)
    gone = threading.Event()
    seen: list[object] = []
    watcher = threading.Thread(target=lambda: seen.extend(feed.watch(gone)))
    watcher.start()
    gone.set()
    feed.wake()
    watcher.join(5)
    assert not watcher.is_alive()
    assert seen == []


def test_a_container_that_cannot_be_read_does_not_end_the_feed(feed: UsageFeed, machine: Machine) -> None:
    """The others go on."""
    bad, plain = machine.containers[0].id, machine.sample

    def sample(container: Container) -> Sample | None:
        if container.id == bad:
            raise ValueError("no number")
        return plain(container)

    feed = UsageFeed(sample, lambda: machine.containers)
    assert bad not in next(feed.watch(threading.Event())).rows
    feed.close()
