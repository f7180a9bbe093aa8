"""Images: finding, listing, naming, removing. Records are a namespace's own, content is shared and swept.

Pulling, loading and saving are in `engine.services.pull` and `engine.services.archives`; they hand what they made to
`adopt`, which alone writes a record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.clock import now_ns
from engine.containers.model import Container
from engine.errors import NotFound
from engine.events import Event
from engine.images import filters as image_filters
from engine.images.config import parse_document, parse_time
from engine.images.history import Step, steps_of
from engine.images.model import Image, ImageLayer
from engine.images.store import ImageStore
from engine.refs import Reference, digest_of
from engine.services.gc import ContainerLookup, Garbage
from engine.services.image_removal import Removal, Removed
from engine.storage.content import Content
from engine.storage.db import Database, Transaction
from engine.storage.layers import Layers
from engine.values import Scope

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image with what depends on the others: its names, and the bytes that other images share (-1: not asked)."""

    image: Image
    references: tuple[Reference, ...]
    shared_size: int = -1
    containers: int = -1


@dataclass(frozen=True, slots=True)
class Origin:
    """How an image came: the manifest, the journal's action, and who is named in it (default: the image's id)."""

    action: str
    actor_id: str = ""
    name: str = ""
    manifest: str = ""
    manifest_type: str = ""
    manifest_size: int = 0


