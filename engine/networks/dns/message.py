"""DNS messages as far as a container's resolver needs them (RFC 1035): questions read, short answers written. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

HEADER_SIZE = 12
UDP_SIZE = 512
"""What an answer by UDP may have where the client has not said more (RFC 1035 § 4.2.1)."""
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0100, 0x80
_INTERNET = 1
_LONGEST_NAME = 255


class Kind(IntEnum):
    """Types of records that are looked at."""

    A = 1
    PTR = 12
    AAAA = 28
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
    return Query(identity, flags, name, kind, data[HEADER_SIZE : offset + 4])


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
    count = 0
    for value in records:
        record = struct.pack("!HHHIH", 0xC000 | HEADER_SIZE, query.kind, _INTERNET, ttl, len(value)) + value
        if HEADER_SIZE + len(body) + len(record) > limit:
            flags |= _TRUNCATED
            break
        body += record
        count += 1
    return struct.pack("!HHHHHH", query.id, flags, 1, count, 0, 0) + body


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


def _reply_flags(flags: int) -> int:
    return _RESPONSE | _RECURSION_AVAILABLE | (flags & (_RECURSION_DESIRED | 0x7800))
