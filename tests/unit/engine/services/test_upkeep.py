from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from engine.clock import now_ns
from engine.events import Bus, Event
from engine.services.upkeep import Upkeep
from engine.storage import migrate
from engine.storage.db import Database
from engine.storage.models import JOURNAL

DAY_NS = 24 * 3600 * 1_000_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    migrate.upgrade(tmp_path / "engine.db")
    database = Database(tmp_path / "engine.db", Bus())
    yield database
    database.close()


def record(database: Database, *ages_in_days: int) -> None:
    with database.transaction() as transaction:
        for age in ages_in_days:
            transaction.record(Event("container", f"age {age}", "x", "default", time_ns=now_ns() - age * DAY_NS))


def actions(database: Database) -> list[str]:
    return [row.action for row in database.read(select(JOURNAL.c.action).order_by(JOURNAL.c.seq))]


def test_events_older_than_the_days_kept_go(database: Database) -> None:
    record(database, 100, 91, 89, 0)
    assert Upkeep(database, journal_days=90, journal_rows=1000).trim_journal() == 2
    assert actions(database) == ["age 89", "age 0"]


def test_the_oldest_above_the_number_kept_go(database: Database) -> None:
    record(database, *([0] * 5_000))
    assert Upkeep(database, journal_days=90, journal_rows=10).trim_journal() == 4_990
    assert len(actions(database)) == 10


def test_the_newest_event_stays_so_that_numbers_go_on(database: Database) -> None:
    record(database, 400)
    assert Upkeep(database, journal_days=1, journal_rows=1).trim_journal() == 0
    record(database, 0)
    assert database.read(select(JOURNAL.c.seq).order_by(JOURNAL.c.seq.desc()))[0].seq == 2
