"""The second revision, with data before and after, on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import create_engine, text

from tests.migrations.web.test_0001 import postgres, run, url  # noqa: F401 - fixtures
from webui.access import Verb
from webui.audit import Audit, Entry
from webui.models.database import Database

USER = "INSERT INTO users VALUES ('u1', 'Ann', 'ann', 'x', {true}, {false}, 1)"
TEAM = "INSERT INTO teams VALUES ('t1', 'default', 1)"
MEMBER = "INSERT INTO memberships VALUES ('u1', 't1', 'owner')"
TOKEN = "INSERT INTO tokens VALUES ('k1', 'h', 'u1', 'ci', 1, 2, NULL)"
AUDIT = (
    "INSERT INTO audit (at_ms, request_id, actor_id, actor, via, address, host, namespace, method, path, verb, outcome,"
    " status) VALUES (7, 'r', 'u1', 'Ann', 'cookie', '::1', '', 'default', 'POST', '/x', 'deploy', 'allowed', {status})"
)


def fill(address: str) -> None:
    engine = create_engine(address)
    on_sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        true, false = ("1", "0") if on_sqlite else ("true", "false")
        for statement in (USER.format(true=true, false=false), TEAM, MEMBER, TOKEN):
            connection.execute(text(statement))
        for status in ("201", "NULL", "404"):
            connection.execute(text(AUDIT.format(status=status)))
    engine.dispose()


def rows(address: str, statement: str) -> list[tuple[object, ...]]:
    engine = create_engine(address)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(statement))]
    engine.dispose()
    return found


def test_what_was_there_stays_and_the_old_record_is_a_chain(url: str) -> None:  # noqa: F811
    run(url, "upgrade", "0001")
    fill(url)
    run(url, "upgrade", "0002")
    assert rows(url, "SELECT name, title, archived_ms FROM teams") == [("default", "", None)]
    assert rows(url, "SELECT role FROM memberships") == [("owner",)]
    assert rows(url, "SELECT user_id, team_id, created_by FROM tokens") == [("u1", None, "")]
    database = Database(url)
    audit = Audit(database)
    assert audit.verify() is None
    audit.finish(audit.record(Entry(None, Verb.PUBLIC, "POST", "/", ""), allowed=True), 200)
    assert audit.verify() is None
    database.close()
    run(url, "downgrade", "0001")
    assert rows(url, "SELECT status FROM audit ORDER BY id") == [(201,), (None,), (404,), (None,)]
    assert rows(url, "SELECT id, user_id FROM tokens") == [("k1", "u1")]
    run(url, "upgrade", "0002")
