"""What an archive of images says about itself: Docker's `manifest.json` and the OCI image layout. Pure.

`docker save` (25 and later) writes both into one archive, buildah and skopeo one of them. Paths are names in the tar.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidArgument
from engine.images import manifest as manifests
from engine.refs import Platform, Reference

_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Packed:
    """One image in an archive: where its configuration and layers are, and the names to give it."""

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...]


def images_of(documents: Mapping[str, bytes], links: Mapping[str, str], platform: Platform) -> list[Packed]:
    """Return the images of an archive from its JSON files; `links` are its symbolic and hard links.

    An OCI index of several platforms gives the one for `platform`. InvalidArgument where the archive is no image's.
    """
    if "manifest.json" in documents:
        return [_docker_image(entry, links) for entry in _entries(documents["manifest.json"])]
    if "index.json" in documents:
        index = manifests.parse(documents["index.json"], manifests.OCI_INDEX)
        raw = json.loads(documents["index.json"])
        if not isinstance(index, manifests.Index):
            raise InvalidArgument("invalid archive: index.json is no image index")
        annotations = [entry.get("annotations") for entry in raw["manifests"]]
        return [
            _oci_image(documents, descriptor, _names(notes), platform, _DEPTH)
            for descriptor, notes in zip(index.manifests, annotations, strict=True)
            if not descriptor.is_attestation
        ]
    raise InvalidArgument("invalid archive: it has neither a manifest.json nor an index.json")


def docker_manifest(images: Sequence[Packed]) -> bytes:
    """Return the `manifest.json` of an archive that is made here."""
    entries = [{"Config": p.config, "RepoTags": list(p.names) or None, "Layers": list(p.layers)} for p in images]
    return json.dumps(entries, separators=(",", ":")).encode()


def blob_path(digest: str) -> str:
    """Return where an OCI image layout has a blob."""
    return "blobs/" + digest.replace(":", "/", 1)


def _entries(data: bytes) -> list[dict[str, Any]]:
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"invalid manifest.json: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidArgument("invalid manifest.json: not a list of objects")
    return entries


def _docker_image(entry: Mapping[str, Any], links: Mapping[str, str]) -> Packed:
    config, layers, names = entry.get("Config"), entry.get("Layers") or [], entry.get("RepoTags") or []
    if not isinstance(config, str) or not _are_texts(layers) or not _are_texts(names):
        raise InvalidArgument("invalid manifest.json: Config, Layers and RepoTags must be strings")
    return Packed(_followed(config, links), tuple(_followed(path, links) for path in layers), tuple(names))


def _oci_image(
    documents: Mapping[str, bytes],
    descriptor: manifests.Descriptor,
    names: tuple[str, ...],
    platform: Platform,
    depth: int,
) -> Packed:
    data = documents.get(blob_path(descriptor.digest))
    if data is None:
        raise InvalidArgument(f"invalid archive: {blob_path(descriptor.digest)} is missing")
    found = manifests.parse(data, descriptor.media_type)
    if isinstance(found, manifests.Index):
        if not depth:
            raise InvalidArgument("invalid archive: indexes are nested too deeply")
        return _oci_image(documents, manifests.choose(found, platform), names, platform, depth - 1)
    return Packed(blob_path(found.config.digest), tuple(blob_path(la.digest) for la in found.layers), names)


def _names(annotations: Any) -> tuple[str, ...]:
    """Return the first annotation that is a whole reference: a bare `latest` names no repository."""
    for key in _NAME_ANNOTATIONS:
        text = annotations.get(key) if isinstance(annotations, dict) else None
        if isinstance(text, str) and (":" in text or "/" in text):
            try:
                Reference.parse(text)
            except InvalidArgument:
                continue
            return (text,)
    return ()


def _followed(path: str, links: Mapping[str, str]) -> str:
    name = posixpath.normpath(path).lstrip("/")
    for _ in range(_DEPTH):
        if name not in links:
            return name
        name = links[name]
    raise InvalidArgument(f"invalid archive: {path} is a link to a link to a link")


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
