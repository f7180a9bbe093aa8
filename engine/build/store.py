"""The records of builds and of their cache: in memory, each change written through in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import TypeAdapter

from engine.build.records import BuildRecord, BuildStatus, CacheRecord
from engine.errors import NotFound
from engine.ids import match_prefix
from engine.storage.db import Database, Transaction
from engine.storage.models import BUILD_CACHE, BUILDS
from engine.values import Scope

_CACHE: TypeAdapter[CacheRecord] = TypeAdapter(CacheRecord)
_BUILD: TypeAdapter[BuildRecord] = TypeAdapter(BuildRecord)


class CacheStore:
    """Cache records by namespace and key, and by the place of their step."""

    def __init__(self, database: Database) -> None:
        self._records: dict[tuple[str, str], CacheRecord] = {}
        self._slots: dict[tuple[str, str], str] = {}
        self._texts: dict[tuple[str, str], str] = {}
        rows = [_CACHE.validate_json(row.document) for row in database.read(BUILD_CACHE.select())]
        for record in sorted(rows, key=lambda record: record.used_ns):
            self._remember(record)

    def all(self) -> list[CacheRecord]:
        """Return every record of every namespace."""
        return list(self._records.values())

    def find(self, namespace: str, key: str) -> CacheRecord | None:
        """Return the record of a key, None if there is none."""
        return self._records.get((namespace, key))

    def before(self, namespace: str, slot: str, text: str) -> CacheRecord | None:
        """Return what was last made at a place, or else by the same instruction anywhere; None if nothing was."""
        key = self._slots.get((namespace, slot))
        found = self._records.get((namespace, key)) if key else None
        if found is not None and found.text == text:
            return found
        key = self._texts.get((namespace, text))
        return (self._records.get((namespace, key)) if key else None) or found

    def save(self, transaction: Transaction, records: Iterable[CacheRecord]) -> None:
        """Write records, new ones or ones of the same key."""
        for record in records:
            where = (BUILD_CACHE.c.namespace == record.namespace) & (BUILD_CACHE.c.id == record.id)
            transaction.execute(BUILD_CACHE.delete().where(where))
            document = _CACHE.dump_json(record).decode()
            row = {"namespace": record.namespace, "id": record.id, "document": document}
            transaction.execute(BUILD_CACHE.insert(), row)
            transaction.after_commit(lambda record=record: self._remember(record))  # type: ignore[misc]

    def delete(self, transaction: Transaction, records: Iterable[CacheRecord]) -> None:
        """Drop records."""
        for record in records:
            where = (BUILD_CACHE.c.namespace == record.namespace) & (BUILD_CACHE.c.id == record.id)
            transaction.execute(BUILD_CACHE.delete().where(where))
            transaction.after_commit(lambda record=record: self._forget(record))  # type: ignore[misc]

    def _remember(self, record: CacheRecord) -> None:
        self._records[record.namespace, record.id] = record
        self._slots[record.namespace, record.slot] = record.id
        self._texts[record.namespace, record.text] = record.id

    def _forget(self, record: CacheRecord) -> None:
        self._records.pop((record.namespace, record.id), None)
        for index, name in ((self._slots, record.slot), (self._texts, record.text)):
            if index.get((record.namespace, name)) == record.id:
                del index[record.namespace, name]


class BuildStore:
    """Builds by id, newest last."""

    def __init__(self, database: Database) -> None:
        self._builds: dict[str, BuildRecord] = {}
        for row in database.read(BUILDS.select().order_by(BUILDS.c.created_ns)):
            self._remember(_BUILD.validate_json(row.document))

    def all(self) -> list[BuildRecord]:
        """Return every build of every namespace, oldest first."""
        return list(self._builds.values())

    def get(self, scope: Scope, reference: str) -> BuildRecord:
        """Return the build of an id or id prefix that the caller sees; NotFound if there is none."""
        seen = {build.id: build for build in self._builds.values() if scope.sees(build.namespace)}
        if reference in seen:
            return seen[reference]
        found = match_prefix(reference, seen)
        if len(found) != 1:
            raise NotFound(f"No such build: {reference}")
        return seen[found[0]]

    def save(self, transaction: Transaction, build: BuildRecord) -> None:
        """Write a record, a new one or one of the same id."""
        transaction.execute(BUILDS.delete().where(BUILDS.c.id == build.id))
        document = _BUILD.dump_json(build).decode()
        row = {"id": build.id, "namespace": build.namespace, "created_ns": build.created_ns, "document": document}
        transaction.execute(BUILDS.insert(), row)
        transaction.after_commit(lambda: self._remember(build))

    def note(self, build: BuildRecord) -> None:
        """Remember how far a running build is; nothing of it is written."""
        self._remember(build)

    def delete(self, transaction: Transaction, build: BuildRecord) -> None:
        """Drop a record."""
        transaction.execute(BUILDS.delete().where(BUILDS.c.id == build.id))
        transaction.after_commit(lambda: self._forget(build))

    def lose_running(self, transaction: Transaction, now_ns: int) -> None:
        """Mark the builds that a dead engine left running."""
        for build in [b for b in self._builds.values() if not b.is_over]:
            error = "the engine ended while the build ran"
            lost = replace(build, status=BuildStatus.LOST, finished_ns=now_ns, error=error)
            self.save(transaction, lost)

    def _remember(self, build: BuildRecord) -> None:
        self._builds[build.id] = build

    def _forget(self, build: BuildRecord) -> None:
        self._builds.pop(build.id, None)
