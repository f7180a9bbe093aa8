"""Streams of bytes: what compression they have, what is inside, and reading ahead on another thread.

A stream is an iterator of chunks. gzip is ISA-L's: it unpacks twice and packs seven times as fast as zlib, and what it
packs is a tenth larger. isal, zstandard and hashlib release the interpreter's lock on chunks of this size, so a
`ReadAhead` between two steps really uses two cores.
"""

from __future__ import annotations

import bz2
import lzma
import queue
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import zstandard
from isal import isal_zlib

from engine.errors import InvalidArgument

CHUNK = 256 * 1024
_LEVEL = 3  # the best that ISA-L has


_SPOILT: tuple[type[Exception], ...] = (zlib.error, lzma.LZMAError, OSError, EOFError, zstandard.ZstdError)
_SPOILT += (cast("type[Exception]", isal_zlib.IsalError),)


class _SourceFailed(Exception):
    """Carries an error of the compressed stream itself past the decoder's own errors."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"))


def detect(head: bytes) -> str:
    """Return the compression that the first bytes of a stream show: gzip, zstd, bzip2, xz or ""."""
    if head[:4] >= b"\x50\x2a\x4d\x18" and head[:4] <= b"\x5f\x2a\x4d\x18" and head[1:4] == b"\x2a\x4d\x18":
        return "zstd"  # RFC 8878 § 3.1.2: a skippable frame first (zstd:chunked, pzstd)
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what is inside a stream of any known compression, or the stream itself.

    InvalidArgument where the compressed data is corrupt or ends too early.
    """
    source = iter(chunks)
    head = b""
    while len(head) < 6:
        chunk = next(source, None)
        if chunk is None:
            break
        head += chunk
    kind = detect(head)
    rest = _prepended(head, source)
    try:
        yield from _DECODERS[kind](rest)
    except _SourceFailed as failed:
        raise failed.cause from None
    except _SPOILT as error:
        raise InvalidArgument(f"corrupt {kind} data: {error}") from error


def gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a stream as gzip, the same bytes for the same stream: no name, no time in it."""
    encoder = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, 31)
    for chunk in chunks:
        if data := encoder.compress(chunk):
            yield data
    yield encoder.flush()


def _prepended(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    try:
        yield from rest
    except Exception as error:
        raise _SourceFailed(error) from error


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    decoder = isal_zlib.decompressobj(31)
    started = False
    for chunk in chunks:
        data = chunk
        while data:
            if decoder.eof:  # another member, or the padding that some tools leave
                data = data.lstrip(b"\0")
                if not data:
                    break
                decoder = isal_zlib.decompressobj(31)
            started = True
            yield decoder.decompress(data, CHUNK)
            data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if started and not decoder.eof:
        raise EOFError("unexpected end")


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    # The reader does not tell a frame that was cut from one that ended, so frames are followed one by one.
    frames = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    decoder = frames.decompressobj()
    fed = False
    for chunk in chunks:
        data = chunk
        while data:
            out = decoder.decompress(data)
            fed = True
            if out:
                yield out
            data = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                decoder, fed = frames.decompressobj(), False
    if fed:
        raise EOFError("unexpected end")


def _stdlib(
    make: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor],
) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    def decode(chunks: Iterator[bytes]) -> Iterator[bytes]:
        decoder = make()
        for chunk in chunks:
            data = chunk
            while data:
                if decoder.eof:
                    decoder = make()
                yield decoder.decompress(data)
                data = decoder.unused_data if decoder.eof else b""
        if not decoder.eof:
            raise EOFError("unexpected end")

    return decode


_DECODERS: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "": lambda chunks: chunks,
    "gzip": _gunzip,
    "zstd": _unzstd,
    "bzip2": _stdlib(bz2.BZ2Decompressor),
    "xz": _stdlib(lzma.LZMADecompressor),
}


class ReadAhead:
    """Runs an iterator on a thread of its own, at most `depth` chunks ahead of its reader."""

    def __init__(self, chunks: Iterable[bytes], depth: int = 8) -> None:
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(chunks,), name="read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks; raises what the iterator raised, in its place."""
        while True:
            item = self._queue.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """End the thread; chunks not yet read are lost."""
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                pass
        self._thread.join()

    def _run(self, chunks: Iterable[bytes]) -> None:
        try:
            for chunk in chunks:
                if not self._put(chunk):
                    return
            self._put(None)
        except BaseException as error:  # carried to the reader, whatever it is
            self._put(error)

    def _put(self, item: bytes | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.5)
            except queue.Full:
                continue
            return True
        return False
