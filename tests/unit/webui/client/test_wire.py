"""HTTP from the client's side: chunked bodies cut anywhere, heads, ends."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.client.wire import ChunkDecoder, Head, Response, read_head
from webui.errors import EngineUnavailable


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"


@given(st.lists(st.binary(max_size=300), max_size=12), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_a_chunked_body_cut_anywhere_is_whole(parts: list[bytes], cuts: list[int]) -> None:
    data, decoder, out, at, turn = chunked(parts), ChunkDecoder(), b"", 0, 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        out += decoder.feed(data[at : at + step])
        at, turn = at + step, turn + 1
    assert out == b"".join(parts)
    assert decoder.done


def test_a_broken_size_is_an_error() -> None:
    with pytest.raises(EngineUnavailable):
        ChunkDecoder().feed(b"xyz\r\nabc")


def pair(data: bytes) -> socket.socket:
    ours, theirs = socket.socketpair()

    def send() -> None:
        theirs.sendall(data)
        theirs.close()

    threading.Thread(target=send, daemon=True).start()
    return ours


def test_a_head_is_read_and_the_rest_is_kept() -> None:
    ours = pair(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nfirst bytes")
    head, rest = read_head(ours)
    with Response(ours, head, rest) as response:
        assert (head.status, head.reason, head.get("upgrade")) == (101, "UPGRADED", "tcp")
        assert b"".join(response.raw()) == b"first bytes"


def test_a_body_ends_with_its_length() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")  # and the connection stays open
    with Response(ours, *read_head(ours)) as response:
        assert response.read() == b"body"
    theirs.close()


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200", b"SSH-2.0\r\n\r\n", b"x" * 100_000])
def test_what_is_not_http_is_unavailable(data: bytes) -> None:
    ours = pair(data)
    with pytest.raises(EngineUnavailable):
        read_head(ours)
    ours.close()


def test_an_error_text_is_dockers_message() -> None:
    ours = pair(b"HTTP/1.1 404 Not Found\r\nContent-Length: 27\r\n\r\n" + b'{"message":"No such image"}')
    with Response(ours, *read_head(ours)) as response:
        assert response.message() == "No such image"


def test_header_names_have_no_case() -> None:
    head = Head(200, "OK", (("Transfer-Encoding", "Chunked"), ("content-LENGTH", "x")))
    assert head.chunked
    assert head.length is None
