"""Compressed streams: each kind there and back, cut and spoilt ones refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import threading
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.storage.compression import ReadAhead, decompressed, detect
from tests.fakes import tars

KINDS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
kinds = pytest.mark.parametrize("kind", KINDS)
compressed_kinds = pytest.mark.parametrize("kind", [k for k in KINDS if k])


@given(st.sampled_from(list(KINDS)), st.binary(max_size=3000), st.integers(1, 700))
def test_there_and_back(kind: str, data: bytes, chunk: int) -> None:
    if kind == "" and detect(data):
        return
    packed = KINDS[kind](data)
    assert b"".join(decompressed(tars.pieces(packed, chunk))) == data


@compressed_kinds
def test_several_members_in_a_row_are_one_stream(kind: str) -> None:
    packed = KINDS[kind](b"first ") + KINDS[kind](b"second")
    assert b"".join(decompressed(tars.pieces(packed, 7))) == b"first second"


@compressed_kinds
def test_a_stream_that_is_cut_is_refused(kind: str) -> None:
    packed = KINDS[kind](bytes(range(256)) * 50)
    with pytest.raises(InvalidArgument, match=f"corrupt {kind} data"):
        b"".join(decompressed(tars.pieces(packed[:-5], 40)))


@compressed_kinds
def test_a_spoilt_stream_is_refused(kind: str) -> None:
    packed = bytearray(KINDS[kind](bytes(range(256)) * 50))
    for at in range(len(packed) // 2, len(packed) // 2 + 12):
        packed[at] ^= 0x5A
    with pytest.raises(InvalidArgument):
        b"".join(decompressed(tars.pieces(bytes(packed), 40)))


def test_a_zstd_stream_may_begin_with_a_skippable_frame() -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    packed = skippable + KINDS["zstd"](b"data")
    assert b"".join(decompressed([packed])) == b"data"


def test_reading_ahead_keeps_order_and_carries_errors() -> None:
    def source() -> Iterator[bytes]:
        yield from (b"%d" % n for n in range(50))
        raise InvalidArgument("broken")

    ahead = ReadAhead(source(), depth=3)
    seen: list[bytes] = []
    with pytest.raises(InvalidArgument, match="broken"):
        seen.extend(ahead)
    assert seen == [b"%d" % n for n in range(50)]
    ahead.close()


def test_closing_a_read_ahead_ends_its_thread() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    before = threading.active_count()
    ahead = ReadAhead(endless(), depth=2)
    assert next(iter(ahead)) == b"x"
    ahead.close()
    assert threading.active_count() == before
