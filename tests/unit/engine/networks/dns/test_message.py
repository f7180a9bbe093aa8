from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.networks.dns import message
from engine.networks.dns.message import Kind, Malformed


def question(name: str, kind: int = 1, identity: int = 7) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
    return struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!2H", kind, 1)


def test_a_question_is_read_in_lower_case() -> None:
    query = message.parse_query(question("Web.Front"))
    assert (query.name, query.kind) == ("web.front", Kind.A)


def test_an_answer_repeats_identity_and_question_and_holds_the_records() -> None:
    asked = question("web")
    answer = message.render_answer(message.parse_query(asked), [socket.inet_aton("10.0.0.2")], 5)
    identity, flags, questions, answers, *_ = struct.unpack("!6H", answer[:12])
    assert (identity, questions, answers) == (7, 1, 1)
    assert flags & 0x8000
    assert answer.endswith(socket.inet_aton("10.0.0.2"))
    assert asked[12:] in answer


def test_an_answer_too_long_for_its_limit_says_so() -> None:
    records = [socket.inet_aton(f"10.0.0.{n}") for n in range(100)]
    answer = message.render_answer(message.parse_query(question("web")), records, 5, limit=512)
    assert len(answer) <= 512
    assert struct.unpack("!H", answer[2:4])[0] & 0x0200


@given(st.binary(max_size=200))
def test_no_bytes_of_a_stranger_do_more_than_be_refused(data: bytes) -> None:
    try:
        message.parse_query(data)
    except Malformed:
        pass


def test_a_name_that_points_at_itself_is_refused() -> None:
    loop = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c" + struct.pack("!2H", 1, 1)
    with pytest.raises(Malformed):
        message.parse_query(loop)
