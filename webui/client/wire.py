"""HTTP/1.1 from the client's side on a raw socket: heads, chunked bodies, upgraded streams.

By hand, because streams of an engine are decoded from large buffers (http.client reads chunk by chunk) and because
an upgraded connection needs the bytes that came with its head.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from webui.errors import EngineUnavailable

BUFFER = 256 * 1024
_MAX_HEAD = 64 * 1024
_MAX_JSON = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """A response's status line and headers, names as they came."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        """Return the first header of that name (any case)."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), default)

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.get("transfer-encoding").lower() == "chunked"

    @property
    def length(self) -> int | None:
        """The body's length, if the head says one."""
        text = self.get("content-length")
        return int(text) if text.isdigit() else None


def read_head(sock: socket.socket) -> tuple[Head, bytes]:
    """Read one response head (100-continue skipped); return it and the bytes that came after it."""
    data = b""
    while True:
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            head = _parse_head(data[:end])
            data = data[end + 4 :]
            if head.status == 100:
                continue
            return head, data
        if len(data) > _MAX_HEAD:
            raise EngineUnavailable("the engine sent an endless response head")
        more = sock.recv(65536)
        if not more:
            raise EngineUnavailable("the engine closed the connection without an answer")
        data += more


def _parse_head(data: bytes) -> Head:
    first, *lines = data.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise EngineUnavailable("the engine's answer is not HTTP")
    headers = []
    for line in lines:
        name, separator, value = line.partition(":")
        if separator:
            headers.append((name.strip(), value.strip()))
    return Head(int(parts[1]), parts[2] if len(parts) > 2 else "", tuple(headers))


class ChunkDecoder:
    """Takes a chunked body apart, fed with whatever came; `done` after its last chunk."""

    def __init__(self) -> None:
        self._left = 0  # bytes of the present chunk still to come; its CRLF is part of the next size line
        self._line = b""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Return the payload bytes in `data`."""
        out: list[bytes] = []
        at, size = 0, len(data)
        while at < size and not self.done:
            if self._left:
                take = data[at : at + self._left]
                out.append(take)
                at += len(take)
                self._left -= len(take)
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                break
            self._size_line(self._line + data[at:end])
            self._line = b""
            at = end + 1
        return out[0] if len(out) == 1 else b"".join(out)

    def _size_line(self, line: bytes) -> None:
        text = line.strip().partition(b";")[0].strip()
        if not text:
            return  # the CRLF after a chunk
        try:
            self._left = int(text, 16)
        except ValueError:
            raise EngineUnavailable("the engine sent a broken chunk") from None
        self.done = self._left == 0


class Response:
    """An engine's answer on an open socket; close it (or use it as a context manager)."""

    def __init__(self, sock: socket.socket, head: Head, rest: bytes, *, bodiless: bool = False) -> None:
        self.socket = sock
        self.head = head
        self.status = head.status
        self._rest = rest
        self._bodiless = bodiless or head.status in (101, 204, 304)
        self.complete = False
        """Whether the body came to its own end (and not the connection before it)."""

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it comes, decoded, in blocks of any size."""
        if self._bodiless and self.status != 101:
            return
        decoder = ChunkDecoder() if self.head.chunked else None
        left = None if decoder else self.head.length
        for data in self.raw():
            if decoder:
                payload = decoder.feed(data)
                if payload:
                    yield payload
                if decoder.done:
                    self.complete = True
                    return
            else:
                yield data
                left = None if left is None else left - len(data)
            if left is not None and left <= 0:
                self.complete = True
                return

    def raw(self) -> Iterator[bytes]:
        """Yield what comes on the socket, undecoded, until its end."""
        if self._rest:
            rest, self._rest = self._rest, b""
            yield rest
        if self.head.length == 0 and not self.head.chunked and self.status != 101:
            return
        while data := self.socket.recv(BUFFER):
            yield data

    def read(self, limit: int = _MAX_JSON) -> bytes:
        """Return the whole body; EngineUnavailable if it is longer than `limit`."""
        parts, size = [], 0
        for block in self.blocks():
            parts.append(block)
            size += len(block)
            if size > limit:
                raise EngineUnavailable("the engine's answer is too long")
        return b"".join(parts)

    def json(self) -> Any:
        """Return the body as JSON."""
        try:
            return json.loads(self.read() or b"null")
        except ValueError:
            raise EngineUnavailable("the engine's answer is not JSON") from None

    def message(self) -> str:
        """Return an error answer's text, Docker's `{"message"}` unpacked."""
        text = self.read(1 << 20).decode("utf-8", "replace").strip()
        try:
            value = json.loads(text)
        except ValueError:
            return text or self.head.reason
        return str(value["message"]) if isinstance(value, dict) and "message" in value else text

    def close(self) -> None:
        """Close the connection; a greenlet that reads it sees its end."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
