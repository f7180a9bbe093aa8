"""Log streams: frames cut anywhere, partial lines joined, streams told apart."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.client.loglines import LogLines
from webui.errors import EngineUnavailable

T = "2026-11-24T05:45:18.029319466Z"


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def test_streams_are_told_apart() -> None:
    lines = LogLines(tty=False)
    assert lines.feed(frame(1, f"{T} out\n".encode()) + frame(2, f"{T} err\n".encode())) == [f"o{T} out", f"e{T} err"]


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.text("abé \t", max_size=20)), max_size=20), st.integers(1, 30))
def test_frames_cut_anywhere_give_the_same_lines(rows: list[tuple[int, str]], step: int) -> None:
    data = b"".join(frame(stream, f"{T} {text}\n".encode()) for stream, text in rows)
    lines, out = LogLines(tty=False), []
    for at in range(0, len(data), step):
        out += lines.feed(data[at : at + step])
    assert out == [("o" if stream == 1 else "e") + f"{T} {text}" for stream, text in rows]
    assert lines.flush() == []


def test_a_line_in_several_frames_is_one_and_its_time_is_said_once() -> None:
    lines = LogLines(tty=False)
    assert lines.feed(frame(1, f"{T} first ".encode())) == []
    assert lines.feed(frame(2, f"{T} between\n".encode())) == [f"e{T} between"]
    assert lines.feed(frame(1, f"{T} second\n".encode())) == [f"o{T} first second"]


def test_a_frame_may_hold_many_lines() -> None:
    assert LogLines(tty=False).feed(frame(1, b"a\nb\nc\n")) == ["oa", "ob", "oc"]


def test_an_unended_line_comes_at_the_end() -> None:
    lines = LogLines(tty=False)
    assert lines.feed(frame(1, b"no newline")) == []
    assert lines.flush() == ["ono newline"]


def test_a_terminal_has_no_frames() -> None:
    lines = LogLines(tty=True)
    assert lines.feed(b"one\r\ntw") == ["oone"]
    assert lines.feed(b"o\r\n") == ["otwo"]


def test_bytes_that_are_not_text_become_marks() -> None:
    assert LogLines(tty=False).feed(frame(1, b"\xff\xfe\n")) == ["o\ufffd\ufffd"]


def test_an_endless_line_is_cut() -> None:
    lines = LogLines(tty=False)
    out: list[str] = []
    for _ in range(40):
        out += lines.feed(frame(1, b"x" * 65536))
    assert 1 <= len(out) <= 3


def test_a_stream_out_of_step_is_an_error() -> None:
    with pytest.raises(EngineUnavailable):
        LogLines(tty=False).feed(b"HTTP/1.1 500 whatever")
