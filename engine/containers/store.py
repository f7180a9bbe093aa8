"""The containers' records: all in memory, each change written through in the caller's transaction.

Reads never touch the database. A record that is in memory is on disk: memory follows the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pydantic import TypeAdapter

from engine.containers.model import Container, State
from engine.errors import Conflict, NotFound
from engine.ids import match_prefix
from engine.storage.db import Database, Transaction
from engine.storage.models import CONTAINERS
from engine.values import Scope

_DOCUMENT: TypeAdapter[Container] = TypeAdapter(Container)
_INSERT = CONTAINERS.insert()


class ContainerStore:
    """Containers by id and by name within their namespace. Names are reserved by `insert`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_id: dict[str, Container] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        for row in database.read(CONTAINERS.select()):
            self._remember(_DOCUMENT.validate_json(row.document))

    def all(self) -> list[Container]:
        """Return every container of every namespace."""
        return list(self._by_id.values())

    def find(self, container_id: str) -> Container | None:
        """Return the container with this full id, None if there is none."""
        return self._by_id.get(container_id)

    def named(self, namespace: str, name: str) -> Container | None:
        """Return the container of this name, None if there is none."""
        found = self._by_name.get((namespace, name))
        return self._by_id.get(found) if found else None

    def get(self, scope: Scope, reference: str) -> Container:
        """Return the container that `reference` (id, name, id prefix: in this order) means to the caller.

        Raises NotFound with Docker's text, Conflict where a prefix means several.
        """
        exact = self._by_id.get(reference)
        if exact is not None and scope.sees(exact.namespace):
            return exact
        named = self._named_for(scope, reference.removeprefix("/"))
        if named is not None:
            return named
        found = match_prefix(reference, (c.id for c in self.all() if scope.sees(c.namespace)))
        if len(found) > 1:
            raise Conflict(f"Multiple IDs found with provided prefix: {reference}")
        if not found:
            raise NotFound(f"No such container: {reference}")
        return self._by_id[found[0]]

    def _named_for(self, scope: Scope, name: str) -> Container | None:
        own = self.named(scope.home, name)
        if own is not None:
            return own
        return next((c for c in self.all() if c.name == name and scope.sees(c.namespace)), None)

    def insert(self, transaction: Transaction, container: Container) -> None:
        """Add a record; Conflict with Docker's text if its name is taken."""
        taken = self.named(container.namespace, container.name)
        if taken is not None:
            raise name_conflict(container.name, taken.id)
        transaction.execute(
            _INSERT,
            {
                "id": container.id,
                "namespace": container.namespace,
                "name": container.name,
                "document": _DOCUMENT.dump_json(container).decode(),
            },
        )
        transaction.after_commit(lambda: self._remember(container))

    def save(self, transaction: Transaction, container: Container) -> Container:
        """Replace the record of this id and return it; a change of name is a change of reservation."""
        old = self._by_id[container.id]
        if old.name != container.name:
            taken = self.named(container.namespace, container.name)
            if taken is not None:
                raise name_conflict(container.name, taken.id)
        transaction.execute(
            CONTAINERS.update().where(CONTAINERS.c.id == container.id),
            {"name": container.name, "document": _DOCUMENT.dump_json(container).decode()},
        )
        transaction.after_commit(lambda: self._remember(container, old))
        return container

    def save_state(self, transaction: Transaction, container: Container, change: Callable[[State], State]) -> Container:
        """Replace the record's state by what `change` makes of it."""
        return self.save(transaction, replace(container, state=change(container.state)))

    def delete(self, transaction: Transaction, container: Container) -> None:
        """Drop the record and its name."""
        transaction.execute(CONTAINERS.delete().where(CONTAINERS.c.id == container.id))
        transaction.after_commit(lambda: self._forget(container))

    def _remember(self, container: Container, old: Container | None = None) -> None:
        if old is not None and old.name != container.name:
            self._by_name.pop((old.namespace, old.name), None)
        self._by_id[container.id] = container
        self._by_name[container.namespace, container.name] = container.id

    def _forget(self, container: Container) -> None:
        self._by_id.pop(container.id, None)
        self._by_name.pop((container.namespace, container.name), None)


def name_conflict(name: str, owner_id: str) -> Conflict:
    """Return Docker's error for a name in use."""
    return Conflict(
        f'Conflict. The container name "/{name}" is already in use by container "{owner_id}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
