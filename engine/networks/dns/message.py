"""DNS messages as far as a container's resolver needs them (RFC 1035): questions read, short answers written. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

HEADER_SIZE = 12
UDP_SIZE = 512
"""What an answer by UDP may have where the client has not said more (RFC 1035 § 4.2.1)."""
LARGEST_UDP = 1232
"""What we send by UDP at most, whatever the client allows: no fragments on any link."""
_OPT_RECORD = struct.Struct("!BHHIH")
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0100, 0x80
_INTERNET = 1
_LONGEST_NAME = 255


class Kind(IntEnum):
    """Types of records that are looked at."""

    A = 1
    PTR = 12
    AAAA = 28
    OPT = 41
    ANY = 255


class Code(IntEnum):
    """Response codes."""

    NO_ERROR = 0
    FORMAT_ERROR = 1
    SERVER_FAILURE = 2
    NAME_ERROR = 3
    NOT_IMPLEMENTED = 4


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `name` is in lower case without the final dot; `question` is its packed form."""

    id: int
    flags: int
    name: str
    kind: int
    question: bytes
    room: int = UDP_SIZE
    """Bytes that an answer by UDP may have."""
    is_extended: bool = False
    """The client speaks EDNS (RFC 6891): so does the answer."""


class Malformed(Exception):
    """The bytes are no question that can be answered; `code` says how to refuse it, None: by silence."""

    def __init__(self, code: Code | None) -> None:
        super().__init__()
        self.code = code


def parse_query(data: bytes) -> Query:
    """Read a standard query with one question of class IN; Malformed otherwise."""
    if len(data) < HEADER_SIZE:
        raise Malformed(None)
    identity, flags, questions = struct.unpack_from("!HHH", data)
    if flags & _RESPONSE:
        raise Malformed(None)
    if flags >> 11 & 0xF:
        raise Malformed(Code.NOT_IMPLEMENTED)
    if questions != 1:
        raise Malformed(Code.FORMAT_ERROR)
    name, offset = _read_name(data, HEADER_SIZE)
    if offset + 4 > len(data):
        raise Malformed(Code.FORMAT_ERROR)
    kind, family = struct.unpack_from("!HH", data, offset)
    if family != _INTERNET:
        raise Malformed(Code.NOT_IMPLEMENTED)
    room = _extended_room(data, offset + 4)
    limit = UDP_SIZE if room is None else max(UDP_SIZE, min(room, LARGEST_UDP))
    return Query(identity, flags, name, kind, data[HEADER_SIZE : offset + 4], limit, room is not None)


def _extended_room(data: bytes, offset: int) -> int | None:
    """Return the size that an EDNS record right after the question allows, None where there is none."""
    _, answers, authorities, additional = struct.unpack_from("!HHHH", data, 4)
    if answers or authorities or not additional or len(data) < offset + _OPT_RECORD.size:
        return None
    root, kind, size, _, _ = _OPT_RECORD.unpack_from(data, offset)
    return size if root == 0 and kind == Kind.OPT else None


def _read_name(data: bytes, offset: int) -> tuple[str, int]:
    labels: list[str] = []
    start = offset
    while True:
        if offset >= len(data) or offset - start > _LONGEST_NAME:
            raise Malformed(Code.FORMAT_ERROR)
        size = data[offset]
        offset += 1
        if size == 0:
            return ".".join(labels), offset
        if size > 63 or offset + size > len(data):  # a pointer has no place in the first question
            raise Malformed(Code.FORMAT_ERROR)
        labels.append(data[offset : offset + size].decode("latin-1").lower())
        offset += size


def render_answer(query: Query, records: Sequence[bytes], ttl: int, limit: int = 0xFFFF) -> bytes:
    """Return the answer with these values of the asked type; cut down and marked so where it is over `limit`."""
    body = query.question
    flags = _reply_flags(query.flags) | _AUTHORITATIVE
    extension = _OPT_RECORD.pack(0, Kind.OPT, LARGEST_UDP, 0, 0) if query.is_extended else b""
    count = 0
    for value in records:
        record = struct.pack("!HHHIH", 0xC000 | HEADER_SIZE, query.kind, _INTERNET, ttl, len(value)) + value
        if HEADER_SIZE + len(body) + len(record) + len(extension) > limit:
            flags |= _TRUNCATED
            break
        body += record
        count += 1
    return struct.pack("!HHHHHH", query.id, flags, 1, count, 0, 1 if extension else 0) + body + extension


def render_error(data: bytes, code: Code) -> bytes:
    """Return the refusal of a query, which need not be a good one."""
    identity, flags = struct.unpack_from("!HH", data)
    try:
        question = parse_query(data).question
    except Malformed:
        question = b""
    counts = (1 if question else 0, 0, 0, 0)
    return struct.pack("!HHHHHH", identity, _reply_flags(flags) | code, *counts) + question


def pack_name(name: str) -> bytes:
    """Return a name packed into labels; ValueError where one is too long."""
    packed = b""
    for label in name.split("."):
        raw = label.encode("latin-1")
        if not 0 < len(raw) < 64:
            raise ValueError(f"not a DNS name: {name!r}")
        packed += bytes([len(raw)]) + raw
    return packed + b"\0"


def with_id(data: bytes, identity: int) -> bytes:
    """Return a message under another id."""
    return struct.pack("!H", identity) + data[2:]


def for_asker(answer: bytes, asked: bytes) -> bytes:
    """Return an answer of the outside as it goes to the one who asked.

    Unread, under the question's own id; but a refusal of a single word loses the time for which it may be kept: it may
    be the name of a container that starts in the next second.
    """
    if len(answer) >= HEADER_SIZE and answer[3] & 0xF == Code.NAME_ERROR:
        try:
            if "." not in parse_query(asked).name:
                return render_error(asked, Code.NAME_ERROR)
        except Malformed:
            pass
    return with_id(answer, int.from_bytes(asked[:2], "big"))


def _reply_flags(flags: int) -> int:
    return _RESPONSE | _RECURSION_AVAILABLE | (flags & (_RECURSION_DESIRED | 0x7800))
