"""The layers of one push: two at a time, each step told as it happens.

A layer goes as the bytes its registry sent it, where those are kept; else its tar is made again and packed on the way,
without a copy on the disk. Before that the registry is asked whether it has the layer, or may take it over from another
repository of its own.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from engine.errors import Internal
from engine.ids import Digest
from engine.images import manifest
from engine.images.model import ImageLayer
from engine.registry.errors import Transient
from engine.registry.sink import Sink
from engine.services.pull_layers import Cancelled, Stop
from engine.storage import compression
from engine.storage.content import Content
from engine.storage.layers import Layers
from engine.values import Progress

_UPLOADS = 2
_ATTEMPTS = 5
_FIRST_DELAY = 0.5
_TELL_EVERY = 0.1
_CHUNK = 64 * 1024
_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One layer to push."""

    layer: ImageLayer
    wanted: manifest.Descriptor | None
    """As the image's manifest names it; None where it has none."""
    sources: tuple[str, ...] = ()
    """Repositories of the same registry that may have it."""

    @property
    def short(self) -> str:
        """The name under which progress is told."""
        return self.layer.diff_id.partition(":")[2][:12]


class LayerPush:
    """Brings layers to a registry. Use `run` once; what is sent must be leased."""

    def __init__(self, sink: Sink, content: Content, layers: Layers, stop: Stop) -> None:
        self._sink = sink
        self._content = content
        self._layers = layers
        self._stop = stop
        self._cancelled = threading.Event()
        self._news: queue.Queue[Progress | BaseException | None] = queue.Queue()
        self._placed: dict[str, manifest.Descriptor] = {}

    def run(self, parcels: Sequence[Parcel]) -> Generator[Progress, None, dict[str, manifest.Descriptor]]:
        """Yield progress until the registry has all layers; return what it has of each diff id.

        The first failure ends all and is raised. Closing the generator cancels what is under way.
        """
        todo = list({parcel.layer.diff_id: parcel for parcel in reversed(parcels)}.values())
        for parcel in todo:
            yield Progress("Preparing", parcel.short)
        uploads = ThreadPoolExecutor(_UPLOADS, "push-upload")
        try:
            for number, parcel in enumerate(todo):
                if number >= _UPLOADS:
                    yield Progress("Waiting", parcel.short)
                uploads.submit(self._sending, parcel)
            yield from self._told(len(todo))
        except BaseException:
            self._cancelled.set()
            self._sink.close()
            raise
        finally:
            uploads.shutdown(cancel_futures=True)
        return self._placed

    def _told(self, pending: int) -> Iterator[Progress]:
        while pending:
            try:
                item = self._news.get(timeout=0.5)
            except queue.Empty:
                item = Progress("")
            if self._stop.is_set():
                raise Cancelled("context canceled")
            if isinstance(item, BaseException):
                raise item
            if item is None:
                pending -= 1
            elif item.status:
                yield item

    def _check(self) -> None:
        if self._cancelled.is_set() or self._stop.is_set():
            raise Cancelled("context canceled")

    def _sending(self, parcel: Parcel) -> None:
        try:
            self._placed[parcel.layer.diff_id] = self._patiently(parcel)
            self._news.put(None)
        except BaseException as error:  # carried to the reader, whatever it is
            self._news.put(error)

    def _patiently(self, parcel: Parcel) -> manifest.Descriptor:
        for failures in range(_ATTEMPTS - 1):
            try:
                return self._send(parcel)
            except Transient as error:
                self._check()
                seconds = max(error.wait, _FIRST_DELAY * 2**failures)
                whole = max(1, round(seconds))
                self._tell(parcel, f"Retrying in {whole} second{'s' if whole > 1 else ''}")
                self._cancelled.wait(seconds)
        return self._send(parcel)

    def _send(self, parcel: Parcel) -> manifest.Descriptor:
        known = self._known(parcel)
        for descriptor in known:
            self._check()
            if self._sink.has(descriptor.digest):
                self._tell(parcel, "Layer already exists")
                return descriptor
        for source in parcel.sources:
            for descriptor in known:
                self._check()
                if self._sink.mount(descriptor.digest, source):
                    self._tell(parcel, f"Mounted from {source}")
                    return descriptor
        self._check()
        descriptor = self._upload(parcel)
        self._tell(parcel, "Pushed")
        return descriptor

    def _known(self, parcel: Parcel) -> list[manifest.Descriptor]:
        """Return the forms of the layer whose digests are known, the best first."""
        known = [parcel.wanted] if parcel.wanted else []
        packed = self._layers.packed(parcel.layer.chain_id)
        if packed and packed[0] not in (descriptor.digest for descriptor in known):
            known.append(manifest.Descriptor(_GZIP, *packed))
        return known

    def _upload(self, parcel: Parcel) -> manifest.Descriptor:
        wanted, chain_id = parcel.wanted, parcel.layer.chain_id
        if wanted and self._content.has(wanted.digest):
            self._sink.upload(lambda: self._kept(parcel, wanted), wanted.digest)
            return wanted
        digest, size = self._sink.upload(lambda: self._packed(parcel))
        self._layers.note_packed(chain_id, digest, size)
        if wanted and wanted.digest == digest:
            return wanted
        return manifest.Descriptor(_GZIP, digest, size)

    def _kept(self, parcel: Parcel, descriptor: manifest.Descriptor) -> Iterator[bytes]:
        """Yield the bytes of a blob that is kept."""
        with self._content.open(descriptor.digest) as file:
            yield from self._counted(parcel, iter(lambda: file.read(_CHUNK), b""), descriptor.size)

    def _packed(self, parcel: Parcel) -> Iterator[bytes]:
        """Yield the layer's tar, made again and verified, as gzip."""
        size = self._layers.info(parcel.layer.chain_id).tar_size
        tar = self._counted(parcel, self._verified(parcel.layer), size)
        ahead = compression.ReadAhead(compression.gzipped(tar))
        try:
            yield from ahead
        finally:
            ahead.close()

    def _verified(self, layer: ImageLayer) -> Iterator[bytes]:
        actual = hashlib.sha256()
        for chunk in self._layers.tar(layer.chain_id):
            actual.update(chunk)
            yield chunk
        if Digest(f"sha256:{actual.hexdigest()}") != layer.diff_id:
            raise Internal(f"layer {layer.chain_id} is damaged: it packs to sha256:{actual.hexdigest()}")

    def _counted(self, parcel: Parcel, chunks: Iterator[bytes], total: int) -> Iterator[bytes]:
        done, due = 0, 0.0
        for chunk in chunks:
            self._check()
            done += len(chunk)
            now = time.monotonic()
            if now >= due or done == total:
                due = now + _TELL_EVERY
                self._tell(parcel, "Pushing", done, total)
            yield chunk

    def _tell(self, parcel: Parcel, status: str, current: int = 0, total: int = 0) -> None:
        self._news.put(Progress(status, parcel.short, current, total))
