"""Log archives come with a file of the revision before, whose records stay; back again they go and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.storage import migrate


def _rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_archives_come_and_go_and_the_containers_stay(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    migrate.migrate(path, lambda command, config: command.upgrade(config, "0001"))
    _rows(path, "INSERT INTO containers VALUES ('c1', 'default', 'web', '{}')")
    migrate.upgrade(path)
    _rows(path, "INSERT INTO log_archives VALUES ('a1', 'default', 'old', 5, 1, 10, 3, '{}')")
    _rows(path, "INSERT INTO log_policies VALUES ('default', '{\"days\": 3}')")
    assert _rows(path, "SELECT id FROM log_archives WHERE namespace = 'default'") == [("a1",)]
    migrate.migrate(path, lambda command, config: command.downgrade(config, "0001"))
    tables = {name for (name,) in _rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert not {"log_archives", "log_policies"} & tables
    assert _rows(path, "SELECT id FROM containers") == [("c1",)]
