"""Images in and out as archives: `docker load`, `docker save`, `docker import`.

Loading is one pass: a layer unpacks while the archive arrives, before its manifest is known, and finds its place
afterwards. Nothing of an archive that turns out bad stays.
"""

from __future__ import annotations

import itertools
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from engine.clock import now_ns, render_ns
from engine.errors import InvalidArgument
from engine.ids import Digest
from engine.images import archive, manifest
from engine.images.config import ImageDocument, parse_document, render_document
from engine.images.model import HistoryEntry, Image, ImageLayer
from engine.refs import Platform, Reference, digest_of
from engine.services.gc import Garbage, Lease
from engine.services.images import Images, Origin
from engine.storage import compression
from engine.storage.content import Content
from engine.storage.layers import Layers, Staged, chain_ids
from engine.storage.tarstream import BLOCK, Entry, TarReader, clean_name, is_tar
from engine.values import ImageConfig, Progress, Scope

_DOCUMENT_LIMIT = 8 << 20
_DOCUMENTS_LIMIT = 64 << 20


@dataclass(slots=True)
class _Contents:
    """What one pass over an archive found."""

    documents: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    staged: dict[str, Staged] = field(default_factory=dict)
    placed: dict[str, str] = field(default_factory=dict)
    """Chain ids of staged layers that have their place already."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What the user says about an image that is made from a bare file system."""

    reference: Reference | None = None
    message: str = ""
    config: ImageConfig = field(default_factory=ImageConfig)
    platform: str = ""


