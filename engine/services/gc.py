"""Mark and sweep of content: blobs and layers that no image and no container refers to.

Nothing is ever deleted where it stops being used; it stops being referred to, and a sweep finds it. Work under way
(a pull, a load) holds a *lease*: what it names is kept although no record refers to it yet. Naming and sweeping
exclude each other, so after `Lease.keep` a thing is either there to stay or known to be missing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.containers.model import Container
from engine.errors import NotFound
from engine.images.store import ImageStore
from engine.storage.content import Content
from engine.storage.layers import Layers
from engine.storage.snapshots.base import Snapshotter

ContainerLookup = Callable[[], Iterable[Container]]
"""All containers of all namespaces."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep deleted: chain ids (the topmost layer first), blob digests, and their bytes."""

    chains: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    size: int = 0


class Lease:
    """Keeps what it names from being swept; made by `Garbage.lease`."""

    def __init__(self, lock: threading.Lock, kept: Counter[str]) -> None:
        self._lock = lock
        self._kept = kept
        self._mine: list[str] = []

    def keep(self, *names: str) -> None:
        """Keep blobs by digest and layers by chain id, those that come later included."""
        with self._lock:
            self._kept.update(names)
            self._mine.extend(names)

    def release(self) -> None:
        """Give up everything named."""
        with self._lock:
            self._kept.subtract(self._mine)
            self._mine.clear()


class Garbage:
    """Knows what is in use; sweeps what is not."""

    def __init__(self, store: ImageStore, content: Content, layers: Layers, snapshots: Snapshotter) -> None:
        self._store = store
        self._content = content
        self._layers = layers
        self._snapshots = snapshots
        self._lock = threading.Lock()
        self._kept: Counter[str] = Counter()
        self._containers: ContainerLookup = lambda: ()
        self._keepers: list[Callable[[], Iterable[str]]] = []

    def set_container_lookup(self, lookup: ContainerLookup) -> None:
        """Say how all containers are found: their layers stay, whatever becomes of their image."""
        self._containers = lookup

    def add_keeper(self, keeper: Callable[[], Iterable[str]]) -> None:
        """Have what `keeper` names (chain ids, digests) stay: the build cache."""
        self._keepers.append(keeper)

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Hold a lease for the block."""
        lease = Lease(self._lock, self._kept)
        try:
            yield lease
        finally:
            lease.release()

    @contextmanager
    def trial(self) -> Iterator[Lease]:
        """Hold a lease for the block; where it fails, sweep what it brought in."""
        try:
            with self.lease() as lease:
                yield lease
        except BaseException:
            self.sweep()
            raise

    def sweep(self) -> Swept:
        """Delete blobs, layers and broken-off downloads that nothing refers to and nobody keeps."""
        with self._lock:
            used = self._used()
            unused = [str(chain_id) for chain_id in self._layers.chains() if chain_id not in used]
            blobs = [digest for digest in self._content.digests() if digest not in used]
            chains = self._top_first(unused)
            size = sum(self._layers.info(chain_id).size for chain_id in chains)
            for chain_id in chains:
                self._layers.remove(chain_id)
            for digest in blobs:
                self._content.remove(digest)
            for digest in self._content.partials():
                if digest not in used:
                    self._content.drop_partial(digest)
        return Swept(tuple(chains), tuple(blobs), size)

    def _used(self) -> set[str]:
        used = {name for name, holders in self._kept.items() if holders > 0}
        for image in self._store.all():
            used.update(image.blobs, image.chain)
        for keeper in self._keepers:
            used.update(keeper())
        known = set()
        for container in self._containers():
            known.add(container.id)
            used.update(container.chain)
        for key in self._snapshots.keys():  # noqa: SIM118  not a dict
            if key not in known:  # a container that is being made: its record comes after its snapshot
                try:
                    used.update(self._snapshots.chain(key))
                except NotFound:
                    continue
        return used

    def _top_first(self, chains: list[str]) -> list[str]:
        parents = {chain_id: self._layers.info(chain_id).parent for chain_id in chains}

        def depth(chain_id: str) -> int:
            count = 0
            while (chain_id := parents.get(chain_id, "")) in parents:
                count += 1
            return count

        return sorted(chains, key=depth, reverse=True)
