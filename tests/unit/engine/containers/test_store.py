from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.containers.model import Health, HealthResult, MountPoint, Status
from engine.containers.store import ContainerStore
from engine.errors import Conflict, NotFound
from engine.events import Bus, Event
from engine.storage import migrate
from engine.storage.db import Database
from engine.values import PortBinding, Scope
from tests.fakes.make import a_container

ALL = Scope(namespace="*")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    migrate.upgrade(tmp_path / "engine.db")
    database = Database(tmp_path / "engine.db", Bus())
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> ContainerStore:
    return ContainerStore(database)


def test_a_record_survives_a_restart_unchanged(database: Database, store: ContainerStore) -> None:
    container = a_container(
        mounts=(MountPoint("bind", "/c", source="/h", rw=False),), ports=(PortBinding(80, host_port=81),)
    )
    health = Health("healthy", 0, (HealthResult(1, 2, 0, "fine\x00\n"),))
    container = replace(container, state=replace(container.state, health=health, exit_code=137))
    with database.transaction() as transaction:
        store.insert(transaction, container)
    assert ContainerStore(database).find(container.id) == container


def test_memory_follows_the_commit_and_not_a_failed_transaction(database: Database, store: ContainerStore) -> None:
    container = a_container()

    def fail() -> None:
        with database.transaction() as transaction:
            store.insert(transaction, container)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.find(container.id) is None
    assert ContainerStore(database).all() == []


def test_events_reach_the_bus_after_the_commit_with_their_sequence(tmp_path: Path) -> None:
    migrate.upgrade(tmp_path / "engine.db")
    bus = Bus()
    database = Database(tmp_path / "engine.db", bus)
    subscription = bus.subscribe()
    with database.transaction() as transaction:
        for action in ("create", "start"):
            transaction.record(Event("container", action, "x", "default"))
        assert subscription.get(timeout=0) is None
    first, second = subscription.get(timeout=1), subscription.get(timeout=1)
    assert first is not None
    assert second is not None
    assert (first.action, second.action, second.seq - first.seq) == ("create", "start", 1)
    database.close()


def test_reference_is_id_then_name_then_prefix(database: Database, store: ContainerStore) -> None:
    one = a_container(id="aa" + "1" * 62, name="first")
    two = a_container(id="aa" + "2" * 62, name="aa1")
    with database.transaction() as transaction:
        store.insert(transaction, one)
        store.insert(transaction, two)
    assert store.get(ALL, one.id) == one
    assert store.get(ALL, "/first") == one
    assert store.get(ALL, "aa1") == two
    assert store.get(ALL, "aa11") == one
    with pytest.raises(Conflict, match="Multiple IDs found with provided prefix: aa"):
        store.get(ALL, "aa")
    with pytest.raises(NotFound, match="No such container: nope"):
        store.get(ALL, "nope")


def test_another_namespace_neither_sees_nor_blocks_a_name(database: Database, store: ContainerStore) -> None:
    ours, theirs = a_container(name="web"), a_container(name="web", namespace="other")
    with database.transaction() as transaction:
        store.insert(transaction, ours)
        store.insert(transaction, theirs)
    assert store.get(Scope(namespace="other"), "web") == theirs
    for reference in (ours.id, ours.id[:12]):
        with pytest.raises(NotFound):
            store.get(Scope(namespace="other"), reference)


def test_a_name_in_use_is_refused_and_a_renamed_one_is_free(database: Database, store: ContainerStore) -> None:
    one = a_container(name="web")
    with database.transaction() as transaction:
        store.insert(transaction, one)
    with pytest.raises(Conflict, match=f'"/web" is already in use by container "{one.id}"'):
        with database.transaction() as transaction:
            store.insert(transaction, a_container(name="web"))
    with database.transaction() as transaction:
        store.save(transaction, replace(one, name="api"))
    with database.transaction() as transaction:
        store.insert(transaction, a_container(name="web", status=Status.RUNNING))
    assert store.named("default", "api") == replace(one, name="api")
