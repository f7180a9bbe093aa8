"""An image as a value: its configuration, its layers, where its bytes are.

Frozen. Names are Docker's in snake case; times nanoseconds since the epoch, sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.refs import Platform
from engine.values import ImageConfig


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """One layer. `blob` is the packed form as its registry has it; "" where only the unpacked layer is kept."""

    chain_id: str
    diff_id: str
    size: int
    blob: str = ""
    blob_size: int = 0
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of how the image was made (OCI image spec, config.md, "history")."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """Everything about one image of one namespace. Stored as one JSON document."""

    id: str
    """`sha256:…`, the digest of its configuration."""
    namespace: str
    config: ImageConfig
    layers: tuple[ImageLayer, ...] = ()
    architecture: str = ""
    os: str = "linux"
    variant: str = ""
    os_version: str = ""
    created: str = ""
    """As the configuration says it (RFC 3339), "" where it doesn't."""
    created_ns: int = 0
    author: str = ""
    comment: str = ""
    docker_version: str = ""
    history: tuple[HistoryEntry, ...] = ()
    manifest: str = ""
    """Digest of the manifest it was pulled by; "" for loaded and imported ones."""
    manifest_type: str = ""
    manifest_size: int = 0
    tagged_ns: int = 0
    """When a tag last came to it."""

    @property
    def chain(self) -> tuple[str, ...]:
        """Chain ids of the layers, base first."""
        return tuple(layer.chain_id for layer in self.layers)

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Diff ids of the layers, base first."""
        return tuple(layer.diff_id for layer in self.layers)

    @property
    def size(self) -> int:
        """Bytes of the files of all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def platform(self) -> Platform:
        """What it runs on."""
        return Platform(self.os, self.architecture, self.variant)

    @property
    def blobs(self) -> tuple[str, ...]:
        """Digests of all content it needs: configuration, manifest, packed layers."""
        packed = (layer.blob for layer in self.layers)
        return tuple(digest for digest in (self.id, self.manifest, *packed) if digest)
