"""The layers of one pull: downloaded and unpacked in parallel, each step told as it happens.

Three download at a time, two unpack at a time; a layer unpacks once its bytes are verified, while others still come.
Layers don't wait for those below them: an unpacked layer is the same whatever it lies on. Two pulls of one layer share
its download and its unpacking: the second waits and finds it there.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from engine import faults
from engine.errors import Exhausted, InvalidArgument, Unavailable
from engine.images.manifest import Descriptor
from engine.locks import NamedLocks
from engine.registry.errors import Transient
from engine.registry.source import BlobStream, Source
from engine.storage import compression
from engine.storage.content import Content, Ingest
from engine.storage.layers import Layers
from engine.values import Progress

_DOWNLOADS = 3
_UNPACKS = 2
_ATTEMPTS = 5
_TELL_EVERY = 0.1
_FIRST_DELAY = 0.5


class Stop(Protocol):
    """Tells that the pull is no longer wanted (a `threading.Event`)."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer: what the manifest says of it, and what it becomes."""

    packed: Descriptor
    diff_id: str
    chain_id: str
    parent: str

    @property
    def short(self) -> str:
        """The name under which progress is told."""
        return self.packed.digest.partition(":")[2][:12]


class Cancelled(Unavailable):
    """The client went away, or another layer failed."""


class LayerPull:
    """Brings layers into the store. Use `run` once; what it needs kept must be leased."""

    def __init__(self, source: Source, content: Content, layers: Layers, unpacking: NamedLocks, stop: Stop) -> None:
        self._source = source
        self._content = content
        self._layers = layers
        self._unpacking = unpacking
        self._stop = stop
        self._cancelled = threading.Event()
        self._news: queue.Queue[Progress | BaseException | None] = queue.Queue()
        self._streams: set[BlobStream] = set()
        self._guard = threading.Lock()

    def run(self, plans: Sequence[LayerPlan]) -> Iterator[Progress]:
        """Yield progress until all layers are there; the first failure ends all and is raised.

        Closing the iterator cancels what is under way and waits for its threads.
        """
        missing = [plan for plan in plans if not self._layers.has(plan.chain_id)]
        for plan in plans:
            yield Progress("Pulling fs layer" if plan in missing else "Already exists", plan.short)
        if not missing:
            return
        downloads = ThreadPoolExecutor(_DOWNLOADS, "pull-download")
        unpacks = ThreadPoolExecutor(_UNPACKS, "pull-unpack")
        try:
            for number, plan in enumerate(missing):
                if number >= _DOWNLOADS:
                    yield Progress("Waiting", plan.short)
                downloads.submit(self._downloading, plan, unpacks)
            yield from self._told(len(missing))
        finally:
            self._cancel()
            downloads.shutdown(cancel_futures=True)
            unpacks.shutdown(cancel_futures=True)

    def _told(self, pending: int) -> Iterator[Progress]:
        while pending:
            try:
                item = self._news.get(timeout=0.5)
            except queue.Empty:
                item = Cancelled("context canceled") if self._stop.is_set() else Progress("")
            if isinstance(item, BaseException):
                raise item
            if item is None:
                pending -= 1
            elif item.status:
                if self._stop.is_set():
                    raise Cancelled("context canceled")
                yield item

    def _cancel(self) -> None:
        self._cancelled.set()
        with self._guard:
            for stream in self._streams:
                stream.close()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("context canceled")

    def _downloading(self, plan: LayerPlan, unpacks: ThreadPoolExecutor) -> None:
        try:
            self._download(plan)
            self._check()
            unpacks.submit(self._unpacking_one, plan)
        except BaseException as error:  # carried to the reader, whatever it is
            self._news.put(error)

    def _unpacking_one(self, plan: LayerPlan) -> None:
        try:
            self._unpack(plan)
            self._news.put(Progress("Pull complete", plan.short))
            self._news.put(None)
        except BaseException as error:  # carried to the reader, whatever it is
            self._news.put(error)

    def _download(self, plan: LayerPlan) -> None:
        self._check()
        digest = plan.packed.digest
        try:
            with self._content.ingest(digest, plan.packed.size) as blob:
                if blob is not None:
                    self._fetch(plan, blob)
                    self._news.put(Progress("Verifying Checksum", plan.short))
        except InvalidArgument as error:
            raise InvalidArgument(f"filesystem layer verification failed for digest {digest}: {error}") from error
        faults.point("pull.after-download")
        self._news.put(Progress("Download complete", plan.short))

    def _fetch(self, plan: LayerPlan, blob: Ingest) -> None:
        failures = 0
        while blob.offset < plan.packed.size:
            before = blob.offset
            try:
                self._fetch_once(plan, blob)
            except Transient as error:
                self._check()
                failures = 1 if blob.offset > before else failures + 1
                if failures >= _ATTEMPTS:
                    raise
                self._pause(plan, max(error.wait, _FIRST_DELAY * 2 ** (failures - 1)))

    def _fetch_once(self, plan: LayerPlan, blob: Ingest) -> None:
        stream = self._opened(plan.packed.digest, blob.offset)
        teller = _Teller(self._news, "Downloading", plan)
        try:
            if stream.offset != blob.offset:
                blob.restart()
            for chunk in stream:
                self._check()
                blob.write(chunk)
                faults.point("pull.within-download")
                if blob.offset > plan.packed.size:
                    raise InvalidArgument(f"more than the {plan.packed.size} bytes of the manifest")
                teller.tell(blob.offset)
        finally:
            with self._guard:
                self._streams.discard(stream)
            stream.close()
        if blob.offset < plan.packed.size:
            raise Transient("unexpected EOF")

    def _opened(self, digest: str, offset: int) -> BlobStream:
        stream = self._source.blob(digest, offset)
        with self._guard:
            self._streams.add(stream)
        if self._cancelled.is_set():
            stream.close()
        return stream

    def _pause(self, plan: LayerPlan, seconds: float) -> None:
        whole = max(1, round(seconds))
        self._news.put(Progress(f"Retrying in {whole} second{'s' if whole > 1 else ''}", plan.short))
        self._cancelled.wait(seconds)
        self._check()

    def _unpack(self, plan: LayerPlan) -> None:
        with self._unpacking.hold(plan.chain_id):
            self._check()
            if self._layers.has(plan.chain_id):
                return
            try:
                with self._content.open(plan.packed.digest) as file:
                    staged = self._layers.stage(self._packed_bytes(plan, file), plan.diff_id)
            except (InvalidArgument, Exhausted) as error:
                raise type(error)(f"failed to register layer: {error}") from error
            faults.point("pull.after-unpack")
            self._layers.commit(staged, plan.chain_id, plan.parent)
            faults.point("pull.after-layer")

    def _packed_bytes(self, plan: LayerPlan, file: BinaryIO) -> Iterator[bytes]:
        teller = _Teller(self._news, "Extracting", plan)
        done = 0
        while chunk := file.read(compression.CHUNK):
            self._check()
            done += len(chunk)
            teller.tell(done)
            yield chunk


class _Teller:
    """Tells how far a step is, at most every 100 ms, and its end."""

    def __init__(self, news: queue.Queue[Progress | BaseException | None], status: str, plan: LayerPlan) -> None:
        self._news = news
        self._status = status
        self._plan = plan
        self._next = 0.0

    def tell(self, current: int) -> None:
        total = self._plan.packed.size
        now = time.monotonic()
        if now >= self._next or current == total:
            self._next = now + _TELL_EVERY
            self._news.put(Progress(self._status, self._plan.short, current, total))
