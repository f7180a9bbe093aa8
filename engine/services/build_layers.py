"""Where the steps of one build work: roots mounted over a chain of layers, and the layers that come of them.

Everything is undone when the build ends; after a crash the engine's start sweeps it: a snapshot without a container, a
bundle without a record.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from engine.build.tree import Tree
from engine.ids import ChainId, new_id
from engine.images.model import ImageLayer
from engine.refs import digest_of
from engine.services.gc import Lease
from engine.storage.layers import Layers
from engine.storage.snapshots.base import Snapshotter

_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Workbench:
    """The mounts and layers of one build; `close` takes the mounts away. Every method from any thread."""

    def __init__(self, layers: Layers, snapshots: Snapshotter, lease: Lease) -> None:
        self._layers = layers
        self._snapshots = snapshots
        self._lease = lease
        self._lock = threading.Lock()
        self._trees: dict[tuple[str, ...], tuple[Path, Tree]] = {}
        self._undo = ExitStack()

    def close(self) -> None:
        """Unmount what was mounted to be read."""
        self._undo.close()

    def layer(
        self, chain: Sequence[str], work: Callable[[Path], None], epoch: int | None = None
    ) -> ImageLayer | None:
        """Let `work` change a root over `chain`; return the layer of its changes, None where it changed nothing."""
        key = self.prepare(chain)
        try:
            work(self._snapshots.mount(key))
            return self.commit(key, chain, epoch)
        finally:
            self._snapshots.remove(key)

    def prepare(self, chain: Sequence[str]) -> str:
        """Make a writable root and return its key; the caller removes it."""
        key = new_id()
        self._snapshots.prepare(key, chain)
        return key

    def mounted(self, key: str) -> Path:
        """Mount a writable root and return where."""
        return self._snapshots.mount(key)

    def unmount(self, key: str) -> None:
        """Unmount a writable root: what was written is in `upper`."""
        self._snapshots.unmount(key)

    def upper(self, key: str) -> Path:
        """Return the folder that holds what was written into a root."""
        return self._snapshots.upper(key)

    def remove(self, key: str) -> None:
        """Take a writable root away."""
        self._snapshots.remove(key)

    def commit(self, key: str, chain: Sequence[str], epoch: int | None) -> ImageLayer | None:
        """Make what was written into a root a layer over `chain`; the root can't be used any more."""
        self._snapshots.unmount(key)
        staged = self._layers.stage_folder(self._snapshots.upper(key), epoch)
        if staged is None:
            return None
        parent = chain[-1] if chain else ""
        chain_id = ChainId(digest_of(f"{parent} {staged.diff_id}".encode())) if parent else ChainId(staged.diff_id)
        self._lease.keep(chain_id)
        self._layers.commit(staged, chain_id, parent)
        return ImageLayer(chain_id, staged.diff_id, staged.size)

    def moved(self, chain_id: str, chain: Sequence[str]) -> ImageLayer:
        """Put a layer that was made over other ones (COPY --link) over `chain`."""
        known = self._layers.info(chain_id)
        parent = chain[-1] if chain else ""
        target = ChainId(digest_of(f"{parent} {known.diff_id}".encode())) if parent else ChainId(known.diff_id)
        self._lease.keep(target)
        if not self._layers.has(target):
            staged = self._layers.stage(self._layers.tar(chain_id), known.diff_id)
            self._layers.commit(staged, target, parent)
        return ImageLayer(target, known.diff_id, known.size)

    def tree(self, chain: Sequence[str]) -> tuple[Path, Tree]:
        """Return the root over `chain` for reading, mounted until the build ends."""
        with self._lock:
            found = self._trees.get(tuple(chain))
            if found is None:
                self._lease.keep(*chain)
                key = self.prepare(chain)
                self._undo.callback(self._snapshots.remove, key)
                root = self._snapshots.mount(key)
                fd = os.open(root, _ROOT)
                self._undo.callback(os.close, fd)
                found = self._trees[tuple(chain)] = (root, Tree(fd, keeps_owners=True))
            return found
