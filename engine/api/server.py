"""The engine's HTTP/1.1 server: unix sockets, real threads, idle connections parked in one epoll.

The loop thread accepts, hands connections with something to read to an elastic pool, and tells active ones whose
client has gone (EPOLLHUP on a unix socket is a close, a half-close is not). TCP and TLS belong to the web tier.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from engine.api.connection import Application, Connection
from engine.api.pool import Pool
from engine.errors import Conflict, InvalidArgument
from engine.values import Surface

_BACKLOG = 1024
_MAX_PATH = 107
_IDLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
_WATCH = select.EPOLLONESHOT
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listen:
    """A socket to listen on: who comes in by it, and which file mode and group it has."""

    path: Path
    surface: Surface
    mode: int
    gid: int | None = None


class Server:
    """Serves an application on sockets; `start` returns at once, `close` ends every connection."""

    def __init__(self, application: Application, listens: tuple[Listen, ...], *, write_seconds: float = 3600) -> None:
        self._application = application
        self._listens = listens
        self._write_seconds = write_seconds
        self._pool = Pool("http")
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._listeners: dict[int, tuple[socket.socket, Listen]] = {}
        self._connections: dict[int, Connection] = {}
        self._closing = False
        self._parking = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="http-loop", daemon=True)

    def start(self) -> None:
        """Bind every socket and begin to serve; Conflict if another process serves one of them."""
        self._epoll.register(self._wake, select.EPOLLIN)
        for listen in self._listens:
            sock = _bind(listen)
            self._listeners[sock.fileno()] = (sock, listen)
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        self._thread.start()

    @property
    def busy(self) -> int:
        """The number of connections that a thread is serving."""
        return self._pool.busy

    def close(self, timeout: float = 5.0) -> None:
        """Stop accepting, end open connections, wait up to `timeout` seconds for their handlers."""
        with self._parking:
            if self._closing:
                return
            self._closing = True
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join()
        for sock, listen in self._listeners.values():
            sock.close()
            listen.path.unlink(missing_ok=True)
        for connection in list(self._connections.values()):
            connection.shut_down()
            if connection.parked:
                self.forget(connection)
                connection.sock.close()
        self._pool.close(timeout)
        if not self._connections:
            self._epoll.close()
            os.close(self._wake)

    def park(self, connection: Connection) -> bool:
        """Take an idle connection back from its worker; False when the server is closing."""
        with self._parking:
            if self._closing:
                return False
            connection.parked = True
            self._epoll.modify(connection.sock.fileno(), _IDLE)
            return True

    def watch(self, connection: Connection) -> None:
        """Have the loop call `connection.gone` when its client closes."""
        self._epoll.modify(connection.sock.fileno(), _WATCH)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that its worker is about to close."""
        self._connections.pop(connection.sock.fileno(), None)

    def _run(self) -> None:
        while not self._closing:
            accepting = []
            for fd, _ in self._epoll.poll():
                if fd in self._listeners:
                    accepting.append(fd)
                elif (connection := self._connections.get(fd)) is not None:
                    self._on_event(connection)
            # Last, so that no event of this round meets a new connection with a reused descriptor.
            for fd in accepting:
                self._accept(*self._listeners[fd])

    def _on_event(self, connection: Connection) -> None:
        if connection.parked:
            connection.parked = False
            self._pool.submit(connection.serve)
        else:
            connection.gone()

    def _accept(self, listener: socket.socket, listen: Listen) -> None:
        try:
            sock, _ = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                _log.error("cannot accept a connection: %s", error)
                time.sleep(0.05)
            return
        sock.setblocking(True)
        connection = Connection(sock, listen.surface, self._application, self, self._write_seconds)
        self._connections[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), _WATCH)
        self._pool.submit(connection.serve)


def _bind(listen: Listen) -> socket.socket:
    path = listen.path
    if len(os.fsencode(path)) > _MAX_PATH - 4:
        raise InvalidArgument(f"the path of the socket is too long (at most {_MAX_PATH - 4} bytes): {path}")
    if _is_served(path):
        raise Conflict(f"another process already listens on {path}")
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.bind(str(fresh))
        # Nobody can connect before listen(): no moment with a wider mode.
        fresh.chmod(listen.mode)
        if listen.gid is not None:
            os.chown(fresh, -1, listen.gid)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
        fresh.replace(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True
