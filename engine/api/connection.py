"""One client connection: requests in, replies out, until it is parked, closed or hijacked.

A connection belongs to one worker thread while it is served and to the server's epoll loop while it is parked. The
worker alone closes it; other threads may only shut it down.
"""

from __future__ import annotations

import io
import logging
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from engine.api.body import Inlet
from engine.api.errors import ClientGone
from engine.api.exchange import Request
from engine.api.head import MAX_HEAD, BadRequest, Head, parse_head
from engine.api.render import render_head
from engine.api.router import Exchange, Reply
from engine.values import Surface

Application = Callable[[Exchange], Reply]

_LINGER_MS = 5
"""How long a worker waits for the next request before it parks the connection."""
_HEAD_SECONDS = 60
_JOIN = 65536
_log = logging.getLogger(__name__)


class Loop(Protocol):
    """What a connection needs of the server."""

    def park(self, connection: Connection) -> bool: ...
    def watch(self, connection: Connection) -> None: ...
    def forget(self, connection: Connection) -> None: ...


class Connection:
    """A socket with its read-ahead, and the request it is serving."""

    __slots__ = ("_application", "_gone", "_inlet", "_lock", "_loop", "closing", "parked", "sock", "surface")

    def __init__(
        self, sock: socket.socket, surface: Surface, application: Application, loop: Loop, write_seconds: float
    ) -> None:
        self.sock = sock
        self.surface = surface
        self.parked = False
        self.closing = False
        self._application = application
        self._loop = loop
        self._inlet = Inlet(self._receive)
        self._gone: list[Callable[[], None]] | None = None
        self._lock = threading.Lock()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(_HEAD_SECONDS))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(write_seconds))

    def serve(self) -> None:
        """Answer requests until the client pauses (then park) or is done (then close)."""
        try:
            while self._serve_one():
                if not self._inlet.buffer and not _readable(self.sock, _LINGER_MS):
                    if self._loop.park(self):
                        return
                    break
        except (ClientGone, OSError) as error:
            _log.debug("connection ended: %s", error)
        except Exception:
            _log.exception("connection failed")
        self._loop.forget(self)
        self.sock.close()

    def _serve_one(self) -> bool:
        try:
            head = self._read_head()
        except BadRequest as error:
            self._refuse(error)
            return False
        if head is None:
            return False
        expect = head.headers.get("expect", "").lower()
        if expect not in ("", "100-continue"):
            self._refuse(BadRequest("unknown expectation", 417))
            return False
        request = Request(self.sock, self._inlet, head, self.surface, self.on_gone)
        try:
            reply = self._application(request)
            if reply.taken or request.taken:
                return False
            # A stream may read the request's body still: nobody else may, and what it leaves ends the connection.
            free = request.is_drained() if isinstance(reply.body, bytes) else request.body_done
            keep = head.keep_alive and not self.closing and free
            self._send(reply, head, keep)
            if not keep and not request.body_done:
                self._linger()
            return keep
        finally:
            with self._lock:
                self._gone = None

    def _read_head(self) -> Head | None:
        inlet, deadline = self._inlet, 0.0
        while True:
            end = inlet.buffer.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
            if end >= 0:
                raw, inlet.buffer = inlet.buffer[:end], inlet.buffer[end + 4 :]
                return parse_head(raw.removeprefix(b"\r\n"))
            if len(inlet.buffer) > MAX_HEAD:
                raise BadRequest("request head is too large", 431)
            now = time.monotonic()
            deadline = deadline or now + _HEAD_SECONDS
            try:
                more = self.sock.recv(65536)
            except BlockingIOError:
                return None
            if not more:
                if inlet.buffer.strip(b"\r\n"):
                    raise BadRequest("request ended early")
                return None
            inlet.buffer += more
            if now > deadline:
                raise BadRequest("request head took too long", 408)

    def _refuse(self, error: BadRequest) -> None:
        reply = Reply.json({"message": str(error)}, error.status)
        self.sock.sendall(render_head(reply, keep=False, length=len(_bytes(reply))) + _bytes(reply))
        self._linger()

    def _linger(self) -> None:
        """Let the client read the refusal: what it still sends would else reset the connection."""
        self.sock.shutdown(socket.SHUT_WR)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(0.5))
        deadline = time.monotonic() + 2
        try:
            while time.monotonic() < deadline and self.sock.recv(65536):
                pass
        except OSError:
            pass

    def _receive(self, size: int) -> bytes:
        while True:
            try:
                return self.sock.recv(size)
            except BlockingIOError:
                continue

    def _send(self, reply: Reply, head: Head, keep: bool) -> None:
        try:
            if isinstance(reply.body, bytes):
                self._send_bytes(reply, head, keep)
            elif isinstance(reply.body, io.IOBase):
                self._send_file(reply, reply.body, head, keep)  # type: ignore[arg-type]  # a real file
            else:
                self._send_stream(reply, reply.body, head, keep)
        except BlockingIOError as error:
            raise ClientGone("client has stopped reading") from error
        finally:
            close = getattr(reply.body, "close", None)
            if close is not None:
                close()

    def _send_bytes(self, reply: Reply, head: Head, keep: bool) -> None:
        body = _bytes(reply)
        data = render_head(reply, keep=keep, length=len(body))
        if head.method != "HEAD" and body:
            data += body
        self.sock.sendall(data)

    def _send_file(self, reply: Reply, source: BinaryIO, head: Head, keep: bool) -> None:
        length = os.fstat(source.fileno()).st_size - source.tell()
        self.sock.sendall(render_head(reply, keep=keep, length=length))
        if head.method != "HEAD" and self.sock.sendfile(source) != length:
            raise ClientGone("the file became shorter")

    def _send_stream(self, reply: Reply, chunks: Iterator[bytes], head: Head, keep: bool) -> None:
        chunked = head.minor == 1
        self.sock.sendall(render_head(reply, keep=keep and chunked, length=-1 if chunked else None))
        if head.method == "HEAD":
            return
        sendall = self.sock.sendall
        for chunk in chunks:
            if not chunk:
                continue
            if not chunked:
                sendall(chunk)
            elif len(chunk) <= _JOIN:
                sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            else:
                sendall(b"%x\r\n" % len(chunk))
                sendall(chunk)
                sendall(b"\r\n")
        if chunked:
            sendall(b"0\r\n\r\n")

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Run `callback` when the client has closed; see `Call.on_gone`."""
        with self._lock:
            first, self._gone = self._gone is None, [*(self._gone or []), callback]
        if self.closing:
            self.gone()
        elif first:
            self._loop.watch(self)

    def gone(self) -> None:
        """Tell whoever waits that the client has closed the connection (or the server is closing)."""
        with self._lock:
            callbacks, self._gone = self._gone, None
        for callback in callbacks or ():
            try:
                callback()
            except Exception:
                _log.exception("on_gone failed")

    def shut_down(self) -> None:
        """End the connection from another thread: its worker sees the end and closes it."""
        self.closing = True
        self.gone()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _readable(sock: socket.socket, milliseconds: int) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(milliseconds))


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("ll", whole, int((seconds - whole) * 1_000_000))


def _bytes(reply: Reply) -> bytes:
    return reply.body if isinstance(reply.body, bytes) else b""
