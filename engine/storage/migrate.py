"""Bringing the state file to this version's tables: Alembic, in one transaction, a copy of the file kept.

The copy is `engine.db.<old revision>`: what to go back to if the new version must be taken back.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.errors import Internal

_SCRIPTS = Path(__file__).resolve().parents[2] / "migrations" / "engine"
_log = logging.getLogger(__name__)


def head() -> str:
    """Return the newest revision's name; revisions are files `NNNN_what.py`, in order."""
    return max(path.name[:4] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def current(database: Path) -> str | None:
    """Return the revision of a state file, None for one that is not there or empty."""
    if not database.exists() or database.stat().st_size == 0:
        return None
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise Internal(f"{database} is not a state file of Berth, or damaged: {error}") from error
    finally:
        connection.close()
    return str(row[0]) if row else None


def upgrade(database: Path) -> None:
    """Bring the state file to `head`. Internal if it is of a newer version, or damaged: nothing is changed then."""
    found = current(database)
    newest = head()
    if found == newest:
        return
    if found is not None and found > newest:
        raise Internal(f"{database} is of revision {found}, newer than this version of Berth ({newest})")
    if found is not None:
        _copy(database, database.with_name(f"{database.name}.{found}"))
    migrate(database, lambda command, config: command.upgrade(config, "head"))
    _log.info("state file migrated from=%s to=%s", found, newest)


def migrate(database: Path, action: Callable[[Any, Any], None]) -> None:
    """Run an Alembic command (`upgrade`, `downgrade`) on the state file in one transaction."""
    from alembic import command  # slow to import, and needed once a version
    from alembic.config import Config
    from sqlalchemy import create_engine, event

    engine = create_engine(f"sqlite:///{database}")

    # sqlite3 opens no transaction before DDL by itself: without these two a failed migration would leave a half.
    @event.listens_for(engine, "connect")
    def manual(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(_SCRIPTS))
            config.attributes["connection"] = connection
            action(command, config)
    finally:
        engine.dispose()


def _copy(source: Path, target: Path) -> None:
    old = sqlite3.connect(source)
    new = sqlite3.connect(target)
    try:
        old.backup(new)
    finally:
        new.close()
        old.close()
