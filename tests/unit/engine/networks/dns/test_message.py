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


def extended(name: str, room: int) -> bytes:
    """Return a question by a client that speaks EDNS."""
    asked = question(name)
    return asked[:10] + b"\0\1" + asked[12:] + struct.pack("!BHHIH", 0, 41, room, 0, 0)


def test_edns_makes_room_for_a_longer_answer_and_is_answered_in_kind() -> None:
    records = [bytes(4)] * 60
    plain = message.parse_query(question("web"))
    short = message.render_answer(plain, records, 5, plain.room)
    assert (len(short) <= 512, bool(short[2] & 0x02), short[10:12]) == (True, True, b"\0\0")
    query = message.parse_query(extended("web", 4096))
    assert (query.room, query.is_extended) == (1232, True)
    whole = message.render_answer(query, records, 5, query.room)
    assert (whole[2] & 0x02, int.from_bytes(whole[6:8], "big"), whole[10:12]) == (0, 60, b"\0\1")
    assert message.parse_query(extended("web", 100)).room == 512


def test_a_refusal_of_a_single_word_may_not_be_kept() -> None:
    authority = b"\0\0\6\0\1" + struct.pack("!IH", 86400, 2) + b"ab"
    for name, kept in (("web", False), ("web.example", True)):
        asked = question(name)
        refused = b"\0\1\x81\x83\0\1\0\0\0\1\0\0" + asked[12:] + authority
        answer = message.for_asker(refused, asked)
        assert (answer[:2], answer[3] & 0xF, answer.endswith(authority)) == (asked[:2], 3, kept)
