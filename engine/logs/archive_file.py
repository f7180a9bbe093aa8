"""One archived log in one file: zstd frames with an index by time. Written once, read at any place.

    BERTHLOG1\\n
    for each ~1 MiB of text: a zstd frame of the texts (joined by newlines), one of the heads
    a zstd frame of the index (JSON)
    where the index is (u64), how long (u64), BERTHEND

Heads are columns one after the other, little-endian: times (i64, the first absolute, the others differences), flags and
levels (u8), and, only where some line came in pieces, what each line took in conmon's file beyond its head and text
(i64). Text and heads apart make a search for text read half as many bytes, and both compress better.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path

import zstandard

from engine.errors import Internal
from engine.logs import levels
from engine.logs.blocks import IS_PART, Block, Columns, Gatherer, Heads
from engine.logs.files import Segment

FRAME_BYTES = 1 << 20
_FRAME_LINES = 1 << 16
_MAGIC, _END = b"BERTHLOG1\n", b"BERTHEND"
_TRAILER = struct.Struct(">QQ8s")
_READ = 1 << 18
_PHYSICAL_HEAD = 46
"""What conmon adds to each line: 45 bytes before it, a newline after."""


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """A frame by the index: where it is, how much, from when to when, from which position, how many of each level."""

    offset: int
    text_stored: int
    heads_stored: int
    lines: int
    size: int
    min_ns: int
    max_ns: int
    position: int
    levels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole archived log."""

    lines: int = 0
    size: int = 0
    stored: int = 0
    first_ns: int = 0
    last_ns: int = 0
    levels: tuple[int, ...] = (0,) * len(levels.NAMES)


EMPTY = Summary()


class Writer:
    """Writes one file; nothing is complete before `finish`."""

    def __init__(self, path: Path, position: int = 0) -> None:
        self._file = path.open("wb")
        self._file.write(_MAGIC)
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._frames: list[FrameInfo] = []
        self._columns: list[Columns] = []
        self._lines = self._size = 0
        self._position = position

    def add(self, columns: Columns) -> None:
        """Add lines."""
        if not columns.texts:
            return
        self._columns.append(columns)
        self._lines += len(columns.texts)
        self._size += sum(map(len, columns.texts)) + len(columns.texts)
        if self._size >= FRAME_BYTES or self._lines >= _FRAME_LINES:
            self._write_frame()

    def finish(self) -> Summary:
        """Write the rest and the index; the file is on disk then."""
        self._write_frame()
        index = zstandard.ZstdCompressor(level=3).compress(json.dumps([_row(frame) for frame in self._frames]).encode())
        offset = self._file.tell()
        self._file.write(index + _TRAILER.pack(offset, len(index), _END))
        self._file.flush()
        os.fdatasync(self._file.fileno())
        return summary(self._frames, self._file.tell())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write_frame(self) -> None:
        if not self._lines:
            return
        texts = [text for columns in self._columns for text in columns.texts]
        times = [time_ns for columns in self._columns for time_ns in columns.times()]
        ends = [end for columns in self._columns for end in columns.ends]
        flags = b"".join(columns.flags for columns in self._columns)
        graves = levels.detect_all(texts)
        text = self._compressor.compress(b"\n".join(texts))
        heads = self._compressor.compress(_pack(times, flags, graves, _extras(texts, flags, ends, self._position)))
        counts = tuple(graves.count(level) for level in range(len(levels.NAMES)))
        place = self._file.tell()
        info = (place, len(text), len(heads), len(texts), self._size, min(times), max(times), self._position, counts)
        self._frames.append(FrameInfo(*info))
        self._file.write(text + heads)
        self._position = ends[-1]
        self._columns, self._lines, self._size = [], 0, 0


def build(segments: Sequence[Segment], skip: dict[bytes, int], path: Path) -> Iterator[Summary | None]:
    """Write a finished log's files into an archive file; yields None after each step, then the summary."""
    gatherer = Gatherer(skip)
    with closing(Writer(path, segments[0].base if segments else 0)) as writer:
        for segment in segments:
            offset = 0
            while data := segment.read(offset, _READ):
                cut = data.rfind(b"\n") + 1
                if not cut:
                    break  # a physical line that the machine's end cut off
                writer.add(gatherer.feed(data[:cut], segment.base + offset))
                offset += cut
                yield None
        writer.add(gatherer.flush())
        yield writer.finish()


