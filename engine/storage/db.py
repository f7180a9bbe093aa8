"""The engine's database: SQLAlchemy Core over one SQLite file (WAL, synchronous=NORMAL).

One writer at a time by a lock of ours, so that SQLite never answers "locked". A transaction carries the journal's
entries of its change; the bus sees them after the commit, in the order of their sequence numbers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from engine.clock import now_ns
from engine.events import Bus, Event
from engine.storage.models import JOURNAL

_INSERT_EVENT = JOURNAL.insert()


class Transaction:
    """An open transaction: execute statements, record events."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.events: list[Event] = []
        self._after: list[Callable[[], None]] = []

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run one Core statement and return its result."""
        return self.connection.execute(statement, parameters)

    def record(self, entry: Event) -> None:
        """Write an event into the journal with this change; the bus has it after the commit."""
        entry = replace(entry, time_ns=entry.time_ns or now_ns())
        result = self.connection.execute(
            _INSERT_EVENT,
            {
                "time_ns": entry.time_ns,
                "namespace": entry.namespace,
                "type": entry.type,
                "action": entry.action,
                "actor_id": entry.actor_id,
                "by": entry.by,
                "attributes": json.dumps(dict(entry.attributes)),
            },
        )
        self.events.append(replace(entry, seq=int(result.lastrowid)))

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once the change is durable, before the bus has its events (update of a memory copy)."""
        self._after.append(action)

    def committed(self, bus: Bus) -> None:
        """Called by `Database` after the commit, with the writer's lock held."""
        for action in self._after:
            action()
        for entry in self.events:
            bus.publish(entry)


class Database:
    """The state file. Open it once; use it from any thread."""

    def __init__(self, path: Path, bus: Bus) -> None:
        self._bus = bus
        self._writer = threading.RLock()
        self._reader = threading.Lock()
        self._open: Transaction | None = None
        self.engine = _connect(path)
        self._read_engine = _connect(path)
        self._connection = self.engine.connect()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction for the block; nested calls of one thread join the outer one."""
        with self._writer:
            if self._open is not None:
                yield self._open
                return
            self._open = transaction = Transaction(self._connection)
            try:
                with self._connection.begin():
                    yield transaction
            finally:
                self._open = None
            transaction.committed(self._bus)

    def read(self, statement: Any, parameters: Any = None) -> list[Any]:
        """Return all rows of one select, as of the last commit."""
        with self._reader, self._read_engine.connect() as connection:
            return list(connection.execute(statement, parameters).all())

    def close(self) -> None:
        """Close the file."""
        with self._writer:
            self._connection.close()
            self.engine.dispose()
            self._read_engine.dispose()


def _connect(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 5}
    )

    @event.listens_for(engine, "connect")
    def pragmas(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
