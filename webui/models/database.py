"""The web tier's database: SQLite (WAL) by default, PostgreSQL by URL; migrated at start.

SQLite blocks the whole gevent hub, so a transaction's block never waits for anything but the database, and
busy_timeout is short. PostgreSQL (psycopg 3) yields.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from config.settings import Settings

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations" / "web"
_BUSY_MS = 800
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}")


def database_url(settings: Settings) -> str:
    """Return the SQLAlchemy URL: the setting's, or SQLite at DATA_ROOT/web/web.db."""
    if not settings.web_database_url:
        return f"sqlite:///{settings.data_root / 'web' / 'web.db'}"
    url = make_url(settings.web_database_url)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


class Database:
    """Opened once; short statements, short transactions."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.engine = _connect(url)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction for the block: commit at its end, roll back on an exception."""
        with self.engine.begin() as connection:
            if self.url.get_backend_name() == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def read(self, statement: Any) -> list[Any]:
        """Return all rows of one select."""
        with self.engine.connect() as connection:
            return list(connection.execute(statement).all())

    def one(self, statement: Any) -> Any:
        """Return the first row of one select, or None."""
        with self.engine.connect() as connection:
            return connection.execute(statement).first()

    def write(self, statement: Any, parameters: Any = None) -> int:
        """Run one statement in a transaction of its own and return how many rows it touched."""
        with self.begin() as connection:
            return int(connection.execute(statement, parameters).rowcount)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _connect(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_size=5, max_overflow=15, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own is deferred and late
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    return engine


def migrate(url: str) -> bool:
    """Bring the database to the newest revision, in a transaction; return whether anything was to do.

    A SQLite file is copied to `web.db.before-<revision>` first.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = _connect(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        script = ScriptDirectory(str(MIGRATIONS))
        head = script.get_current_head()
        if current == head:
            return False
        if current and parsed.get_backend_name() == "sqlite" and parsed.database:
            _keep_copy(engine, Path(parsed.database), current)
        _upgrade(engine, "head")
        return True
    finally:
        engine.dispose()


def _upgrade(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if engine.url.get_backend_name() == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _keep_copy(engine: Engine, path: Path, revision: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy2(path, path.with_name(f"{path.name}.before-{revision}"))
