"""The image store's real parts on an own data root, as the daemon wires them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.containers.model import Container
from engine.events import Bus, Event
from engine.images.store import ImageStore
from engine.refs import Reference
from engine.registry.client import Registries
from engine.registry.transport import Transport
from engine.services.gc import Garbage
from engine.services.image_archives import ImageArchives
from engine.services.images import Images
from engine.services.pull import Pulls
from engine.services.push import Pushes
from engine.services.seed import Seed
from engine.storage.content import Content
from engine.storage.db import Database
from engine.storage.layers import Layers
from engine.storage.models import METADATA
from engine.storage.paths import Paths
from engine.storage.snapshots.overlay import OverlaySnapshots
from engine.values import Progress, Scope
from tests.fakes import tars

SCOPE = Scope()


@dataclass
class Parts:
    """One image store with everything around it."""

    paths: Paths
    database: Database
    content: Content
    layers: Layers
    snapshots: OverlaySnapshots
    garbage: Garbage
    images: Images
    archives: ImageArchives
    seed: Seed
    pulls: Pulls
    pushes: Pushes
    bus: Bus
    containers: list[Container] = field(default_factory=list)

    def load(self, archive: bytes, scope: Scope = SCOPE) -> list[str]:
        """Load an archive and return the lines that `docker load` prints."""
        lines = [p.aux.get("stream") for p in self.archives.load(scope, io.BytesIO(archive))]
        return [str(line).strip() for line in lines if line]

    def pull(self, name: str, platform: str = "", **auth: str) -> list[Progress]:
        """Pull an image and return its progress."""
        return list(self.pulls.pull(SCOPE, Reference.parse(name), platform, auth))

    def push(self, name: str, **auth: str) -> list[Progress]:
        """Push an image and return its progress."""
        return list(self.pushes.push(SCOPE, Reference.parse(name), auth))

    def files(self) -> list[str]:
        """Return what is stored: blobs, partial downloads, layers, names relative to the engine's folder."""
        self.layers.drain()
        roots = (self.paths.blobs, self.paths.ingest, self.paths.layers)
        found = [p for root in roots for p in (root.glob("*/*") if root == self.paths.blobs else root.iterdir())]
        return sorted(str(p.relative_to(self.paths.engine)) for p in found)


@contextmanager
def opened(
    root: Path | None = None, *, certs_dir: Path = Path("/nonexistent"), mirrors: Sequence[str] = ()
) -> Iterator[Parts]:
    """Open a store in `root` (it stays), or in a fresh folder that is deleted in the end."""
    folder = root or Path(tempfile.mkdtemp(prefix="berth-images-", dir="/var/tmp"))
    paths = Paths(folder / "data", folder / "run")
    paths.ensure()
    bus = Bus()
    database = Database(paths.database, bus)
    METADATA.create_all(database.engine)
    content, layers, snapshots = Content(paths), Layers(paths), OverlaySnapshots(paths)
    store = ImageStore(database)
    garbage = Garbage(store, content, layers, snapshots)
    images = Images(database=database, store=store, content=content, layers=layers, garbage=garbage)
    containers: list[Container] = []
    images.set_container_lookup(lambda: containers)
    archives = ImageArchives(images, content, layers, garbage)
    seed = Seed(images, content, layers, garbage)
    registries = Registries(Transport(certs_dir, ()), mirrors)
    pulls = Pulls(registries=registries, images=images, content=content, layers=layers, garbage=garbage)
    pushes = Pushes(registries=registries, images=images, content=content, layers=layers, garbage=garbage)
    parts = Parts(
        paths, database, content, layers, snapshots, garbage, images, archives, seed, pulls, pushes, bus, containers
    )
    try:
        yield parts
    finally:
        registries.close()
        images.close()
        database.close()
        if root is None:
            shutil.rmtree(folder)


def config_of(layers: Sequence[bytes], **config: Any) -> bytes:
    """Return a configuration document for uncompressed layers."""
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-05-06T07:08:09.5Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(la).hexdigest() for la in layers]},
            "history": [{"created": "2024-05-06T07:08:09Z", "created_by": f"layer {n}"} for n in range(len(layers))],
        }
    ).encode()


def docker_archive(layers: Sequence[bytes], tags: Sequence[str] = ("app:1",), **config: Any) -> bytes:
    """Return a `docker save` archive of one image, manifest last."""
    document = config_of(layers, **config)
    files = {f"l{number}/layer.tar": data for number, data in enumerate(layers)}
    entry = {"Config": "config.json", "RepoTags": list(tags), "Layers": list(files)}
    return tars.tree({**files, "config.json": document, "manifest.json": json.dumps([entry]).encode()})


def next_events(parts: Parts, action: Any) -> list[Event]:
    """Return the events that `action()` publishes."""
    subscription = parts.bus.subscribe()
    action()
    found = []
    while event := subscription.get(0):
        found.append(event)
    subscription.close()
    return found
