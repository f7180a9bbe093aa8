from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.clock import now_ns
from engine.containers.model import Config, Container, State, Status
from engine.containers.store import ContainerStore
from engine.events import Bus, Subscription
from engine.locks import NamedLocks
from engine.services.health import HealthChecks
from engine.storage import migrate
from engine.storage.db import Database
from engine.values import HealthConfig
from tests.fakes.make import a_container

MILLISECOND = 1_000_000


class Bench:
    """A store with one running container, and checks whose results the test gives."""

    def __init__(self, path: Path) -> None:
        migrate.upgrade(path)
        bus = Bus()
        self.events: Subscription = bus.subscribe()
        self.database = Database(path, bus)
        self.store = ContainerStore(self.database)
        self.results: queue.Queue[int | None] = queue.Queue()
        self.checks = HealthChecks(database=self.database, store=self.store, locks=NamedLocks(), run=self._run)

    def _run(self, _container: Container, argv: tuple[str, ...], _seconds: float) -> tuple[int | None, bytes]:
        assert argv == ("probe",)
        return self.results.get(timeout=5), b"said so"

    def run_container(self, config: HealthConfig) -> Container:
        container = a_container(
            config=Config(image="busybox", cmd=("x",), healthcheck=config),
            state=State(status=Status.RUNNING, started_ns=now_ns()),
        )
        with self.database.transaction() as transaction:
            self.store.insert(transaction, container)
        self.checks.observe(container)
        return container

    def next_action(self) -> str:
        event = self.events.get(timeout=5)
        assert event is not None
        return event.action


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "engine.db")
    yield bench
    bench.checks.close()
    bench.database.close()


CONFIG = HealthConfig(test=("CMD", "probe"), interval=MILLISECOND, retries=2)


def test_changes_of_health_are_recorded_and_told(bench: Bench) -> None:
    container = bench.run_container(CONFIG)
    bench.results.put(0)
    assert bench.next_action() == "health_status: healthy"
    for _ in range(2):
        bench.results.put(1)
    assert bench.next_action() == "health_status: unhealthy"
    found = bench.store.find(container.id)
    assert found is not None
    assert found.state.health is not None
    assert [entry.exit_code for entry in found.state.health.log] == [0, 1, 1]
    assert found.state.health.log[0].output == "said so"


def test_a_check_out_of_time_fails_with_dockers_text(bench: Bench) -> None:
    container = bench.run_container(replace(CONFIG, retries=1))
    bench.results.put(None)
    assert bench.next_action() == "health_status: unhealthy"
    found = bench.store.find(container.id)
    assert found is not None
    assert found.state.health is not None
    assert found.state.health.log[0].exit_code == -1
    assert found.state.health.log[0].output == "Health check exceeded timeout (30s)"


def test_a_container_that_ended_is_checked_no_more(bench: Bench) -> None:
    container = bench.run_container(replace(CONFIG, interval=300 * MILLISECOND))  # time for its end, before the check
    with bench.database.transaction() as transaction:
        bench.store.save(transaction, replace(container, state=State(status=Status.EXITED)))
    bench.results.put(0)
    assert bench.events.get(timeout=0.6) is None
    assert bench.results.qsize() == 1
