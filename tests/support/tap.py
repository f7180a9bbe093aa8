"""A relay between the web tier and a real engine: records the heads of requests, can stall and can be gone.

One thread for everything, so that a test which opens a stream leaves no thread of ours behind.
"""

from __future__ import annotations

import select
import selectors
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = 1 << 18


@dataclass(eq=False)
class _End:
    """One side of a relayed connection; `out` is what its peer's bytes wait in."""

    sock: socket.socket
    peer: _End | None = None
    head: bytes | None = b""
    """A client's request head while it is read; None once it is known."""
    out: bytearray = field(default_factory=bytearray)
    read_ended: bool = False
    write_ended: bool = False


class EngineTap:
    """Listens on `path`, relays each connection to `engine`."""

    def __init__(self, path: Path, engine: Path) -> None:
        self.path, self._engine = path, engine
        self.heads: list[str] = []
        self.stalled = ""
        """Requests whose first line has this text go nowhere (their connection stays open)."""
        self._clients: set[_End] = set()
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._wanted = True
        self._closed = False
        self._listener: socket.socket | None = None
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.start()

    def start(self) -> None:
        """Be there."""
        self._tell(wanted=True)

    def stop(self) -> None:
        """Be gone: no new connection, the present ones cut."""
        self._tell(wanted=False)

    def close(self) -> None:
        """Be gone for good."""
        self._closed = True
        self._tell(wanted=False)
        self._thread.join(5)
        self._selector.close()
        self._wake.close()
        self._waker.close()

    @property
    def connections(self) -> int:
        """How many connections of the web tier are open."""
        return len(self._clients)

    def count(self, text: str) -> int:
        """How many requests had this text in their first line."""
        return sum(text in head.partition("\r\n")[0] for head in list(self.heads))

    def last(self, text: str) -> str:
        """Return the head of the newest request with this text in its first line."""
        return next(head for head in reversed(self.heads) if text in head.partition("\r\n")[0])

    def _tell(self, *, wanted: bool) -> None:
        self._changed.clear()
        self._wanted = wanted
        self._waker.send(b"x")
        assert self._changed.wait(5), "the tap hangs"

    def _run(self) -> None:
        while True:
            for key, events in self._selector.select():
                if key.data is None:
                    self._wake.recv(100)
                    self._follow_wish()
                    if self._closed:
                        return
                elif key.data is self:
                    self._accept()
                elif key.data.sock.fileno() >= 0:  # not closed by an earlier event of this round
                    self._move(key.data, events)

    def _follow_wish(self) -> None:
        if self._wanted and self._listener is None:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.path))
            self.path.chmod(0o666)
            self._listener.listen(64)
            self._selector.register(self._listener, selectors.EVENT_READ, self)
        elif not self._wanted and self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            self.path.unlink(missing_ok=True)
            for client in list(self._clients):
                self._cut(client)
        self._changed.set()

    def _accept(self) -> None:
        assert self._listener
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        client = _End(sock)
        self._clients.add(client)
        self._selector.register(sock, selectors.EVENT_READ, client)

    def _move(self, end: _End, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                del end.out[: end.sock.send(end.out)]
            if events & selectors.EVENT_READ:
                self._read(end)
            self._settle(end)
        except OSError:
            self._cut(end)

    def _read(self, end: _End) -> None:
        data = end.sock.recv(_BLOCK)
        if not data:
            end.read_ended = True
            if end.peer is None or (end in self._clients and _gone(end.sock)):
                raise OSError("gone")
        elif end.head is not None and end in self._clients:
            end.head += data
            if b"\r\n\r\n" in end.head:
                self._begin(end, end.head)
        elif end.peer:
            end.peer.out += data

    def _begin(self, client: _End, data: bytes) -> None:
        client.head = None
        head = data.partition(b"\r\n\r\n")[0].decode("latin-1")
        self.heads.append(head)
        if self.stalled and self.stalled in head.partition("\r\n")[0]:
            return
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(self._engine))
        except OSError:
            sock.close()
            raise
        sock.setblocking(False)
        client.peer = _End(sock, peer=client, head=None, out=bytearray(data))
        self._selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, client.peer)

    def _settle(self, end: _End) -> None:
        """Pass ends on, and wait for what each side can do next."""
        both = (end, end.peer) if end.peer else (end,)
        for side in both:
            if side.peer and side.peer.read_ended and not side.out and not side.write_ended:
                side.write_ended = True
                side.sock.shutdown(socket.SHUT_WR)
        if all(side.read_ended and side.write_ended for side in both) and end.peer:
            self._cut(end)
            return
        for side in both:
            wants_more = not side.read_ended and not (side.peer and len(side.peer.out) > 4 * _BLOCK)
            events = (selectors.EVENT_READ if wants_more else 0) | (selectors.EVENT_WRITE if side.out else 0)
            known = side.sock in self._selector.get_map()
            if events and known:
                self._selector.modify(side.sock, events, side)
            elif events:
                self._selector.register(side.sock, events, side)
            elif known:
                self._selector.unregister(side.sock)

    def _cut(self, end: _End) -> None:
        for side in (end, end.peer):
            if side is None:
                continue
            self._clients.discard(side)
            if side.sock.fileno() >= 0:
                if side.sock in self._selector.get_map():
                    self._selector.unregister(side.sock)
                side.sock.close()


def _gone(sock: socket.socket) -> bool:
    """Return whether the other side has closed altogether, and not only for writing (unix sockets tell)."""
    poll = select.poll()
    poll.register(sock, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
