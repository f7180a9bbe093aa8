"""Builds and their cache come with a file of the revision before, whose records stay; back again they go alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.storage import migrate


def _rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_builds_come_and_go_and_the_containers_stay(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    migrate.migrate(path, lambda command, config: command.upgrade(config, "0002"))
    _rows(path, "INSERT INTO containers VALUES ('c1', 'default', 'web', '{}')")
    migrate.upgrade(path)
    _rows(path, "INSERT INTO build_cache VALUES ('default', 'k1', '{}')")
    _rows(path, "INSERT INTO builds VALUES ('b1', 'default', 5, '{}')")
    assert _rows(path, "SELECT id FROM builds WHERE namespace = 'default'") == [("b1",)]
    migrate.migrate(path, lambda command, config: command.downgrade(config, "0002"))
    tables = {name for (name,) in _rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert not {"builds", "build_cache"} & tables
    assert _rows(path, "SELECT id FROM containers") == [("c1",)]
