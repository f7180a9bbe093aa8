import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api.body import Body, Inlet
from engine.api.errors import ClientGone
from engine.errors import InvalidArgument


def inlet(data: bytes, step: int = 7) -> Inlet:
    source = io.BytesIO(data)
    return Inlet(lambda size: source.read(min(size, step)))


def test_a_body_by_length_ends_there_and_leaves_the_rest():
    source = inlet(b"hellorest")
    body = Body(source, 5)
    assert body.read() == b"hello"
    assert body.done
    assert source.some(100) + source.some(100) == b"rest"


def test_a_chunked_body_ends_at_its_last_chunk():
    source = inlet(b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nnext")
    body = Body(source, -1)
    assert body.read() == b"abc0123456789"
    assert body.done
    assert source.some(100) + source.some(100) == b"next"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.integers(1, 40), st.integers(1, 60))
def test_chunks_are_joined_however_they_arrive(chunks, step, size):
    wire = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    body = Body(inlet(wire, step), -1)
    parts = []
    while part := body.read(size):
        assert len(part) <= size
        parts.append(part)
    assert b"".join(parts) == b"".join(chunks)
    assert body.done


@pytest.mark.parametrize(
    "wire",
    [
        b"x\r\n",
        b"-1\r\n",
        b"0x3\r\nabc\r\n",
        b" 3\r\nabc\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"1000000000000000\r\n",
        b"3;\x00\r\nabc\r\n",
        b"\r\n",
        b"3" + b"0" * 5000,
        b"0\r\n" + b"a: b\r\n" * 3000,
    ],
    ids=lambda wire: repr(wire[:24]),
)
def test_a_bad_chunk_is_refused(wire):
    body = Body(inlet(wire, 64), -1)
    with pytest.raises(InvalidArgument, match="malformed chunked body"):
        body.read()
    assert body.broken


@pytest.mark.parametrize(("wire", "length"), [(b"abc", 5), (b"5\r\nabc", -1), (b"3\r\nabc\r\n", -1), (b"", -1)])
def test_a_body_cut_short_is_no_end(wire, length):
    body = Body(inlet(wire), length)
    with pytest.raises(ClientGone):
        body.read()
    assert body.broken


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_chunks_or_refused(data):
    body = Body(inlet(data, 64), -1)
    try:
        body.read()
    except (InvalidArgument, ClientGone):
        assert body.broken
    else:
        assert body.done


def test_the_client_is_asked_to_go_on_at_the_first_read_only():
    asked = []
    body = Body(inlet(b"hello"), 5, lambda: asked.append(1))
    assert not body.asked
    body.read(2)
    body.read()
    assert (asked, body.asked) == ([1], True)


def test_it_is_a_raw_file():
    with io.BufferedReader(Body(inlet(b"a\nb\n"), 4)) as reader:
        assert reader.readlines() == [b"a\n", b"b\n"]
