"""Removing images by Docker's rules: which names go, what stands against it, what is left to sweep.

The rules and texts are those of moby's `daemon/images/image_delete.go`; clients print them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine import faults
from engine.containers.model import Container
from engine.errors import Conflict
from engine.events import Event
from engine.images.model import Image
from engine.images.store import ImageStore
from engine.refs import Reference
from engine.services.gc import ContainerLookup, Garbage
from engine.storage.db import Database, Transaction
from engine.values import Scope

_SHORT = 12


@dataclass(frozen=True, slots=True)
class Removed:
    """One line of `docker rmi`: a name that was untagged, or an id that was deleted."""

    untagged: str = ""
    deleted: str = ""


class Removal:
    """Decides and carries out `docker rmi` and `docker image prune`."""

    def __init__(self, database: Database, store: ImageStore, garbage: Garbage, containers: ContainerLookup) -> None:
        self._database = database
        self._store = store
        self._garbage = garbage
        self._containers = containers

    def remove(self, scope: Scope, text: str, *, force: bool) -> list[Removed]:
        """Remove what `text` means; Conflict says what stands against it."""
        records: list[Removed] = []
        with self._database.transaction() as transaction:
            image = self._store.get(scope, text)
            if _is_id(image, text) and not self._is_name(image, text):
                gone = self._by_id(transaction, scope, image, force, records)
            else:
                gone = self._by_name(transaction, scope, image, text, force, records)
            if gone:
                self._delete(transaction, scope, image, records)
        faults.point("image.before-sweep")
        if gone:
            records.extend(Removed(deleted=chain_id) for chain_id in self._garbage.sweep().chains)
        return records

    def prune(self, scope: Scope, images: Iterable[Image]) -> tuple[list[Removed], int]:
        """Remove those of `images` that no container uses, with all their names."""
        records: list[Removed] = []
        with self._database.transaction() as transaction:
            for image in images:
                if self._store.find(image.namespace, image.id) and not self._users(image):
                    self._untag(transaction, scope, image, self._store.references(image), records)
                    self._delete(transaction, scope, image, records)
        swept = self._garbage.sweep()
        records.extend(Removed(deleted=chain_id) for chain_id in swept.chains)
        return records, swept.size

    def _by_name(
        self, transaction: Transaction, scope: Scope, image: Image, text: str, force: bool, records: list[Removed]
    ) -> bool:
        """Take the name away; say whether the image has to go with it."""
        reference = Reference.parse(text).with_default_tag()
        if reference.digest:
            reference = reference.with_digest(reference.digest)
        names = self._store.references(image)
        if not force and _is_single(names) and (users := self._users(image)):
            raise Conflict(
                f'conflict: unable to remove repository reference "{text}" (must force) - container '
                f"{users[0].id[:_SHORT]} is using its referenced image {_short(image)}"
            )
        going = [reference]
        same = [name for name in names if name.name == reference.name and name != reference]
        if not reference.digest and not any(name.tag for name in same):
            going += same
        left = [name for name in names if name not in going]
        if not left and not force:
            self._check(image, names_count=True)
        self._untag(transaction, scope, image, going, records)
        # A running container keeps its image, which stays without a name.
        return not left and not any(user.state.is_running for user in self._users(image))

    def _by_id(self, transaction: Transaction, scope: Scope, image: Image, force: bool, records: list[Removed]) -> bool:
        names = self._store.references(image)
        self._check(image, force=force, names_count=_is_single(names))
        self._untag(transaction, scope, image, names, records)
        return True

    def _check(self, image: Image, *, force: bool = False, names_count: bool) -> None:
        users = self._users(image)
        running = [user for user in users if user.state.is_running]
        if running:
            raise _conflict(image, "cannot be forced", f"image is being used by running container {_id(running[0])}")
        if force:
            return
        if not names_count:
            raise _conflict(image, "must be forced", "image is referenced in multiple repositories")
        if users:
            raise _conflict(image, "must be forced", f"image is being used by stopped container {_id(users[0])}")

    def _untag(
        self,
        transaction: Transaction,
        scope: Scope,
        image: Image,
        names: Sequence[Reference],
        records: list[Removed],
    ) -> None:
        for name in names:
            self._store.unpoint(transaction, image.namespace, name)
            transaction.record(_event(image, "untag", scope))
            records.append(Removed(untagged=name.familiar))

    def _delete(self, transaction: Transaction, scope: Scope, image: Image, records: list[Removed]) -> None:
        self._store.delete(transaction, image)
        transaction.record(_event(image, "delete", scope))
        records.append(Removed(deleted=image.id))

    def _is_name(self, image: Image, text: str) -> bool:
        return any(text in (name.familiar, str(name), name.familiar_name) for name in self._store.references(image))

    def _users(self, image: Image) -> list[Container]:
        return [c for c in self._containers() if c.image_id == image.id and c.namespace == image.namespace]


def _event(image: Image, action: str, scope: Scope) -> Event:
    attributes = {**image.config.labels, "name": image.id}
    return Event("image", action, image.id, image.namespace, attributes, by=scope.actor)


def _is_id(image: Image, text: str) -> bool:
    return image.id.startswith(text) or image.id.partition(":")[2].startswith(text)


def _is_single(names: Sequence[Reference]) -> bool:
    """Say whether all names are one tag and the digests of its repository."""
    if len(names) <= 1:
        return True
    return sum(1 for name in names if name.tag) <= 1 and len({name.name for name in names}) == 1


def _conflict(image: Image, how: str, why: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {_short(image)} ({how}) - {why}")


def _short(image: Image) -> str:
    return image.id.partition(":")[2][:_SHORT]


def _id(container: Container) -> str:
    return container.id[:_SHORT]
