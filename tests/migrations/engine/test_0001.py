"""The first revision of the engine's tables: equal to the models, reversible, atomic."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from engine.errors import Internal
from engine.storage import migrate
from engine.storage.models import METADATA


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()


def test_head_has_the_tables_of_the_models(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    migrate.upgrade(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert differences == []


def test_upgrade_then_downgrade_leaves_no_table(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    migrate.upgrade(path)
    assert "containers" in tables(path)
    migrate.migrate(path, lambda command, config: command.downgrade(config, "base"))
    assert tables(path) <= {"alembic_version", "sqlite_sequence"}


def test_upgrade_of_a_current_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    migrate.upgrade(path)
    before = path.read_bytes()
    migrate.upgrade(path)
    assert path.read_bytes() == before


def test_a_failed_migration_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE volumes (theirs TEXT)")
    connection.close()
    with pytest.raises(Exception, match="volumes"):
        migrate.migrate(path, lambda command, config: command.upgrade(config, "head"))
    assert tables(path) == {"volumes"}


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    migrate.upgrade(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(Internal, match="newer than this version"):
        migrate.upgrade(path)


def test_a_damaged_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "engine.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(Internal, match="damaged"):
        migrate.upgrade(path)
    assert path.read_bytes().startswith(b"not a database")
