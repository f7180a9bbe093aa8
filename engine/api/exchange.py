"""One request as the application sees it, and the connection that a handler may take over."""

from __future__ import annotations

import fcntl
import socket
import termios
import time
from collections.abc import Callable
from typing import BinaryIO

from engine.api.body import Body, Inlet
from engine.api.errors import ClientGone
from engine.api.head import Head
from engine.api.render import fixed_fields
from engine.api.router import Hijacked
from engine.errors import InvalidArgument
from engine.values import Surface

_DRAIN = 65536
"""How much of a body that no handler wanted is read to keep the connection."""
_UPGRADE_STEP_SECONDS = 0.0005
_UPGRADE_SECONDS = 0.05


class Request:
    """The exchange that the application sees (`router.Exchange`)."""

    __slots__ = (
        "_body",
        "_head",
        "_inlet",
        "_sock",
        "_watch",
        "headers",
        "method",
        "path",
        "query",
        "surface",
        "taken",
    )

    def __init__(
        self,
        sock: socket.socket,
        inlet: Inlet,
        head: Head,
        surface: Surface,
        watch: Callable[[Callable[[], None]], None],
    ) -> None:
        self._sock = sock
        self._inlet = inlet
        self._watch = watch
        self._head = head
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self.headers = head.headers
        self.surface = surface
        self.taken = False
        wants_continue = head.minor == 1 and "expect" in head.headers and not inlet.buffer
        self._body = Body(inlet, head.length, self._send_continue if wants_continue else None)

    @property
    def body(self) -> BinaryIO:
        """The body, read as it arrives."""
        return self._body  # type: ignore[return-value]  # RawIOBase is a BinaryIO in all but typeshed

    @property
    def body_done(self) -> bool:
        """Whether nothing of the body is left to come."""
        return self._body.done

    def _send_continue(self) -> None:
        self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def is_drained(self) -> bool:
        """Read what is left of a small body; say whether the next request can follow."""
        body = self._body
        if body.done:
            return True
        if body.broken or not body.asked or self._head.length > _DRAIN:
            return False
        left = _DRAIN
        try:
            while left > 0 and not body.done:
                left -= len(body.read(left))
        except InvalidArgument:
            return False
        return body.done

    def hijack(self, content_type: str) -> Hijacked:
        """Send 101 (or 200 without an upgrade) and hand over the connection; see `Call.hijack`."""
        upgrade = self._head.upgrade
        first = "HTTP/1.1 101 UPGRADED" if upgrade else "HTTP/1.1 200 OK"
        extra = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else "Connection: close\r\n"
        head = f"{first}\r\nContent-Type: {content_type}\r\n{extra}{fixed_fields()}\r\n"
        return self.take(head.encode("latin-1"))

    def take(self, head: bytes) -> Hijacked:
        """Send this head and hand over the connection; see `Call.take`."""
        self.taken = True
        self._sock.sendall(head)
        return Taken(self._sock, self._inlet)

    def on_gone(self, callback: Callable[[], None]) -> None:
        """See `Call.on_gone`."""
        self._watch(callback)


class Taken:
    """A hijacked connection. One thread may receive while another sends.

    docker-py reads the head with a buffered reader and loses what came with it in one recv: so the first data waits
    until the client has read the head (the socket's send queue is empty), 50 ms at most.
    """

    __slots__ = ("_fresh", "_inlet", "_sock")

    def __init__(self, sock: socket.socket, inlet: Inlet) -> None:
        self._sock = sock
        self._inlet = inlet
        self._fresh = True

    def recv(self, size: int = 65536) -> bytes:
        """Return what the client sent, b"" at the end of it."""
        try:
            return self._inlet.some(size)
        except ConnectionError:
            return b""

    def sendall(self, data: bytes) -> None:
        """Send everything; ClientGone if the client has closed or has stopped reading for too long."""
        if self._fresh:
            self._fresh = False
            _wait_sent(self._sock)
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise ClientGone("client has closed or stopped reading") from error

    def shutdown_write(self) -> None:
        """Tell the client that no more comes, and go on receiving."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        """End both directions; wakes a thread that is receiving. The connection's worker frees the socket.

        What the client sent and nobody read is taken out: else the kernel tells it of a reset, and it misses the end.
        """
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
            while self._sock.recv(65536, socket.MSG_DONTWAIT):
                pass
        except OSError:
            pass


def _wait_sent(sock: socket.socket) -> None:
    deadline = time.monotonic() + _UPGRADE_SECONDS
    queued = bytearray(4)
    while time.monotonic() < deadline:
        fcntl.ioctl(sock, termios.TIOCOUTQ, queued)
        if not any(queued):
            return
        time.sleep(_UPGRADE_STEP_SECONDS)