class ImageArchives:
    """Loads, saves and imports images."""

    def __init__(self, images: Images, content: Content, layers: Layers, garbage: Garbage) -> None:
        self._images = images
        self._content = content
        self._layers = layers
        self._garbage = garbage

    def load(self, scope: Scope, body: BinaryIO, platform: str = "") -> Iterator[Progress]:
        """Load a `docker save` archive or an OCI layout, of any compression; yields a line for each image.

        All or nothing: an archive with a bad image adds none.
        """
        contents = _Contents()
        with self._garbage.trial() as lease, ExitStack() as undo:
            undo.callback(self._discard, contents)
            yield from self._read(_chunks(body), contents)
            packed = archive.images_of(contents.documents, contents.links, Platform.parse(platform))
            images = [self._place(lease, item, contents) for item in packed]
            for document, layers, names in images:
                yield from self._adopted(scope, document, layers, names)

    def import_(self, scope: Scope, body: BinaryIO, said: Imported) -> Image:
        """Make an image of one layer from a tar (of any compression) of a root file system."""
        platform = Platform.parse(said.platform)
        with self._garbage.trial() as lease:
            staged = self._layers.stage(_chunks(body))
            created = render_ns(now_ns())
            document = render_document(
                ImageDocument(
                    config=said.config,
                    diff_ids=(staged.diff_id,),
                    architecture=platform.architecture,
                    os=platform.os,
                    variant=platform.variant,
                    created=created,
                    comment=said.message,
                    history=(HistoryEntry(created=created, comment=said.message),),
                )
            )
            lease.keep(staged.diff_id, digest_of(document))
            self._layers.commit(staged, staged.diff_id, "")
            self._content.put(document)
            layer = ImageLayer(staged.diff_id, staged.diff_id, staged.size)
            names = [said.reference] if said.reference else []
            origin = Origin("import", name=said.reference.familiar if said.reference else "")
            return self._images.adopt(scope, document, [layer], names, origin)

    def save(self, scope: Scope, names: Sequence[str]) -> Iterator[bytes]:
        """Yield an archive of images that both Docker and OCI tools read; NotFound before the first byte."""
        chosen: dict[str, tuple[Image, list[str]]] = {}
        for name in names:
            for image, tag in self._selected(scope, name):
                tags = chosen.setdefault(image.id, (image, []))[1]
                if tag and tag not in tags:
                    tags.append(tag)
        return self._packed(scope, list(chosen.values()))

    def _selected(self, scope: Scope, name: str) -> list[tuple[Image, str]]:
        """Return what a name means to `docker save`: a tag, all tags of a repository, or an image without a tag."""
        try:
            reference = Reference.parse(name)
        except InvalidArgument:
            return [(self._images.get(scope, name), "")]
        tagged = [(v.image, r) for v in self._images.list_(scope) for r in v.references if r.tag]
        if reference.is_name_only:
            whole = [(image, tag.familiar) for image, tag in tagged if tag.name == reference.name]
            if whole:
                return whole
        image = self._images.get(scope, name)
        return [(image, reference.familiar if any(tag == reference for _, tag in tagged) else "")]

    def _packed(self, scope: Scope, chosen: Sequence[tuple[Image, list[str]]]) -> Iterator[bytes]:
        with self._garbage.lease() as lease:
            written: set[str] = set()
            entries, manifests = [], []
            for image, tags in chosen:
                lease.keep(*image.blobs, *image.chain)
                packed, data = self._manifest_of(image)
                for layer in image.layers:
                    if layer.diff_id not in written:
                        written.add(layer.diff_id)
                        yield from self._layer_file(layer)
                yield from _file(archive.blob_path(image.id), self._images.document(image))
                yield from _file(archive.blob_path(digest_of(data)), data)
                entries.append(replace(packed, names=tuple(tags)))
                manifests.append(data)
            yield from _file("index.json", manifest.render_index(manifests, [tags for _, tags in chosen]))
            yield from _file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            yield from _file("manifest.json", archive.docker_manifest(entries))
            yield bytes(2 * BLOCK)
        self._images.saved(scope, [image for image, _ in chosen])

    def _manifest_of(self, image: Image) -> tuple[archive.Packed, bytes]:
        layers = [
            manifest.Descriptor(manifest.OCI_LAYER, Digest(layer.diff_id), self._tar_size(layer))
            for layer in image.layers
        ]
        config = manifest.Descriptor(manifest.OCI_CONFIG, Digest(image.id), len(self._images.document(image)))
        paths = tuple(archive.blob_path(layer.digest) for layer in layers)
        return archive.Packed(archive.blob_path(image.id), paths, ()), manifest.render(config, layers)

    def _tar_size(self, layer: ImageLayer) -> int:
        return self._layers.info(layer.chain_id).tar_size

    def _layer_file(self, layer: ImageLayer) -> Iterator[bytes]:
        size = self._tar_size(layer)
        yield _header(archive.blob_path(layer.diff_id), size)
        yield from self._layer_tar(layer)
        yield bytes(-size % BLOCK)

    def _layer_tar(self, layer: ImageLayer) -> Iterator[bytes]:
        if self._layers.has_tar(layer.chain_id):
            yield from self._layers.tar(layer.chain_id)
        else:
            with self._content.open(layer.blob) as file:
                yield from compression.decompressed(_chunks(file))

    def _read(self, chunks: Iterable[bytes], contents: _Contents) -> Iterator[Progress]:
        reader = TarReader(compression.decompressed(chunks))
        room = _DOCUMENTS_LIMIT
        for entry in reader:
            if entry.kind in "12":
                contents.links[entry.name] = _link_target(entry)
            elif entry.kind == "0":
                head, content = _peek(reader.content())
                if is_tar(head) or compression.detect(head):
                    yield Progress("Loading layer", posixpath.basename(entry.name)[:12], 0, entry.size)
                    self._keep_staged(contents, entry.name, self._layers.stage(content))
                elif head.lstrip()[:1] in (b"{", b"[") and entry.size <= min(_DOCUMENT_LIMIT, room):
                    contents.documents[entry.name] = b"".join(content)
                    room -= entry.size

    def _keep_staged(self, contents: _Contents, name: str, staged: Staged) -> None:
        if name in contents.staged:
            self._layers.discard(contents.staged[name])
        contents.staged[name] = staged

    def _place(
        self, lease: Lease, packed: archive.Packed, contents: _Contents
    ) -> tuple[bytes, list[ImageLayer], list[Reference]]:
        document = contents.documents.get(packed.config)
        if document is None:
            raise InvalidArgument(f"invalid archive: {packed.config} is missing")
        names = [Reference.parse(name).with_default_tag() for name in packed.names]
        parsed = parse_document(document)
        if len(parsed.diff_ids) != len(packed.layers):
            raise InvalidArgument(
                f"invalid manifest, layers length mismatch: expected {len(parsed.diff_ids)}, got {len(packed.layers)}"
            )
        chain = chain_ids(parsed.diff_ids)
        lease.keep(digest_of(document), *chain)
        for number, (path, diff_id) in enumerate(zip(packed.layers, parsed.diff_ids, strict=True)):
            self._place_layer(path, diff_id, chain[: number + 1], contents)
        self._content.put(document)
        sizes = [self._layers.info(chain_id).size for chain_id in chain]
        layers = [ImageLayer(c, d, s) for c, d, s in zip(chain, parsed.diff_ids, sizes, strict=True)]
        return document, layers, names

    def _place_layer(self, path: str, diff_id: str, chain: Sequence[str], contents: _Contents) -> None:
        if self._layers.has(chain[-1]):
            return
        staged = contents.staged.pop(path, None)
        if staged is None and path in contents.placed:
            staged = self._layers.stage(self._layers.tar(contents.placed[path]))
        if staged is None:
            raise InvalidArgument(f"invalid archive: layer {path} is missing")
        if staged.diff_id != diff_id:
            self._layers.discard(staged)
            raise InvalidArgument(
                f'invalid diffID for layer {len(chain) - 1}: expected "{diff_id}", got "{staged.diff_id}"'
            )
        self._layers.commit(staged, chain[-1], chain[-2] if len(chain) > 1 else "")
        contents.placed[path] = chain[-1]

    def _adopted(
        self, scope: Scope, document: bytes, layers: Sequence[ImageLayer], names: Sequence[Reference]
    ) -> Iterator[Progress]:
        image = self._images.adopt(scope, document, layers, names, Origin("load"))
        for name in names:
            yield _line(f"Loaded image: {name.familiar}\n")
        if not names:
            yield _line(f"Loaded image ID: {image.id}\n")

    def _discard(self, contents: _Contents) -> None:
        for staged in contents.staged.values():
            self._layers.discard(staged)


def _line(text: str) -> Progress:
    return Progress("", aux={"stream": text})


def _chunks(body: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: body.read(compression.CHUNK), b"")


def _peek(content: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first block's bytes, and an iterator of all of them."""
    first: list[bytes] = []
    have = 0
    for piece in content:
        first.append(piece)
        have += len(piece)
        if have >= BLOCK:
            break
    return b"".join(first)[:BLOCK], itertools.chain(first, content)


def _link_target(entry: Entry) -> str:
    if entry.kind == "1":
        return entry.link
    return clean_name(posixpath.normpath(posixpath.join(posixpath.dirname(entry.name), entry.link)))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def _file(name: str, data: bytes) -> Iterator[bytes]:
    yield _header(name, len(data))
    yield data
    yield bytes(-len(data) % BLOCK)
