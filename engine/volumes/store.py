"""The volumes' records: all in memory, each change written through in the caller's transaction."""

from __future__ import annotations

from pydantic import TypeAdapter

from engine.storage.db import Database, Transaction
from engine.storage.models import VOLUMES
from engine.values import Scope
from engine.volumes.model import Volume

_DOCUMENT: TypeAdapter[Volume] = TypeAdapter(Volume)


class VolumeStore:
    """Volumes by namespace and name."""

    def __init__(self, database: Database) -> None:
        self._volumes: dict[tuple[str, str], Volume] = {}
        for row in database.read(VOLUMES.select()):
            self._remember(_DOCUMENT.validate_json(row.document))

    def list_(self, scope: Scope) -> list[Volume]:
        """Return what the caller sees, by name."""
        found = [volume for volume in list(self._volumes.values()) if scope.sees(volume.namespace)]
        return sorted(found, key=lambda volume: (volume.namespace, volume.name))

    def find(self, namespace: str, name: str) -> Volume | None:
        """Return the namespace's volume of this name, or None."""
        return self._volumes.get((namespace, name))

    def insert(self, transaction: Transaction, volume: Volume) -> None:
        """Add a record."""
        transaction.execute(
            VOLUMES.insert(),
            {
                "namespace": volume.namespace,
                "name": volume.name,
                "document": _DOCUMENT.dump_json(volume).decode(),
            },
        )
        transaction.after_commit(lambda: self._remember(volume))

    def delete(self, transaction: Transaction, volume: Volume) -> None:
        """Drop the record and its name."""
        table = VOLUMES.c
        transaction.execute(VOLUMES.delete().where(table.namespace == volume.namespace, table.name == volume.name))
        transaction.after_commit(lambda: self._forget(volume))

    def _remember(self, volume: Volume) -> None:
        self._volumes[volume.namespace, volume.name] = volume

    def _forget(self, volume: Volume) -> None:
        self._volumes.pop((volume.namespace, volume.name), None)
