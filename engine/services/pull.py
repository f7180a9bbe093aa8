"""Pulling images: manifest, configuration, layers, and in the end one record.

Nothing is seen of a pull before it is whole, and nothing stays of one that failed or was given up.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import faults
from engine.errors import BerthError, InvalidArgument
from engine.ids import Digest
from engine.images import config as image_config
from engine.images import manifest
from engine.images.model import ImageLayer
from engine.locks import NamedLocks
from engine.refs import Platform, Reference
from engine.registry import search
from engine.registry.auth import Credentials
from engine.registry.client import Registries
from engine.registry.source import Fetched, Source
from engine.services.gc import Garbage, Lease
from engine.services.images import Images, Origin
from engine.services.pull_layers import LayerPlan, LayerPull, Stop
from engine.services.retrying import retried
from engine.storage.content import Content
from engine.storage.layers import Layers, chain_ids
from engine.values import Progress, Scope


@dataclass(frozen=True, slots=True)
class _Found:
    """What a name means at its registry: the document under it, and this platform's manifest."""

    top: Fetched
    own: Fetched
    manifest: manifest.Manifest


class Pulls:
    """Pulls images, and asks registries about them."""

    def __init__(
        self, *, registries: Registries, images: Images, content: Content, layers: Layers, garbage: Garbage
    ) -> None:
        self._registries = registries
        self._images = images
        self._content = content
        self._layers = layers
        self._garbage = garbage
        self._unpacking = NamedLocks()

    def pull(
        self,
        scope: Scope,
        reference: Reference,
        platform: str = "",
        auth: Mapping[str, Any] | None = None,
        stop: Stop | None = None,
    ) -> Iterator[Progress]:
        """Pull an image, all tags of a repository where neither tag nor digest is given; yields `docker pull`'s lines.

        Errors are Docker's: NotFound, Unauthorized, Unavailable before the first line; what comes later, too, is
        raised. Closing the iterator, or `stop`, gives the pull up.
        """
        stop = stop or threading.Event()
        wanted = Platform.parse(platform)
        source = self._registries.open(reference, Credentials.parse(auth or {}))
        if not reference.is_name_only:
            yield from self._pull_one(scope, source, reference, wanted, stop)
            return
        for tag in retried(source.tags):
            yield from self._pull_one(scope, source, reference.with_tag(tag), wanted, stop)

    def inspect(self, reference: Reference, auth: Mapping[str, Any]) -> tuple[manifest.Descriptor, Sequence[Platform]]:
        """Return what a registry has under a name: the document's descriptor, and the platforms it is for."""
        source = self._registries.open(reference, Credentials.parse(auth))
        top = retried(lambda: source.manifest(reference.digest or reference.tag))
        found = manifest.parse(top.data, top.media_type)
        descriptor = manifest.Descriptor(found.media_type, top.digest, len(top.data))
        if isinstance(found, manifest.Index):
            listed = [d.platform for d in found.manifests if d.platform and not d.is_attestation]
            return descriptor, listed
        try:
            document = image_config.parse_document(self._small(source, found.config))
        finally:
            self._garbage.sweep()
        return descriptor, [Platform(document.os, document.architecture, document.variant)]

    def search(
        self, term: str, auth: Mapping[str, Any], filters: dict[str, tuple[str, ...]], limit: int
    ) -> list[search.Found]:
        """Return the repositories that a registry, or Docker Hub, has by a name like `term`."""
        found = retried(lambda: self._registries.search(term, Credentials.parse(auth)))
        return search.select(found, filters, limit)

    def login(self, server: str, username: str, password: str) -> str:
        """Try a user and password at a registry; Unauthorized where it refuses them, else an identity token or ""."""
        return self._registries.login(server, username, password)

    def _pull_one(
        self, scope: Scope, source: Source, reference: Reference, platform: Platform, stop: Stop
    ) -> Iterator[Progress]:
        found = self._resolve(source, reference, platform)
        yield Progress(f"Pulling from {reference.path}", reference.digest or reference.tag)
        with self._garbage.trial() as lease:
            changed = yield from self._bring(scope, lease, source, reference, found, stop)
        yield Progress(f"Digest: {found.top.digest}")
        word = "Downloaded newer image" if changed else "Image is up to date"
        yield Progress(f"Status: {word} for {reference.familiar}")

    def _resolve(self, source: Source, reference: Reference, platform: Platform) -> _Found:
        top = own = retried(lambda: source.manifest(reference.digest or reference.tag))
        found = manifest.parse(top.data, top.media_type)
        if isinstance(found, manifest.Index):
            chosen = manifest.choose(found, platform)
            own = retried(lambda: source.manifest(chosen.digest))
            found = manifest.parse(own.data, own.media_type or chosen.media_type)
        if isinstance(found, manifest.Index):
            raise InvalidArgument(f"invalid manifest: the index of {reference.familiar} points to another index")
        return _Found(top, own, found)

    def _bring(
        self, scope: Scope, lease: Lease, source: Source, reference: Reference, found: _Found, stop: Stop
    ) -> Generator[Progress, None, bool]:
        """Bring everything in and write the record; returns whether the name came to mean another image."""
        packed = found.manifest.layers
        lease.keep(found.manifest.config.digest, found.own.digest, *(layer.digest for layer in packed))
        document = self._small(source, found.manifest.config)
        faults.point("pull.after-config")
        diff_ids = image_config.parse_document(document).diff_ids
        if len(diff_ids) != len(packed):
            raise InvalidArgument(
                f"invalid image: its manifest has {len(packed)} layers, its configuration {len(diff_ids)}"
            )
        chain = chain_ids(diff_ids)
        lease.keep(*chain)
        plans = [
            LayerPlan(layer, diff_id, chain_id, parent)
            for layer, diff_id, chain_id, parent in zip(packed, diff_ids, chain, ("", *chain), strict=False)
        ]
        yield from LayerPull(source, self._content, self._layers, self._unpacking, stop).run(plans)
        self._content.put(found.own.data)
        faults.point("pull.before-record")
        before = self._known(scope, reference)
        origin = Origin(
            "pull",
            actor_id=reference.familiar,
            name=reference.familiar_name,
            manifest=found.own.digest,
            manifest_type=found.manifest.media_type,
            manifest_size=len(found.own.data),
        )
        names = [reference.with_digest(found.top.digest)]
        if not reference.digest:
            names.append(reference)
        image = self._images.adopt(scope, document, [self._layer(plan) for plan in plans], names, origin)
        faults.point("pull.after-record")
        return before != image.id

    def _layer(self, plan: LayerPlan) -> ImageLayer:
        size = self._layers.info(plan.chain_id).size
        packed = plan.packed
        if not self._content.has(packed.digest):  # unpacked already, from elsewhere
            return ImageLayer(plan.chain_id, plan.diff_id, size)
        return ImageLayer(plan.chain_id, plan.diff_id, size, packed.digest, packed.size, packed.media_type)

    def _known(self, scope: Scope, reference: Reference) -> str:
        try:
            return self._images.get(scope, str(reference)).id
        except BerthError:
            return ""

    def _small(self, source: Source, descriptor: manifest.Descriptor) -> bytes:
        """Return a small blob, verified, from the store or the registry."""
        if descriptor.size > image_config.LIMIT:
            raise InvalidArgument(f"image configuration of {descriptor.size} bytes: the limit is {image_config.LIMIT}")
        return retried(lambda: self._small_once(source, descriptor.digest, descriptor.size))

    def _small_once(self, source: Source, digest: Digest, size: int) -> bytes:
        with self._content.ingest(digest, size) as blob:
            if blob is not None:
                blob.restart()
                stream = source.blob(digest)
                try:
                    for chunk in stream:
                        blob.write(chunk[: size + 1 - blob.offset])
                        if blob.offset > size:
                            break
                finally:
                    stream.close()
        return self._content.read(digest)
