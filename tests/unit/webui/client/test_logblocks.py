"""The engine's log blocks, in whatever pieces they come."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.client.logblocks import Chunk, LogBlocks
from webui.errors import EngineUnavailable


def block(text: bytes, position: int, **more: int) -> bytes:
    """Return a block as the engine writes it."""
    head = {"position": position, "lines": text.count(b"\n"), "bytes": len(text), **more}
    return json.dumps(head).encode() + b"\n" + text


@given(cuts=st.lists(st.integers(0, 400), max_size=8))
def test_blocks_are_the_same_wherever_they_are_cut(cuts: list[int]) -> None:
    data = block(b"", 5) + block(b"o1 a\ne1 b\n", 50) + block("o2 ünï\xff\n".encode(), 90, skipped=3)
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    parser = LogBlocks()
    found = [chunk for a, b in itertools.pairwise(edges) for chunk in parser.feed(data[a:b])]
    assert found == [Chunk("", 0, 5), Chunk("o1 a\ne1 b", 2, 50), Chunk("o2 ünï\xff", 1, 90, 3)]


def test_a_terminals_lines_end_like_others() -> None:
    assert LogBlocks().feed(block(b"o1 a\r\no1 b\rc\r\n", 9))[0].text == "o1 a\no1 b\rc"


@pytest.mark.parametrize("data", [b"nonsense\n", b"[1]\n", b'{"bytes": "x"}\n', b'{"error": "gone"}\n'])
def test_what_is_no_block_is_an_error(data: bytes) -> None:
    with pytest.raises(EngineUnavailable):
        LogBlocks().feed(data)
