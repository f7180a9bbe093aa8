"""The audit record: a chain that shows every tampering, without secrets, that no name can forge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from webui.access import Actor, Verb
from webui.audit import Audit, Break, Entry, link_of, render_detail
from webui.models.database import Database, migrate
from webui.models.tables import AUDIT, AUDIT_HEAD

ANN = Actor("u1", "ann\n2026 root", via="token", credential="t1")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'web.db'}"
    migrate(url)
    made = Database(url)
    yield made
    made.close()


@pytest.fixture
def audit(database: Database) -> Audit:
    made = Audit(database)
    for number in range(4):
        entry = Entry(ANN, Verb.DEPLOY, "POST", f"/c{number}\r\nforged", "127.0.0.1", action="container.create")
        made.finish(made.record(entry, allowed=True), 201, {"Env": ["A=1"], "password": "x", "role": "owner"})
    return made


def test_the_chain_holds_and_results_are_rows_of_their_own(audit: Audit, database: Database) -> None:
    assert audit.verify() is None
    rows = database.read(select(AUDIT).order_by(AUDIT.c.id))
    assert [row.ref for row in rows] == [None, 1, None, 3, None, 5, None, 7]
    assert rows[0].status is None
    assert (rows[1].status, rows[1].token) == (201, "t1")
    assert "\n" not in rows[0].path + rows[0].actor
    assert rows[1].detail == '{"Env": "<removed>", "password": "<removed>", "role": "owner"}'


def test_a_changed_entry_is_the_first_break(audit: Audit, database: Database) -> None:
    database.write(update(AUDIT).where(AUDIT.c.id == 3).values(actor="bob"))
    assert audit.verify() == Break(3, "the entry was changed, or one before it was taken away")


def test_a_missing_entry_is_the_first_break(audit: Audit, database: Database) -> None:
    database.write(delete(AUDIT).where(AUDIT.c.id == 4))
    assert audit.verify() == Break(4, "entries 4 to 4 are missing")


@pytest.mark.parametrize("first", [1, 7])
def test_missing_ends_are_breaks(audit: Audit, database: Database, first: int) -> None:
    database.write(delete(AUDIT).where(AUDIT.c.id.between(first, first + 1)))
    found = audit.verify()
    assert found
    assert found.id == (3 if first == 1 else 7)


def test_a_forged_entry_breaks_it_even_with_a_hash_of_its_own(audit: Audit, database: Database) -> None:
    row = dict(database.one(select(AUDIT).where(AUDIT.c.id == 8))._mapping)
    row |= {"id": 9, "actor": "nobody"}
    row["hash"] = link_of(row["hash"], row)
    database.write(insert(AUDIT), row)
    assert audit.verify() == Break(10, "entries after 9 are missing (the head is 8)")


def test_retention_takes_the_oldest_and_the_rest_is_a_chain(audit: Audit, database: Database) -> None:
    database.write(update(AUDIT).where(AUDIT.c.id <= 3).values(at_ms=5))
    assert audit.trim(6) == 3
    assert audit.verify() is None
    assert audit.trim(1 << 50) == 5
    assert audit.verify() is None
    audit.record(Entry(None, Verb.PUBLIC, "POST", "/", ""), allowed=False, status=401)
    assert audit.verify() is None
    assert database.one(select(AUDIT_HEAD)).last == 9


def test_detail_is_bounded() -> None:
    assert render_detail({"a": "x" * 5000}) == '{"too_long": 5009}'
    assert render_detail(None) == ""
