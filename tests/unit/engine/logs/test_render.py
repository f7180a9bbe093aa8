"""What clients get: frames, raw text, time stamps, attributes."""

from __future__ import annotations

import struct

import pytest

from engine.logs import render
from engine.logs.drivers.k8s_file import Joiner, split_lines
from engine.logs.model import LogQuery
from tests.fakes.conmon_log import BASE_NS, Write, physical_lines

_WRITES = [
    Write("stdout", b"one\n", BASE_NS + 5),
    Write("stderr", b"\x00two\r\n", BASE_NS + 6),
    Write("stdout", b"three", BASE_NS + 7),
]


def _rendered(query: LogQuery, writes: list[Write] = _WRITES, *, framed: bool = True, zone: str = "+00:00") -> bytes:
    joiner = Joiner(query.streams)
    lines = joiner.join(split_lines(b"".join(physical_lines(writes, zone))))
    to_bytes = render.renderer(query, framed=framed)
    return to_bytes(lines) + to_bytes(joiner.flush())


def _frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(data)) + data


def test_each_line_is_a_frame_of_its_stream() -> None:
    """An unfinished line has no newline."""
    assert _rendered(LogQuery()) == _frame(1, b"one\n") + _frame(2, b"\x00two\r\n") + _frame(1, b"three")


@pytest.mark.parametrize("length", [0, 7, 20_000])
def test_both_streams_of_any_length(length: int) -> None:
    """Headers are right the first time and the next."""
    text = b"z" * length + b"\n"
    for _ in range(2):
        out = _rendered(LogQuery(), [Write("stdout", text, BASE_NS), Write("stderr", text, BASE_NS)])
        assert out == _frame(1, text) + _frame(2, text)


def test_one_stream_alone() -> None:
    """The frames of the other stream are left out."""
    assert _rendered(LogQuery(stdout=False)) == _frame(2, b"\x00two\r\n")


def test_a_terminal_has_no_frames() -> None:
    """The bytes are as they were written."""
    assert _rendered(LogQuery(), framed=False) == b"one\n\x00two\r\nthree"


@pytest.mark.parametrize("zone", ["+00:00", "+08:00", "-03:30"])
def test_stamps_are_utc_with_nine_digits(zone: str) -> None:
    """Whatever the zone of the machine is."""
    text = _rendered(LogQuery(timestamps=True), framed=False, zone=zone)
    assert text.splitlines()[0] == b"2023-11-14T22:13:20.000000005Z one"
    assert text.endswith(b"2023-11-14T22:13:20.000000007Z three")


@pytest.mark.parametrize("zone", ["+00:00", "+08:00"])
@pytest.mark.parametrize("streams", [("stdout",), ("stderr",), ("stdout", "stderr")], ids="+".join)
@pytest.mark.parametrize("length", [0, 7, 20_000])
def test_stamped_frames_hold_what_stamped_text_does(zone: str, streams: tuple[str, ...], length: int) -> None:
    """Headers are right for every length, the first time and the next."""
    writes = [Write(stream, b"z" * length + b"\n", BASE_NS + n) for n, stream in enumerate(streams)]
    text = [_rendered(LogQuery(timestamps=True), [write], framed=False, zone=zone) for write in writes]
    frames = b"".join(_frame(1 if w.stream == "stdout" else 2, t) for w, t in zip(writes, text, strict=True))
    for _ in range(2):
        assert _rendered(LogQuery(timestamps=True), writes, zone=zone) == frames


def test_details_come_before_the_text_and_after_the_stamp() -> None:
    """Escaped as in a query string and sorted; without attributes a space alone, as Docker does."""
    query = LogQuery(details={"b": "x y", "a": "1"}, stderr=False)
    assert _rendered(query, framed=False) == b"a=1,b=x+y one\na=1,b=x+y three"
    assert _rendered(LogQuery(details={}, stderr=False), framed=False) == b" one\n three"


def test_an_over_long_line_has_one_stamp() -> None:
    """Its parts are frames of their own."""
    writes = [Write("stdout", b"y" * 8192, BASE_NS) for _ in range(300)] + [Write("stdout", b"\n", BASE_NS)]
    out = _rendered(LogQuery(timestamps=True), writes, framed=False)
    assert out == b"2023-11-14T22:13:20.000000000Z " + b"y" * 8192 * 300 + b"\n"
