"""The records of archived logs and of each namespace's log policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import delete, func, select

from engine.logs.archive_file import EMPTY, Summary
from engine.storage.db import Database, Transaction
from engine.storage.models import LOG_ARCHIVES, LOG_POLICIES


@dataclass(frozen=True, slots=True)
class ArchivedLog:
    """The log of a container that is gone. Until it is `ready` its files are conmon's, and `summary` is empty."""

    id: str
    namespace: str
    name: str
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tty: bool = False
    created_ns: int = 0
    removed_ns: int = 0
    ready: bool = False
    summary: Summary = EMPTY


@dataclass(frozen=True, slots=True)
class Policy:
    """How long and how much is kept of a namespace's removed containers; `live_bytes` caps a living log (0: no cap)."""

    days: int
    bytes: int
    count: int
    live_bytes: int


@dataclass(frozen=True, slots=True)
class Used:
    """What a namespace's archive takes: logs, bytes on disk, bytes of text."""

    archives: int
    stored: int
    size: int


class ArchiveStore:
    """Reads and writes the two tables."""

    def __init__(self, database: Database, defaults: Policy) -> None:
        self._database = database
        self.defaults = defaults

    def add(self, transaction: Transaction, log: ArchivedLog) -> None:
        """Insert a record."""
        transaction.execute(LOG_ARCHIVES.insert(), _row(log))

    def update(self, log: ArchivedLog) -> bool:
        """Save a record; False where it has been deleted meanwhile."""
        with self._database.transaction() as transaction:
            statement = LOG_ARCHIVES.update().where(LOG_ARCHIVES.c.id == log.id)
            return bool(transaction.execute(statement, _row(log)).rowcount)

    def delete(self, archive_id: str) -> None:
        """Delete a record; none is fine."""
        with self._database.transaction() as transaction:
            transaction.execute(delete(LOG_ARCHIVES).where(LOG_ARCHIVES.c.id == archive_id))

    def find(self, archive_id: str) -> ArchivedLog | None:
        """Return a record."""
        rows = self._database.read(select(LOG_ARCHIVES).where(LOG_ARCHIVES.c.id == archive_id))
        return _log(rows[0]) if rows else None

    def all(self) -> list[ArchivedLog]:
        """Return every record, the oldest removal first."""
        return [_log(row) for row in self._database.read(select(LOG_ARCHIVES).order_by(LOG_ARCHIVES.c.removed_ns))]

    def of(self, namespace: str) -> list[ArchivedLog]:
        """Return a namespace's records, the oldest removal first."""
        statement = select(LOG_ARCHIVES).where(LOG_ARCHIVES.c.namespace == namespace)
        return [_log(row) for row in self._database.read(statement.order_by(LOG_ARCHIVES.c.removed_ns))]

    def pending(self) -> list[ArchivedLog]:
        """Return the records whose files are still conmon's."""
        statement = select(LOG_ARCHIVES).where(LOG_ARCHIVES.c.ready == 0).order_by(LOG_ARCHIVES.c.removed_ns)
        return [_log(row) for row in self._database.read(statement)]

    def namespaces(self) -> list[str]:
        """Return the namespaces that have archived logs."""
        return [row[0] for row in self._database.read(select(LOG_ARCHIVES.c.namespace).distinct())]

    def used(self, namespace: str) -> Used:
        """Return what a namespace's archive takes."""
        table = LOG_ARCHIVES.c
        columns = (func.count(), func.coalesce(func.sum(table.stored), 0), func.coalesce(func.sum(table.size), 0))
        count, stored, size = self._database.read(select(*columns).where(table.namespace == namespace))[0]
        return Used(count, stored, size)

    def excess(self, namespace: str, policy: Policy, now_ns: int) -> list[str]:
        """Return the ids of the ready logs that a policy does not let stay, the oldest first."""
        oldest_ns = now_ns - policy.days * 24 * 3600 * 1_000_000_000
        table = LOG_ARCHIVES.c
        statement = select(table.id, table.removed_ns, table.stored).where(
            table.namespace == namespace, table.ready == 1
        )
        kept = stored = 0
        found = []
        for row in self._database.read(statement.order_by(table.removed_ns.desc())):
            kept, stored = kept + 1, stored + row.stored
            if row.removed_ns < oldest_ns or kept > policy.count or stored > policy.bytes:
                found.append(row.id)
        return found[::-1]

    def overrides(self, namespace: str) -> dict[str, int]:
        """Return what a namespace has set of its policy."""
        rows = self._database.read(select(LOG_POLICIES.c.document).where(LOG_POLICIES.c.namespace == namespace))
        return {str(name): int(value) for name, value in json.loads(rows[0][0]).items()} if rows else {}

    def policy(self, namespace: str) -> Policy:
        """Return a namespace's policy: what it has set, the defaults for the rest."""
        return replace(self.defaults, **self.overrides(namespace))

    def set_policy(self, namespace: str, values: Mapping[str, int]) -> None:
        """Save what a namespace has set, in place of all that it had."""
        with self._database.transaction() as transaction:
            transaction.execute(delete(LOG_POLICIES).where(LOG_POLICIES.c.namespace == namespace))
            if values:
                row = {"namespace": namespace, "document": json.dumps(dict(values))}
                transaction.execute(LOG_POLICIES.insert(), row)


def _row(log: ArchivedLog) -> dict[str, Any]:
    document = {
        "image": log.image,
        "labels": dict(log.labels),
        "tty": log.tty,
        "created_ns": log.created_ns,
        "summary": asdict(log.summary),
    }
    return {
        "id": log.id,
        "namespace": log.namespace,
        "name": log.name,
        "removed_ns": log.removed_ns,
        "ready": int(log.ready),
        "size": log.summary.size,
        "stored": log.summary.stored,
        "document": json.dumps(document),
    }


def _log(row: Any) -> ArchivedLog:
    document = json.loads(row.document)
    summary = document.pop("summary")
    return ArchivedLog(
        id=row.id,
        namespace=row.namespace,
        name=row.name,
        removed_ns=row.removed_ns,
        ready=bool(row.ready),
        summary=Summary(**{**summary, "levels": tuple(summary["levels"])}),
        **document,
    )
