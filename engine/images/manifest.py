"""Manifests and indexes: Docker's schema 2 and OCI's image spec, parsed from strangers' bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidArgument, NotFound, Unsupported
from engine.ids import Digest
from engine.refs import Platform, Reference, check_digest, digest_of

LIMIT = 4 << 20
"""Bytes: a larger manifest is refused (distribution's and containerd's limit)."""
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+"
_CONFIGS = (
    DOCKER_CONFIG,
    OCI_CONFIG,
    "application/octet-stream",
    "",
)
_LAYERS = (
    _DOCKER_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    OCI_LAYER,
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
)
_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to content (OCI image spec, descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    is_attestation: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image's configuration and layers, base first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """Images for several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]


def parse(data: bytes, media_type: str = "") -> Manifest | Index:
    """Return what `data` is; `media_type` is the sender's word, the document's own goes first.

    Unsupported for schema 1 and for artifacts that are no images, InvalidArgument for anything malformed.
    """
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"invalid manifest: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidArgument("invalid manifest: not an object")
    stated = raw.get("mediaType") or media_type.partition(";")[0].strip()
    if raw.get("schemaVersion") == 1 or str(stated).startswith(_SCHEMA1):
        raise Unsupported(
            "image manifest version 2, schema 1 is not supported: "
            "the image's author has to push it again in the OCI format or as schema 2"
        )
    if raw.get("schemaVersion") != 2:
        raise InvalidArgument(f"invalid manifest: schemaVersion {raw.get('schemaVersion')!r}")
    is_index = "manifests" in raw and "layers" not in raw
    if is_index:
        return Index(str(stated or OCI_INDEX), tuple(_descriptor(d, "manifests") for d in _list(raw, "manifests")))
    return _manifest(raw, str(stated or OCI_MANIFEST))


def choose(index: Index, platform: Platform) -> Descriptor:
    """Return the entry for `platform`: the exact variant first, else the first that it runs; NotFound if none does."""
    fitting = [d for d in index.manifests if d.platform and not d.is_attestation and platform.runs(d.platform)]
    if not fitting and len(index.manifests) == 1 and index.manifests[0].platform is None:
        return index.manifests[0]
    if not fitting:
        raise NotFound(f"no matching manifest for {platform} in the manifest list entries")
    exact = [d for d in fitting if d.platform and d.platform.variant == platform.variant]
    return (exact or fitting)[0]


def render(config: Descriptor, layers: Sequence[Descriptor], media_type: str = OCI_MANIFEST) -> bytes:
    """Return the manifest of an image that is made here."""
    value = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _render_descriptor(config),
        "layers": [_render_descriptor(layer) for layer in layers],
    }
    return json.dumps(value, separators=(",", ":")).encode()


def layer_type(family: str, packing: str) -> str:
    """Return the type of a layer in a manifest of type `family`; `packing`: gzip, zstd or "" for none."""
    if family == OCI_MANIFEST:
        return f"{OCI_LAYER}+{packing}" if packing else OCI_LAYER
    return f"{_DOCKER_LAYER}.{packing}" if packing else _DOCKER_LAYER


def packing_of(media_type: str) -> str:
    """Return how a layer of this type is packed: gzip, zstd or ""."""
    return next((packing for packing in ("gzip", "zstd") if media_type.endswith(packing)), "")


def render_index(manifests: Sequence[bytes], names: Sequence[Sequence[str]]) -> bytes:
    """Return the index of an OCI layout: each manifest once for each of its names, or once without."""
    entries: list[dict[str, Any]] = []
    for data, tags in zip(manifests, names, strict=True):
        entry: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": digest_of(data), "size": len(data)}
        for tag in tags:
            reference = Reference.parse(tag)
            notes = {"io.containerd.image.name": str(reference), "org.opencontainers.image.ref.name": reference.tag}
            entries.append({**entry, "annotations": notes})
        if not tags:
            entries.append(entry)
    value = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return json.dumps(value, separators=(",", ":")).encode()


def _manifest(raw: dict[str, Any], media_type: str) -> Manifest:
    config = _descriptor(raw.get("config"), "config")
    if config.media_type not in _CONFIGS:
        raise Unsupported(f"not a container image: its configuration is of type {config.media_type}")
    layers = tuple(_descriptor(d, "layers") for d in _list(raw, "layers"))
    for layer in layers:
        if layer.media_type not in _LAYERS:
            raise Unsupported(f"layers of type {layer.media_type} are not supported")
    return Manifest(media_type, config, layers)


def _list(raw: dict[str, Any], field: str) -> list[Any]:
    value = raw.get(field)
    if not isinstance(value, list):
        raise InvalidArgument(f"invalid manifest: {field} must be a list")
    if len(value) > _PARTS:
        raise InvalidArgument(f"invalid manifest: {field} has more than {_PARTS} entries")
    return value


def _descriptor(raw: Any, field: str) -> Descriptor:
    if not isinstance(raw, dict):
        raise InvalidArgument(f"invalid manifest: {field} must be a descriptor")
    size, digest, media_type = raw.get("size"), raw.get("digest"), raw.get("mediaType", "")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidArgument(f"invalid manifest: {field}: size {size!r}")
    if not isinstance(digest, str) or not isinstance(media_type, str):
        raise InvalidArgument(f"invalid manifest: {field}: digest {digest!r} of type {media_type!r}")
    annotations = raw.get("annotations")
    kind = annotations.get("vnd.docker.reference.type") if isinstance(annotations, dict) else ""
    return Descriptor(
        media_type, check_digest(digest), size, _platform(raw.get("platform")), kind == "attestation-manifest"
    )


def _platform(raw: Any) -> Platform | None:
    if not isinstance(raw, dict):
        return None
    parts = [raw.get(name, "") for name in ("os", "architecture", "variant")]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidArgument("invalid manifest: platform")
    return Platform(*parts)


def _render_descriptor(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