class ArchiveFile:
    """An archive file opened for reading; any number of threads may load frames at once. Close it after use."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(self._fd)
            self.frames = _index(path, (status.st_ino, status.st_mtime_ns))
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def load(self, info: FrameInfo) -> Block:
        """Return a frame's lines; the heads are read when they are asked for."""
        text = zstandard.ZstdDecompressor().decompress(os.pread(self._fd, info.text_stored, info.offset))
        return Block(text, info.lines, lambda: self._heads(info, text))

    def heads(self, info: FrameInfo) -> tuple[Sequence[int], bytes]:
        """Return times and levels of a frame without its text."""
        times, _, graves, _ = self._columns(info)
        return times, graves

    def _columns(self, info: FrameInfo) -> tuple[list[int], bytes, bytes, array[int] | None]:
        data = os.pread(self._fd, info.heads_stored, info.offset + info.text_stored)
        return _unpack(zstandard.ZstdDecompressor().decompress(data), info.lines)

    def _heads(self, info: FrameInfo, text: bytes) -> Heads:
        times, flags, graves, extras = self._columns(info)
        sizes = [len(line) + _PHYSICAL_HEAD for line in text.split(b"\n")]
        if extras is not None:
            sizes = [size + extra for size, extra in zip(sizes, extras, strict=True)]
        return Heads(times, flags, list(accumulate(sizes, initial=info.position))[1:], graves)


def summary(frames: Iterable[FrameInfo], stored: int) -> Summary:
    """Return what the frames hold together."""
    frames = list(frames)
    if not frames:
        return Summary(stored=stored)
    return Summary(
        lines=sum(frame.lines for frame in frames),
        size=sum(frame.size for frame in frames),
        stored=stored,
        first_ns=min(frame.min_ns for frame in frames),
        last_ns=max(frame.max_ns for frame in frames),
        levels=tuple(map(sum, zip(*(frame.levels for frame in frames), strict=True))),
    )


def _row(frame: FrameInfo) -> list[object]:
    return [getattr(frame, name) for name in FrameInfo.__slots__]


def _extras(texts: Sequence[bytes], flags: bytes, ends: Sequence[int], position: int) -> array[int] | None:
    if max(flags) < IS_PART and ends[-1] - position == sum(map(len, texts)) + _PHYSICAL_HEAD * len(texts):
        return None
    extras = array("q", [0] * len(texts))
    before = position
    for index, (text, end) in enumerate(zip(texts, ends, strict=True)):
        extras[index] = end - before - len(text) - _PHYSICAL_HEAD
        before = end
    return extras if any(extras) else None


def _pack(times: Sequence[int], flags: bytes, graves: bytes, extras: array[int] | None) -> bytes:
    deltas = array("q", [times[0], *[after - before for before, after in pairwise(times)]])
    parts = [_little(deltas).tobytes(), flags, graves]
    return b"".join([*parts, _little(extras).tobytes()] if extras else parts)


def _unpack(data: bytes, count: int) -> tuple[list[int], bytes, bytes, array[int] | None]:
    deltas, extras = array("q"), array("q")
    deltas.frombytes(data[: 8 * count])
    flags, graves, rest = data[8 * count : 9 * count], data[9 * count : 10 * count], data[10 * count :]
    extras.frombytes(rest)
    return list(accumulate(_little(deltas))), flags, graves, _little(extras) if rest else None


def _little(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _index(path: Path, version: tuple[int, int]) -> tuple[FrameInfo, ...]:
    try:
        return _read_index(path, version)
    except (ValueError, TypeError, struct.error, zstandard.ZstdError) as error:
        raise Internal(f"the archived log {path} is damaged: {error}") from error


@lru_cache(maxsize=128)
def _read_index(path: Path, _version: tuple[int, int]) -> tuple[FrameInfo, ...]:
    with path.open("rb") as file:
        magic = file.read(len(_MAGIC))
        file.seek(-_TRAILER.size, os.SEEK_END)
        offset, length, end = _TRAILER.unpack(file.read(_TRAILER.size))
        if magic != _MAGIC or end != _END or offset + length + _TRAILER.size != file.tell():
            raise ValueError("not an archived log")
        file.seek(offset)
        rows = json.loads(zstandard.ZstdDecompressor().decompress(file.read(length)))
    return tuple(FrameInfo(*[*row[:-1], tuple(row[-1])]) for row in rows)
