"""Pushing images: layers, configuration, manifest, and in the end their digests are names here.

An image goes under the manifest it came by, byte for byte, where the registry can have all its layers as that names
them; else a manifest of the same family is made.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.errors import InvalidArgument, NotFound
from engine.ids import Digest
from engine.images import manifest
from engine.images.model import Image
from engine.refs import Reference
from engine.registry.auth import Credentials
from engine.registry.client import Registries
from engine.registry.sink import Sink
from engine.services.gc import Garbage
from engine.services.images import Images
from engine.services.pull_layers import Cancelled, Stop
from engine.services.push_layers import LayerPush, Parcel
from engine.services.retrying import retried
from engine.storage.content import Content
from engine.storage.layers import Layers
from engine.values import Progress, Scope

_SOURCES = 3


class Pushes:
    """Pushes images."""

    def __init__(
        self, *, registries: Registries, images: Images, content: Content, layers: Layers, garbage: Garbage
    ) -> None:
        self._registries = registries
        self._images = images
        self._content = content
        self._layers = layers
        self._garbage = garbage

    def push(
        self,
        scope: Scope,
        reference: Reference,
        auth: Mapping[str, Any] | None = None,
        stop: Stop | None = None,
    ) -> Iterator[Progress]:
        """Push an image, all tags of the repository where none is given; yields `docker push`'s lines.

        Errors are raised, in Docker's words, after the first line. Closing the iterator, or `stop`, gives the push up.
        """
        stop = stop or threading.Event()
        yield Progress(f"The push refers to repository [{reference.name}]")
        chosen = self._chosen(scope, reference)
        sink = self._registries.open_sink(reference, Credentials.parse(auth or {}))
        for tagged, image in chosen:
            with self._garbage.lease() as lease:
                lease.keep(*image.blobs, *image.chain)
                digest = yield from self._push_one(scope, sink, tagged, image, stop)
                self._images.name_digest(image, tagged.with_digest(digest))
        self._images.pushed(scope, chosen[0][1], reference)

    def _chosen(self, scope: Scope, reference: Reference) -> list[tuple[Reference, Image]]:
        found = [
            (name, view.image) for view in self._images.list_(scope) for name in view.references
            if name.name == reference.name
        ]  # fmt: skip
        if not found:
            raise NotFound(f"An image does not exist locally with the tag: {reference.familiar_name}")
        if reference.digest:
            raise InvalidArgument("cannot push a digest reference")
        if reference.tag:
            try:
                return [(reference, self._images.get(scope, str(reference)))]
            except NotFound:
                raise NotFound(f"tag does not exist: {reference.familiar}") from None
        tags = sorted({name.tag for name, _ in found if name.tag})
        if not tags:
            raise NotFound(f"no tags to push for {reference.familiar_name}")
        named = [reference.with_tag(tag) for tag in tags]
        return [(name, self._images.get(scope, str(name))) for name in named]

    def _push_one(
        self, scope: Scope, sink: Sink, reference: Reference, image: Image, stop: Stop
    ) -> Generator[Progress, None, Digest]:
        original = self._original(image)
        parcels = self._parcels(scope, reference, image, original)
        placed = yield from LayerPush(sink, self._content, self._layers, stop).run(parcels)
        layers = [placed[layer.diff_id] for layer in image.layers]
        document = self._images.document(image)
        data, media_type = self._manifest_of(image, document, original, layers)
        _check(stop)
        retried(lambda: sink.has(image.id) or bool(sink.upload(lambda: [document], image.id)))
        _check(stop)
        digest = retried(lambda: sink.put_manifest(reference.tag, data, media_type))
        yield Progress(f"{reference.tag}: digest: {digest} size: {len(data)}")
        yield Progress("", aux={"Tag": reference.tag, "Digest": digest, "Size": len(data)})
        return digest

    def _original(self, image: Image) -> manifest.Manifest | None:
        """Return the manifest the image came by, None where it is not kept."""
        if not image.manifest or not self._content.has(image.manifest):
            return None
        found = manifest.parse(self._content.read(image.manifest), image.manifest_type)
        if isinstance(found, manifest.Manifest) and len(found.layers) == len(image.layers):
            return found
        return None

    def _parcels(
        self, scope: Scope, reference: Reference, image: Image, original: manifest.Manifest | None
    ) -> list[Parcel]:
        repositories: dict[str, list[str]] = {}
        for view in self._images.list_(scope):
            paths = {r.path for r in view.references if r.digest and r.domain == reference.domain} - {reference.path}
            for layer in view.image.layers if paths else ():
                repositories.setdefault(layer.diff_id, []).extend(sorted(paths))
        parcels = []
        for number, layer in enumerate(image.layers):
            wanted = original.layers[number] if original else None
            if wanted is None and layer.blob:
                wanted = manifest.Descriptor(layer.media_type, Digest(layer.blob), layer.blob_size)
            sources = dict.fromkeys(repositories.get(layer.diff_id, ()))
            parcels.append(Parcel(layer, wanted, tuple(sources)[:_SOURCES]))
        return parcels

    def _manifest_of(
        self, image: Image, document: bytes, original: manifest.Manifest | None, layers: list[manifest.Descriptor]
    ) -> tuple[bytes, str]:
        """Return the manifest that names `layers`, and its type."""
        if original and [layer.digest for layer in layers] == [layer.digest for layer in original.layers]:
            return self._content.read(image.manifest), original.media_type
        packings = [manifest.packing_of(layer.media_type) for layer in layers]
        is_oci = "zstd" in packings or (original is not None and original.media_type == manifest.OCI_MANIFEST)
        family = manifest.OCI_MANIFEST if is_oci else manifest.DOCKER_MANIFEST
        config_type = manifest.OCI_CONFIG if is_oci else manifest.DOCKER_CONFIG
        typed = [
            replace(layer, media_type=manifest.layer_type(family, packing))
            for layer, packing in zip(layers, packings, strict=True)
        ]
        return manifest.render(manifest.Descriptor(config_type, Digest(image.id), len(document)), typed, family), family


def _check(stop: Stop) -> None:
    if stop.is_set():
        raise Cancelled("context canceled")
