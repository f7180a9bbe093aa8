"""An image of what a container has become: its writable layer, packed, on top of its image's."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass

from engine.clock import now_ns, render_ns
from engine.containers import merge
from engine.containers.model import Config, Container, Status
from engine.containers.store import ContainerStore
from engine.errors import NotFound
from engine.images.changes import apply_changes
from engine.images.config import ImageDocument, parse_document, render_document
from engine.images.model import HistoryEntry, Image, ImageLayer
from engine.locks import NamedLocks
from engine.refs import Reference, digest_of
from engine.runtime.base import Runtime
from engine.services.container_events import container_event
from engine.services.gc import Garbage
from engine.services.images import Images, Origin
from engine.storage.archive import pack_layer
from engine.storage.content import Content
from engine.storage.db import Database
from engine.storage.layers import Layers, chain_ids
from engine.storage.snapshots.base import Snapshotter
from engine.values import ImageConfig, Scope


@dataclass(frozen=True, slots=True)
class CommitWish:
    """What is asked of a commit. `config` overrides the container's own where it says something."""

    reference: Reference | None = None
    comment: str = ""
    author: str = ""
    pause: bool = True
    changes: tuple[str, ...] = ()
    config: Config | None = None


class Commits:
    """Makes images of containers."""

    def __init__(
        self,
        *,
        database: Database,
        store: ContainerStore,
        locks: NamedLocks,
        runtime: Runtime,
        snapshots: Snapshotter,
        images: Images,
        content: Content,
        layers: Layers,
        garbage: Garbage,
    ) -> None:
        self._database = database
        self._store = store
        self._locks = locks
        self._runtime = runtime
        self._snapshots = snapshots
        self._images = images
        self._content = content
        self._layers = layers
        self._garbage = garbage

    def commit(self, scope: Scope, reference: str, wish: CommitWish) -> Image:
        """Make the image and return it; a running container stands still meanwhile, if `pause` is asked for.

        NotFound where the container's image is gone: its configuration is what the new one builds on.
        """
        container = self._store.get(scope, reference)
        base = self._base(container)
        config = apply_changes(_image_config(container, wish.config), wish.changes)
        with self._garbage.trial() as lease, ExitStack() as paused:
            lease.keep(*container.chain, base.id)
            self._pause(container, paused, wanted=wish.pause)
            upper = os.open(self._snapshots.upper(container.id), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                staged = self._layers.stage(pack_layer(upper))
            finally:
                os.close(upper)
            paused.close()
            chain = chain_ids((*base.diff_ids, staged.diff_id))
            document = render_document(self._document(container, base, config, staged.diff_id, wish))
            lease.keep(*chain, digest_of(document))
            self._layers.commit(staged, chain[-1], chain[-2] if len(chain) > 1 else "")
            self._content.put(document)
            layers = (*base.layers, ImageLayer(chain[-1], staged.diff_id, staged.size))
            names = [wish.reference] if wish.reference else []
            origin = Origin("create", name=wish.reference.familiar if wish.reference else "")
            image = self._images.adopt(scope, document, layers, names, origin)
        self._record(container, image, wish, by=scope.actor)
        return image

    def _base(self, container: Container) -> Image:
        try:
            return self._images.get(Scope(namespace=container.namespace), container.image_id)
        except NotFound:
            raise NotFound(f"the image of container {container.id} is gone: {container.image_id}") from None

    def _pause(self, container: Container, paused: ExitStack, *, wanted: bool) -> None:
        """Freeze a running container until `paused` closes; its lock is held, so that nothing else changes it."""
        paused.enter_context(self._locks.hold(container.id))
        current = self._store.find(container.id)
        if current is None:
            raise NotFound(f"No such container: {container.id}")
        if wanted and current.state.status is Status.RUNNING:
            self._runtime.pause(container.id)
            paused.callback(self._runtime.resume, container.id)

    def _document(
        self, container: Container, base: Image, config: ImageConfig, diff_id: str, wish: CommitWish
    ) -> ImageDocument:
        old = parse_document(self._images.document(base))
        created = render_ns(now_ns())
        step = HistoryEntry(
            created=created, created_by=" ".join(container.argv), comment=wish.comment, author=wish.author
        )
        return ImageDocument(
            config=config,
            diff_ids=(*old.diff_ids, diff_id),
            architecture=old.architecture,
            os=old.os,
            variant=old.variant,
            os_version=old.os_version,
            created=created,
            author=wish.author,
            comment=wish.comment,
            history=(*old.history, step),
        )

    def _record(self, container: Container, image: Image, wish: CommitWish, *, by: str) -> None:
        name = wish.reference.familiar if wish.reference else ""
        extra = {"imageID": image.id, "imageRef": name, "comment": wish.comment}
        with self._database.transaction() as transaction:
            transaction.record(container_event(container, "commit", by=by, extra=extra))


def _image_config(container: Container, asked: Config | None) -> ImageConfig:
    """Return the container's configuration as an image's, with what the request says over it."""
    own = container.config
    if asked is not None:
        own = merge.merge_config(asked, own)
    return ImageConfig(
        user=own.user,
        env=own.env,
        cmd=own.cmd,
        entrypoint=own.entrypoint,
        working_dir=own.working_dir,
        labels=own.labels,
        exposed_ports=own.exposed_ports,
        volumes=own.volumes,
        stop_signal=own.stop_signal or "",
        shell=own.shell,
        on_build=own.on_build,
        healthcheck=own.healthcheck,
    )