class Images:
    """The image store as its users see it; every method from any thread."""

    def __init__(
        self, *, database: Database, store: ImageStore, content: Content, layers: Layers, garbage: Garbage
    ) -> None:
        self._database = database
        self._store = store
        self._content = content
        self._layers = layers
        self._garbage = garbage
        self._containers: ContainerLookup = lambda: ()
        self._removal = Removal(database, store, garbage, lambda: self._containers())

    def set_container_lookup(self, lookup: ContainerLookup) -> None:
        """Say how all containers of all namespaces are found: for conflicts on remove, and for what must stay."""
        self._containers = lookup
        self._garbage.set_container_lookup(lookup)

    def get(self, scope: Scope, reference: str) -> Image:
        """Return the image of a reference, id or id prefix; NotFound ("No such image: x:latest") if there is none."""
        return self._store.get(scope, reference)

    def view(self, scope: Scope, reference: str) -> ImageView:
        """Return the image of a reference with its names."""
        return self._view(self.get(scope, reference))

    def names(self, image: Image) -> list[str]:
        """Return the tags of an image as users write them."""
        return [reference.familiar for reference in self._store.references(image) if reference.tag]

    def list_(
        self,
        scope: Scope,
        *,
        all_: bool = False,
        filters: Mapping[str, Sequence[str]] | None = None,
        shared: bool = False,
    ) -> list[ImageView]:
        """Return the images the caller sees, newest first; `shared` works out what they share."""
        del all_  # every image stands for itself: there are no intermediate ones
        views = [self._view(image) for image in self._store.all() if scope.sees(image.namespace)]
        wanted = image_filters.compile_filters(filters or {}, lambda text: self.get(scope, text))
        found = [
            replace(view, references=references)
            for view in views
            if (references := wanted(view.image, view.references)) is not None
        ]
        if shared:
            found = self._with_usage(views, found)
        return sorted(found, key=lambda view: (-view.image.created_ns, view.image.id))

    def history(self, scope: Scope, reference: str) -> list[Step]:
        """Return how the image was made, the newest step first."""
        view = self.view(scope, reference)
        return steps_of(view.image, [r.familiar for r in view.references if r.tag])

    def tag(self, scope: Scope, source: str, repository: str, tag: str = "") -> Reference:
        """Give the image another name, taking it from whichever image had it; return the name."""
        target = Reference.parse(repository)
        target = target.with_tag(tag) if tag else target.with_default_tag()
        if target.digest:
            target = target.with_tag(target.tag or "latest")
        with self._database.transaction() as transaction:
            image = self.get(scope, source)
            self._store.point(transaction, target, image, now_ns())
            transaction.record(image_event(image, "tag", by=scope.actor, name=target.familiar))
        return target

    def remove(self, scope: Scope, reference: str, *, force: bool = False) -> list[Removed]:
        """Remove a name, or the image when it was the last one; Conflict with Docker's words where it is in use."""
        return self._removal.remove(scope, reference, force=force)

    def prune(self, scope: Scope, filters: Mapping[str, Sequence[str]] | None = None) -> tuple[list[Removed], int]:
        """Remove images that nothing uses (nameless ones, unless `dangling=false`); return also the bytes freed."""
        wanted = image_filters.compile_prune(filters or {})
        return self._removal.prune(scope, [v.image for v in self.list_(scope) if wanted(v.image, v.references)])

    def descendants(self, scope: Scope, reference: str) -> frozenset[str]:
        """Return the ids of the image and of all the caller sees that are built on its layers; empty if unknown."""
        try:
            base = self.get(scope, reference)
        except NotFound:
            return frozenset()
        length = len(base.chain)
        return frozenset(
            image.id
            for image in self._store.all()
            if scope.sees(image.namespace) and (image.id == base.id or (length and image.chain[:length] == base.chain))
        )

    def size_of(self, image_id: str) -> int:
        """Return the bytes of an image's layers, 0 for an unknown one."""
        return next((image.size for image in self._store.all() if image.id == image_id), 0)

    def layers_size(self, scope: Scope) -> int:
        """Return the bytes of all layers of the images the caller sees, each counted once (`docker system df`)."""
        layers = {la.chain_id: la.size for im in self._store.all() if scope.sees(im.namespace) for la in im.layers}
        return sum(layers.values())

    def chains(self) -> list[tuple[str, ...]]:
        """Return the layers of every image of every namespace."""
        return [image.chain for image in self._store.all()]

    def is_empty(self) -> bool:
        """Say whether no namespace has any image."""
        return not self._store.all()

    def document(self, image: Image) -> bytes:
        """Return the image's configuration document, byte by byte."""
        return self._content.read(image.id)

    def lower(self, image: Image) -> list[str]:
        """Return the folders of the image's layers, the topmost first (Docker: GraphDriver.Data)."""
        return [str(self._layers.files(chain_id)) for chain_id in reversed(image.chain)]

    def adopt(
        self,
        scope: Scope,
        document: bytes,
        layers: Sequence[ImageLayer],
        references: Iterable[Reference],
        origin: Origin,
    ) -> Image:
        """Make a record of an image whose content is stored and kept by a lease, and point names at it.

        One transaction. Its content is written to the disk in the background (see `engine.storage.layers`).
        """
        parsed = parse_document(document)
        image = Image(
            id=digest_of(document),
            namespace=scope.home,
            layers=tuple(layers),
            created_ns=parse_time(parsed.created),
            manifest=origin.manifest,
            manifest_type=origin.manifest_type,
            manifest_size=origin.manifest_size,
            **{name: getattr(parsed, name) for name in _FROM_DOCUMENT},
        )
        with self._database.transaction() as transaction:
            self._write(transaction, image, references)
            event = image_event(image, origin.action, by=scope.actor, name=origin.name)
            transaction.record(replace(event, actor_id=origin.actor_id or image.id))
        self._layers.settle()
        return image

    def saved(self, scope: Scope, images: Iterable[Image]) -> None:
        """Record in the journal that images were packed into an archive."""
        with self._database.transaction() as transaction:
            for image in images:
                transaction.record(image_event(image, "save", by=scope.actor))

    def name_digest(self, image: Image, reference: Reference) -> None:
        """Let the digest that a registry has an image under mean it; nothing where the image is gone meanwhile."""
        with self._database.transaction() as transaction:
            kept = self._store.find(image.namespace, image.id)
            if kept and self._store.target(image.namespace, reference) is None:
                self._store.point(transaction, reference, kept, kept.tagged_ns)

    def pushed(self, scope: Scope, image: Image, reference: Reference) -> None:
        """Record in the journal that an image, or all of a repository, was pushed by this name."""
        with self._database.transaction() as transaction:
            event = image_event(image, "push", by=scope.actor, name=reference.familiar_name)
            transaction.record(replace(event, actor_id=reference.familiar))

    def recover(self) -> None:
        """Delete what a dead engine left half made or unreferenced. Call it once, when the containers are known."""
        self._content.recover()
        doubtful = self._layers.recover()
        for image in self._store.all():
            for layer in image.layers:
                if layer.blob and layer.chain_id in doubtful:
                    self._content.verify(layer.blob)
            if not self._is_whole(image):
                self._drop(image)
        self._garbage.sweep()

    def close(self) -> None:
        """Finish deleting files."""
        self._layers.close()

    def _is_whole(self, image: Image) -> bool:
        return self._content.verify(image.id) and all(self._layers.has(chain_id) for chain_id in image.chain)

    def _drop(self, image: Image) -> None:
        """Forget an image whose content the machine lost when it went down."""
        _log.error("image lost when the machine went down: pull it again id=%s", image.id)
        with self._database.transaction() as transaction:
            for reference in self._store.references(image):
                self._store.unpoint(transaction, image.namespace, reference)
            self._store.delete(transaction, image)
            transaction.record(image_event(image, "delete", by="engine"))

    def _write(self, transaction: Transaction, image: Image, references: Iterable[Reference]) -> None:
        old = self._store.find(image.namespace, image.id)
        if old and old.manifest and not image.manifest:
            image = replace(  # the bytes as its registry has them are worth keeping: a push gives the same digest
                image, layers=old.layers, manifest=old.manifest,
                manifest_type=old.manifest_type, manifest_size=old.manifest_size,
            )  # fmt: skip
        self._store.save(transaction, replace(image, tagged_ns=old.tagged_ns if old else 0))
        for reference in references:
            self._store.point(transaction, reference, image, now_ns())

    def _view(self, image: Image) -> ImageView:
        return ImageView(image, tuple(self._store.references(image)))

    def _with_usage(self, everything: Sequence[ImageView], found: Sequence[ImageView]) -> list[ImageView]:
        users: dict[str, int] = {}
        for view in everything:
            for chain_id in set(view.image.chain):
                users[chain_id] = users.get(chain_id, 0) + 1
        containers = list(self._containers())
        return [
            replace(
                view,
                shared_size=sum(layer.size for layer in view.image.layers if users[layer.chain_id] > 1),
                containers=sum(_uses(container, view.image) for container in containers),
            )
            for view in found
        ]


_FROM_DOCUMENT = "config architecture os variant os_version created author comment docker_version history".split()


def _uses(container: Container, image: Image) -> bool:
    return container.image_id == image.id and container.namespace == image.namespace


def image_event(image: Image, action: str, *, by: str, name: str = "") -> Event:
    """Return the journal's entry about an image, with the attributes Docker gives it."""
    attributes = {**image.config.labels, "name": name or image.id}
    return Event("image", action, image.id, image.namespace, attributes, by=by)
