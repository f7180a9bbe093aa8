"""The head of an HTTP/1.1 request, read strictly (RFC 9112): what could be read in two ways is refused.

Refused: lines that end in a bare CR or LF, folded lines, space before a colon, control characters, a second Host,
Content-Length or Transfer-Encoding, the latter two together, encodings other than `chunked`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_HEAD = 65536
"""Bytes of request line and headers together."""

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) (\S{1,32768}) HTTP/1\.([01])\Z")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ABSOLUTE = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_ONCE = frozenset(("host", "content-length", "transfer-encoding", "berth-namespace", "berth-actor", "berth-grants"))


class BadRequest(Exception):
    """The bytes are no request that we take: answer `status` with the message, then close."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers. Header names are in lower case, repeated ones joined by `, `."""

    method: str
    path: str
    """Percent-encoded, begins with a slash."""
    query: str
    minor: int
    """1 for HTTP/1.1, 0 for HTTP/1.0."""
    headers: Mapping[str, str]
    length: int
    """Bytes of the body; -1: chunked."""
    keep_alive: bool
    upgrade: bool


def parse_head(raw: bytes) -> Head:
    """Return the head in `raw`, which ends before the empty line."""
    text = raw.decode("latin-1")
    first, *lines = text.split("\r\n")
    match = _LINE.match(first)
    if match is None or _CONTROL.search(first):
        raise BadRequest("malformed request line")
    method, target, minor = match[1], match[2], int(match[3])
    headers = _parse_fields(lines)
    if minor and "host" not in headers:
        raise BadRequest("missing required Host header")
    path, _, query = _origin(target).partition("?")
    tokens = {token.strip().lower() for token in headers.get("connection", "").split(",")}
    return Head(
        method=method,
        path=path,
        query=query,
        minor=minor,
        headers=headers,
        length=_body_length(headers, minor),
        keep_alive=bool(minor) and "close" not in tokens,
        upgrade=bool(minor) and "upgrade" in tokens and bool(headers.get("upgrade")),
    )


def _parse_fields(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        match = _FIELD.match(line)
        if match is None or _CONTROL.search(line):
            raise BadRequest("malformed header line")
        name, value = match[1].lower(), match[2]
        if name not in headers:
            headers[name] = value
        elif name in _ONCE:
            raise BadRequest(f"header given twice: {name}")
        else:
            headers[name] += f", {value}"
    return headers


def _origin(target: str) -> str:
    if target.startswith("/"):
        return target.partition("#")[0]
    match = _ABSOLUTE.match(target)
    if match is None:
        raise BadRequest("malformed request target")
    rest = target[match.end() :].partition("#")[0]
    return rest if rest.startswith("/") else f"/{rest}"


def _body_length(headers: Mapping[str, str], minor: int) -> int:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if length is not None:
            raise BadRequest("both Content-Length and Transfer-Encoding")
        if not minor:
            raise BadRequest("Transfer-Encoding in HTTP/1.0")
        if coding.lower() != "chunked":
            raise BadRequest("unsupported transfer encoding", 501)
        return -1
    if length is None:
        return 0
    if not _LENGTH.match(length):
        raise BadRequest("malformed Content-Length")
    return int(length)
