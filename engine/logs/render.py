"""Whole lines to what a client gets: text, time stamps, attributes, frames. Hot, see `drivers.k8s_file`.

A frame is Docker's (Engine API, attach, "stream format"): one byte stream (1 stdout, 2 stderr), three zero bytes, the
length as a big-endian u32, then the bytes. One frame a line, so that clients which take frames for lines are right.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote_plus

from engine.logs.drivers import k8s_file
from engine.logs.drivers.k8s_file import Lines
from engine.logs.model import LogQuery

_UTC = {b"+00:00"}
_ZONE = slice(29, 35)
_CACHED = 1 << 14
_O = ord("o")
"""The fourth letter of `stdout`, where `stderr` has an e."""


class _Headers:
    """Frame headers of one stream, by the length of what they are before; those of ordinary lines are kept."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.known: dict[int, bytes] = {}

    def of(self, length: int) -> bytes:
        header = self.known.get(length)
        if header is None:
            header = struct.pack(">BxxxI", self._number, length)
            if length < _CACHED:
                self.known[length] = header
        return header


_HEADERS = {b"stdout": _Headers(1), b"stderr": _Headers(2)}


def renderer(query: LogQuery, *, framed: bool) -> Callable[[Lines], bytes]:
    """Return the function that renders whole lines as `query` wants them, in frames or (tty) as they are."""
    details = b"" if query.details is None else _attributes(query.details) + b" "
    if query.timestamps and framed and not details:
        return _stamped_frames
    if query.timestamps or details:
        return lambda block: _decorated(block.lines, timestamps=query.timestamps, details=details, framed=framed)
    return _plain_frames if framed else _plain_text


def marked_lines(block: Lines) -> bytes:
    """Return lines as `o` or `e` (stdout, stderr), the time in UTC, a space, the text, a newline."""
    lines = block.lines
    if {line[_ZONE] for line in lines} <= _UTC:
        marked = [(b"o" if line[39] == _O else b"e") + line[:29] + b"Z " + line[45:] for line in lines]
    else:
        marked = [(b"o" if line[39] == _O else b"e") + _stamp(line) + line[45:] for line in lines]
    marked.append(b"")
    return b"\n".join(marked)


def _attributes(details: Mapping[str, str]) -> bytes:
    return ",".join(f"{quote_plus(k)}={quote_plus(v)}" for k, v in sorted(details.items())).encode()


def _plain_text(block: Lines) -> bytes:
    if not block.are_whole:
        return b"".join([_body(line) for line in block.lines])
    return b"\n".join([*[line[45:] for line in block.lines], b""])


def _plain_frames(block: Lines) -> bytes:
    lines = block.lines
    if not block.are_whole:
        return b"".join([_framed(line, _body(line)) for line in lines])
    headers = _known_headers(block)
    try:
        if isinstance(headers, dict):
            framed = [headers[len(line) - 44] + line[45:] for line in lines]
        else:
            one, two = headers
            framed = [(one if line[39] == _O else two)[len(line) - 44] + line[45:] for line in lines]
    except KeyError:  # a length met for the first time, or one that is not kept
        framed = [_header(line, len(line) - 44) + line[45:] for line in lines]
    framed.append(b"")
    return b"\n".join(framed)


def _stamped_frames(block: Lines) -> bytes:
    lines = block.lines
    if not block.are_whole or not {line[_ZONE] for line in lines} <= _UTC:
        return _decorated(lines, timestamps=True, details=b"", framed=True)
    headers = _known_headers(block)
    try:
        if isinstance(headers, dict):
            framed = [headers[len(line) - 13] + line[:29] + b"Z " + line[45:] for line in lines]
        else:
            one, two = headers
            framed = [
                (one if line[39] == _O else two)[len(line) - 13] + line[:29] + b"Z " + line[45:] for line in lines
            ]
    except KeyError:
        framed = [_header(line, len(line) - 13) + line[:29] + b"Z " + line[45:] for line in lines]
    framed.append(b"")
    return b"\n".join(framed)


def _known_headers(block: Lines) -> dict[int, bytes] | tuple[dict[int, bytes], dict[int, bytes]]:
    """Return the header table of the block's stream, or of both streams where both are in it."""
    streams = {tag[1:7] for tag in block.tags}
    if len(streams) == 1:
        return _HEADERS[streams.pop()].known
    return _HEADERS[b"stdout"].known, _HEADERS[b"stderr"].known


def _header(line: bytes, length: int) -> bytes:
    return _HEADERS[line[k8s_file.STREAM]].of(length)


def _body(line: bytes) -> bytes:
    return line[45:] + b"\n" if line[42:44] == b" F" else line[45:]


def _framed(line: bytes, body: bytes) -> bytes:
    return _header(line, len(body)) + body


def _decorated(lines: Sequence[bytes], *, timestamps: bool, details: bytes, framed: bool) -> bytes:
    utc = {line[_ZONE] for line in lines} <= _UTC
    out = []
    for line in lines:
        body = _body(line)
        if line[44:45] != k8s_file.CONTINUED:
            stamp = (line[:29] + b"Z " if utc else _stamp(line)) if timestamps else b""
            body = stamp + details + body
        out.append(_framed(line, body) if framed else body)
    return b"".join(out)


def _stamp(line: bytes) -> bytes:
    """Render the time of a line in UTC: engines run in any zone, Docker's stamps have none but Z."""
    seconds, nanos = divmod(k8s_file.parse_time(line), 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z ".encode()
