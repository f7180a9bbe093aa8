"""simple-websocket made fit for streams: whole frames, one at a time, with a time limit, without deflate.

As shipped it calls `send` where a gevent socket may send a part (frames get torn), and waits for ever for a client
that stopped reading. Upstream knows of the first (simple-websocket issue 45).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import simple_websocket
from engineio.async_drivers import _websocket_wsgi
from gevent.lock import BoundedSemaphore

_SEND_S = 20.0


class _WholeFrames:
    def __init__(self, sock: Any, limit: float = _SEND_S) -> None:
        self._sock = sock
        self._one = BoundedSemaphore(1)
        self._limit = limit

    def send(self, data: bytes) -> int:
        """Send all of it, or raise OSError."""
        with self._one, gevent.Timeout(self._limit, OSError("send timed out")):
            self._sock.sendall(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Server(simple_websocket.Server):  # type: ignore[misc]
    @property
    def sock(self) -> Any:
        """The connection, wrapped."""
        return self._whole

    @sock.setter
    def sock(self, value: Any) -> None:
        self._whole = value and _WholeFrames(value)


def install() -> None:
    """Make engine.io use the fixed server; at most once a process counts."""
    _websocket_wsgi.simple_websocket = SimpleNamespace(
        Server=_Server, ConnectionClosed=simple_websocket.ConnectionClosed
    )
