"""Layers that can be seen: of an image, or of a container with its writable layer on top.

Reads the unpacked layers where they are; a lease keeps them while they are read. What others than the caller's
namespace have of the same layers is not told.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.containers.model import Container
from engine.containers.store import ContainerStore
from engine.errors import InvalidArgument, NotFound
from engine.images.history import instructions_of
from engine.images.model import HistoryEntry, Image
from engine.services.gc import Garbage
from engine.services.images import Images
from engine.storage import layerdiff, layertree
from engine.storage.layers import Layers
from engine.storage.snapshots.base import Snapshotter
from engine.values import Scope

_ECONOMIES = 64
_SHARERS = 50


@dataclass(frozen=True, slots=True)
class LayerView:
    """One layer: `chain_id` is "" for a container's writable one; `shared_by` are other images that have it."""

    index: int
    chain_id: str
    diff_id: str
    size: int
    blob: str
    blob_size: int
    step: HistoryEntry | None
    shared_by: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose layers they are."""

    image: Image | None
    container: Container | None
    chain: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many layers, the writable one included."""
        return len(self.chain) + (self.container is not None)


@dataclass(frozen=True, slots=True)
class DifferencePage:
    """A part of a difference; `counts` and `sizes` are of all of it, by kind of change."""

    items: tuple[layerdiff.Difference, ...]
    counts: dict[str, int]
    sizes: dict[str, int]
    following: int


class LayerViews:
    """Looks into layers; every method from any thread."""

    def __init__(
        self, *, images: Images, containers: ContainerStore, snapshots: Snapshotter, layers: Layers, garbage: Garbage
    ) -> None:
        self._images = images
        self._containers = containers
        self._snapshots = snapshots
        self._layers = layers
        self._garbage = garbage
        self._trees = layerdiff.Trees()
        self._lock = threading.Lock()
        self._economies: OrderedDict[tuple[str, ...], layerdiff.Economy] = OrderedDict()

    def image(self, scope: Scope, reference: str) -> Subject:
        """Return the layers of an image; NotFound in Docker's words."""
        image = self._images.get(scope, reference)
        return Subject(image, None, image.chain)

    def container(self, scope: Scope, reference: str) -> Subject:
        """Return the layers of a container; its image may be gone."""
        container = self._containers.get(scope, reference)
        try:
            image = self._images.get(Scope(namespace=container.namespace), container.image_id)
        except NotFound:
            image = None
        return Subject(image, container, tuple(container.chain))

    def layers(self, scope: Scope, subject: Subject) -> list[LayerView]:
        """Return the layers, base first; a container's writable one last."""
        steps = instructions_of(subject.image) if subject.image else {}
        known = {layer.chain_id: layer for layer in subject.image.layers} if subject.image else {}
        sharers = self._sharers(scope, subject)
        found = []
        for index, chain_id in enumerate(subject.chain):
            info, packed = self._layers.info(chain_id), known.get(chain_id)
            blob = (packed.blob, packed.blob_size) if packed else ("", 0)
            found.append(
                LayerView(index, chain_id, info.diff_id, info.size, *blob, steps.get(index), sharers.get(chain_id, ()))
            )
        if subject.container is not None:
            size = self._snapshots.usage(subject.container.id)
            found.append(LayerView(len(found), "", "", size, "", 0, None))
        return found

    def list_(
        self, subject: Subject, path: str, layer: int | None, *, merged: bool, after: str, limit: int
    ) -> layertree.Page:
        """Return a part of a folder; see `layertree.Stack.list_`. `layer` None is the last."""
        with self._opened(subject) as stack:
            return stack.list_(path, _top(subject, layer), merged=merged, after=after, limit=limit)

    def open_file(self, subject: Subject, path: str, layer: int | None, *, merged: bool) -> int:
        """Return an open descriptor of a file as it is up to a layer, or in that one only."""
        with self._opened(subject) as stack:
            return stack.open_file(path, _top(subject, layer), merged=merged)

    def origin(self, subject: Subject, path: str) -> list[layertree.Step]:
        """Return what each layer did to a path; NotFound where none has it."""
        with self._opened(subject) as stack:
            steps = stack.origin(path)
        if not steps:
            raise NotFound(f"{path}: no layer has this path")
        return steps

    def economy(self, subject: Subject) -> layerdiff.Economy:
        """Return the bytes that are carried for nothing; of an image it is remembered."""
        key = subject.chain if subject.container is None else ()
        with self._lock:
            known = self._economies.get(key) if key else None
        if known is None:
            with self._opened(subject) as stack:
                known = layerdiff.economy(self._trees.read_all(_keys(subject), stack.roots))
            with self._lock:
                if key:
                    self._economies[key] = known
                while len(self._economies) > _ECONOMIES:
                    self._economies.popitem(last=False)
        return known

    def diff(self, before: Subject, after: Subject, start: int, limit: int) -> DifferencePage:
        """Return what `after` has otherwise than `before`, `limit` paths from the `start`-th on."""
        with self._opened(before) as old, self._opened(after) as new:
            shared = _common(_keys(before), _keys(after))
            mine = self._trees.read_all(_keys(before), old.roots)
            theirs = mine[:shared] + self._trees.read_all(_keys(after)[shared:], new.roots[shared:])
            base = layerdiff.merge_all(mine[:shared])[-1:]
            left = layerdiff.merge_all([*base, *mine[shared:]])[-1:]
            right = layerdiff.merge_all([*base, *theirs[shared:]])[-1:]
        counts: dict[str, int] = {}
        sizes: dict[str, int] = {}
        items: list[layerdiff.Difference] = []
        every = layerdiff.differences(left[0] if left else None, right[0] if right else None)
        following = 0
        for number, item in enumerate(every):
            counts[item.change] = counts.get(item.change, 0) + 1
            node = item.after or item.before
            sizes[item.change] = sizes.get(item.change, 0) + (node.size if node else 0)
            if start <= number < start + limit:
                items.append(item)
            following = start + limit if number >= start + limit else following
        return DifferencePage(tuple(items), counts, sizes, following)

    @contextmanager
    def _opened(self, subject: Subject) -> Iterator[layertree.Stack]:
        folders: list[Path] = [self._layers.files(chain_id) for chain_id in subject.chain]
        if subject.container is not None:
            folders.append(self._snapshots.upper(subject.container.id))
        with self._garbage.lease() as lease:
            lease.keep(*subject.chain)
            with layertree.opened(folders) as stack:
                yield stack

    def _sharers(self, scope: Scope, subject: Subject) -> dict[str, tuple[Image, ...]]:
        wanted = set(subject.chain)
        found: dict[str, list[Image]] = {}
        for view in self._images.list_(scope):
            if subject.image is None or view.image.id != subject.image.id:
                for chain_id in wanted.intersection(view.image.chain):
                    found.setdefault(chain_id, []).append(view.image)
        return {chain_id: tuple(islice(images, _SHARERS)) for chain_id, images in found.items()}


def _keys(subject: Subject) -> Sequence[str]:
    return subject.chain if subject.container is None else (*subject.chain, "")


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if not mine or mine != theirs:
            break
        count += 1
    return count


def _top(subject: Subject, layer: int | None) -> int:
    if not subject.count:
        raise NotFound("the image has no layers")
    top = subject.count - 1 if layer is None else layer
    if not 0 <= top < subject.count:
        raise InvalidArgument(f"layer: {layer} is not one of 0 to {subject.count - 1}")
    return top
