"""Ending requests from another thread: an upload that is given up must not wait for a registry that says nothing."""

from __future__ import annotations

import socket
import threading
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from engine.errors import Unavailable

_current = threading.local()


class Lines:
    """The connections of one job. `close` from any thread ends what is under way; nothing can be asked afterwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._held: dict[int, HTTPConnection] = {}

    def __enter__(self) -> None:
        """Until the block's end this thread's requests are the job's."""
        _current.lines = self

    def __exit__(self, *_: object) -> None:
        """End the block."""
        _current.lines = None
        with self._lock:
            self._held.pop(threading.get_ident(), None)

    def close(self) -> None:
        """End all requests under way: their senders see a broken connection."""
        with self._lock:
            self._closed = True
            for connection in self._held.values():
                try:
                    if connection.sock:
                        connection.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def hold(self, connection: HTTPConnection) -> None:
        """Note that this thread is about to use a connection."""
        with self._lock:
            if self._closed:
                raise Unavailable("context canceled")
            self._held[threading.get_ident()] = connection


class _HttpConnection(HTTPConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        _hold(self)
        super().request(*arguments, **options)


class _HttpsConnection(HTTPSConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        _hold(self)
        super().request(*arguments, **options)


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


POOLS = {"http": _HttpPool, "https": _HttpsPool}
"""For `PoolManager.pool_classes_by_scheme`: connections that `Lines` know."""


def _hold(connection: HTTPConnection) -> None:
    lines: Lines | None = getattr(_current, "lines", None)
    if lines is not None:
        lines.hold(connection)
