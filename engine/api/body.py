"""The body of a request, read from the connection as it arrives; nothing is spooled."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from engine.api.errors import ClientGone
from engine.errors import InvalidArgument

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\Z")
_MAX_LINE = 4096
_MAX_TRAILER = 8192
_READ = 262144


class Inlet:
    """The receiving side of a connection: bytes read ahead, then the socket."""

    __slots__ = ("_recv", "buffer")

    def __init__(self, recv: Callable[[int], bytes]) -> None:
        self._recv = recv
        self.buffer = b""

    def some(self, size: int) -> bytes:
        """Return at most `size` bytes, at least one; b"" at the end."""
        if not self.buffer:
            data = self._recv(max(size, 65536))
            if len(data) <= size:
                return data
            self.buffer = data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def need(self, size: int) -> bytes:
        """Return at most `size` bytes, at least one; ClientGone at the end."""
        data = self.some(size)
        if not data:
            raise ClientGone("body ended early")
        return data

    def line(self, limit: int) -> bytes:
        """Return a line without its CRLF; InvalidArgument if it is longer than `limit` or ends otherwise."""
        while True:
            end = self.buffer.find(b"\n")
            if end >= 0:
                break
            if len(self.buffer) > limit:
                raise InvalidArgument("malformed chunked body: line too long")
            more = self._recv(65536)
            if not more:
                raise ClientGone("body ended early")
            self.buffer += more
        line, self.buffer = self.buffer[: end + 1], self.buffer[end + 1 :]
        if not line.endswith(b"\r\n") or end > limit:
            raise InvalidArgument("malformed chunked body: bad line end")
        return line[:-2]


class Body(io.RawIOBase):
    """A request body. `before_read` runs once, before the first byte is asked of the client (100-continue)."""

    def __init__(self, inlet: Inlet, length: int, before_read: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._inlet = inlet
        self._chunked = length < 0
        self._left = max(length, 0)
        self._before_read = before_read
        self._first = True
        self.done = length == 0
        """Whether the client has sent the whole body and it was read."""
        self.broken = False
        """Whether the framing was lost, so that the connection can't be used again."""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    @property
    def asked(self) -> bool:
        """Whether the client may have begun to send the body: no 100-continue is outstanding."""
        return self._before_read is None

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, b"" at the end; all of the rest if `size` is negative or None."""
        if size is None or size < 0:
            return self.readall()
        return self._some(size) if size else b""

    def readall(self) -> bytes:
        """Return the rest of the body."""
        parts = []
        while part := self._some(_READ):
            parts.append(part)
        return b"".join(parts)

    def readinto(self, target: Any) -> int:
        """Read into a buffer; return the number of bytes, 0 at the end."""
        view = memoryview(target).cast("B")
        data = self._some(len(view))
        view[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        if self.done:
            return b""
        if self._before_read is not None:
            before, self._before_read = self._before_read, None
            before()
        try:
            if self._chunked and not self._left and not self._next_chunk():
                return b""
            data = self._inlet.need(min(size, self._left))
            self._left -= len(data)
            self.done = not self._left and not self._chunked
        except (InvalidArgument, ClientGone, OSError):
            self.broken = True
            raise
        return data

    def _next_chunk(self) -> bool:
        if not self._first and self._inlet.line(2):
            raise InvalidArgument("malformed chunked body: chunk longer than its size")
        self._first = False
        match = _CHUNK.match(self._inlet.line(_MAX_LINE))
        if match is None:
            raise InvalidArgument("malformed chunked body: bad chunk size")
        self._left = int(match[1], 16)
        if self._left:
            return True
        trailer = 0
        while line := self._inlet.line(_MAX_LINE):
            trailer += len(line)
            if trailer > _MAX_TRAILER:
                raise InvalidArgument("malformed chunked body: trailer too long")
        self.done = True
        return False
