"""The build cache: what steps made, found by their inputs, bounded by size and age, pruned by filters.

A record keeps its layers from being swept (see `engine.services.gc`). The size of a record is what its own layer adds;
layers that an image has, too, are *shared*: dropping the record frees nothing. Cache mounts are folders:

    build-mounts/<namespace>/<name>     what `RUN --mount=type=cache` keeps
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.build.keys import Inputs, explain
from engine.build.records import CacheKind, CacheRecord
from engine.build.store import CacheStore
from engine.clock import now_ns, parse_when
from engine.errors import InvalidArgument
from engine.services.gc import Garbage, Lease
from engine.storage.db import Database
from engine.storage.layers import Layers
from engine.storage.paths import Paths
from engine.values import Scope

_log = logging.getLogger(__name__)
_DAY_NS = 24 * 3600 * 1_000_000_000
FILTERS = frozenset("id parent type description inuse shared private until unused-for".split())


@dataclass(frozen=True, slots=True)
class CacheView:
    """A record with what depends on the rest: whether an image has its layer, whether a build uses it now."""

    record: CacheRecord
    shared: bool
    in_use: bool
    parent: str = ""

    @property
    def type(self) -> str:
        """BuildKit's word for what it is."""
        return "exec.cachemount" if self.record.kind is CacheKind.MOUNT else "regular"


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How much is kept: bytes of layers and mounts, days since the last use."""

    size: int
    days: int


class BuildCache:
    """The cache of all namespaces; every method from any thread."""

    def __init__(
        self,
        *,
        database: Database,
        store: CacheStore,
        layers: Layers,
        garbage: Garbage,
        paths: Paths,
        limits: CacheLimits,
        image_chains: Callable[[], Iterable[Sequence[str]]],
    ) -> None:
        self._database = database
        self._store = store
        self._layers = layers
        self._garbage = garbage
        self._paths = paths
        self._limits = limits
        self._image_chains = image_chains
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], CacheRecord] = {}
        self._busy: dict[tuple[str, str], int] = {}
        self._claimed: set[str] = set()
        garbage.add_keeper(lambda: (chain for record in store.all() for chain in record.chain))

    def recover(self) -> None:
        """Delete folders of cache mounts that no record has. Call it once, before any build."""
        known = {(r.namespace, r.folder) for r in self._store.all() if r.kind is CacheKind.MOUNT}
        for home in self._paths.build_mounts.iterdir():
            for folder in home.iterdir():
                if (home.name, folder.name) not in known:
                    shutil.rmtree(folder, ignore_errors=True)

    def find(self, namespace: str, inputs: Inputs, lease: Lease) -> CacheRecord | None:
        """Return what a step with these inputs made, kept by `lease`, and note that it was used."""
        found = self._store.find(namespace, inputs.key())
        if found is None:
            return None
        lease.keep(*found.chain)  # before looking: what is there then stays
        if not all(self._layers.has(chain_id) for chain_id in found.chain):
            return None
        with self._lock:
            self._used[namespace, found.id] = found
        return found

    def why_not(self, namespace: str, slot: str, label: str, inputs: Inputs) -> str:
        """Return the sentence for a step that is not in the cache."""
        old = self._store.before(namespace, slot, inputs.parts.get("text", ""))
        if old is not None and old.id == inputs.key():
            return f"{label}: what it made was pruned"
        return explain(label, old.inputs if old else None, inputs.kept())

    def keep(self, record: CacheRecord) -> None:
        """Keep what a step made."""
        with self._database.transaction() as transaction:
            self._store.save(transaction, [record])

    def keep_all(self, records: Iterable[CacheRecord]) -> None:
        """Keep what several steps made, and when others were used, in one transaction."""
        now = now_ns()
        with self._lock:
            used, self._used = self._used, {}
        fresh = list(records)
        touched = [replace(record, used_ns=now, uses=record.uses + 1) for record in used.values()]
        known = {(record.namespace, record.id) for record in fresh}
        with self._database.transaction() as transaction:
            self._store.save(transaction, [*fresh, *(t for t in touched if (t.namespace, t.id) not in known)])

    def keep_mount(self, record: CacheRecord) -> None:
        """Keep a cache mount's record, its age and number of uses with it."""
        old = self._store.find(record.namespace, record.id)
        if old is not None:
            record = replace(record, created_ns=old.created_ns, uses=old.uses + 1)
        self.keep(record)

    def claim(self, name: str) -> bool:
        """Take a private cache mount; False where another step has it now."""
        with self._lock:
            if name in self._claimed:
                return False
            self._claimed.add(name)
            return True

    def unclaim(self, name: str) -> None:
        """Give a private cache mount back."""
        with self._lock:
            self._claimed.discard(name)

    def hold(self, namespace: str, key: str) -> None:
        """Say that a build uses a record's folder now, until `let_go`."""
        with self._lock:
            self._busy[namespace, key] = self._busy.get((namespace, key), 0) + 1

    def let_go(self, namespace: str, key: str) -> None:
        """Undo one `hold`."""
        with self._lock:
            self._busy[namespace, key] -= 1

    def list_(self, scope: Scope) -> list[CacheView]:
        """Return what the caller sees, the most recently used first."""
        seen = [record for record in self._store.all() if scope.sees(record.namespace)]
        return sorted(self._views(seen), key=lambda view: -view.record.used_ns)

    def prune(
        self, scope: Scope, filters: Mapping[str, Sequence[str]], *, all_: bool = False, keep: int = 0
    ) -> tuple[list[str], int]:
        """Drop what the filters choose and return ids and freed bytes.

        Without `all_` what an image shares stays. `keep`: stop when no more than so many bytes are left.
        """
        wanted = _chooser(filters)
        views = [view for view in reversed(self.list_(scope)) if not view.in_use]
        chosen = [view for view in views if wanted(view) and (all_ or not view.shared)]
        if keep:
            chosen = self._surplus(chosen, sum(_weight(view) for view in self.list_(scope)), keep)
        return self._drop(chosen)

    def enforce(self) -> None:
        """Drop what is too old or too much, the longest unused first."""
        everything = sorted(self._views(self._store.all()), key=lambda view: view.record.used_ns)
        oldest = now_ns() - self._limits.days * _DAY_NS
        idle = [view for view in everything if not view.in_use]
        gone = [view for view in idle if self._limits.days and view.record.used_ns < oldest]
        rest = [view for view in idle if view not in gone]
        total = sum(_weight(view) for view in everything if view not in gone)
        if self._limits.size and total > self._limits.size:
            gone += self._surplus(rest, total, self._limits.size)
        if gone:
            ids, freed = self._drop(gone)
            _log.info("build cache trimmed records=%d bytes=%d", len(ids), freed)

    def _surplus(self, candidates: Sequence[CacheView], total: int, keep: int) -> list[CacheView]:
        """Return the first candidates whose end brings the total down to `keep`."""
        found = []
        for view in candidates:
            if total <= keep:
                break
            total -= _weight(view)
            found.append(view)
        return found

    def _drop(self, views: Sequence[CacheView]) -> tuple[list[str], int]:
        if not views:
            return [], 0
        records = [view.record for view in views]
        with self._database.transaction() as transaction:
            self._store.delete(transaction, records)
        freed = 0
        for record in records:
            if record.kind is CacheKind.MOUNT:
                folder = self._paths.build_mounts / record.namespace / record.folder
                freed += record.size
                shutil.rmtree(folder, ignore_errors=True)
        return [record.id for record in records], freed + self._garbage.sweep().size

    def _views(self, records: Iterable[CacheRecord]) -> list[CacheView]:
        imaged = {chain_id for chain in self._image_chains() for chain_id in chain}
        with self._lock:
            busy = {key for key, count in self._busy.items() if count > 0}
        by_chain = {record.chain[-1]: record.id for record in self._store.all() if record.chain and record.diff_id}
        return [
            CacheView(
                record,
                shared=bool(record.diff_id) and record.chain[-1] in imaged,
                in_use=(record.namespace, record.id) in busy,
                parent=by_chain.get(record.chain[-2], "") if record.diff_id and len(record.chain) > 1 else "",
            )
            for record in records
        ]


def _weight(view: CacheView) -> int:
    return 0 if view.shared else view.record.size


def _chooser(filters: Mapping[str, Sequence[str]]) -> Callable[[CacheView], bool]:
    unknown = [name for name in filters if name not in FILTERS]
    if unknown:
        raise InvalidArgument(f"invalid filter '{unknown[0]}'")
    bounds = [_when(text) for name in ("until", "unused-for") for text in filters.get(name, ())]

    def chosen(view: CacheView) -> bool:
        record = view.record
        texts = {"id": record.id, "parent": view.parent, "type": view.type, "description": record.text}
        for name, actual in texts.items():
            values = filters.get(name, ())
            if values and not any(actual.startswith(v) if name == "id" else v in actual for v in values):
                return False
        for name, is_so in (("inuse", view.in_use), ("shared", view.shared), ("private", not view.shared)):
            if any((value.lower() in ("", "1", "true")) is not is_so for value in filters.get(name, ())):
                return False
        return all(record.used_ns < bound for bound in bounds)

    return chosen


def _when(text: str) -> int:
    try:
        return parse_when(text)
    except ValueError:
        raise InvalidArgument(f"invalid filter 'until={text}': expected a time or a duration") from None
