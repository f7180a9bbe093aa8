"""A relay in front of an engine's socket that checks the shape of every answer against the API's definition.

Bytes go through as they come; what went both ways on a connection is parsed when it has ended (or is cut at the end),
so a test sees the engine's own timing. Bodies over a limit and hijacked streams are let through unchecked.
"""

from __future__ import annotations

import io
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.contract.api import shapes

_KEPT = 4 << 20


class Witness:
    """Listens on `path`, relays to `engine`, keeps in `problems` what was wrong with the answers."""

    def __init__(self, path: Path, engine: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.seen: set[str] = set()
        """Method and path template of each answer that was checked."""
        self._engine = engine
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(256)
        threading.Thread(target=self._accept, name="witness", daemon=True).start()

    def close(self) -> None:
        """Cut every connection and check what they carried."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        for connection in list(self._open):
            _cut(connection)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._relay, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _relay(self, client: socket.socket) -> None:
        upstream = socket.socket(socket.AF_UNIX)
        self._open |= {client, upstream}
        asked, answered = bytearray(), bytearray()
        try:
            upstream.connect(str(self._engine))
            down = threading.Thread(target=_copy, args=(upstream, client, answered), daemon=True)
            down.start()
            _copy(client, upstream, asked)
            while down.is_alive():
                down.join(0.05)
                if _is_gone(client):
                    _cut(upstream)  # a relay that only passes the half-close on would hide the end from the engine
        except OSError:
            pass
        finally:
            for connection in (client, upstream):
                _cut(connection)
                connection.close()
            self._open -= {client, upstream}
        self._check(bytes(asked), bytes(answered))

    def _check(self, asked: bytes, answered: bytes) -> None:
        """Check each answer, in the order of the requests, as far as both were kept whole."""
        requests, answers = io.BytesIO(asked), io.BytesIO(answered)
        while request := _read_message(requests):
            method, path = request.first.split(" ")[:2]
            answer = _read_message(answers, bodyless=method == "HEAD")
            while answer and " 100 " in answer.first:
                answer = _read_message(answers)
            if answer is None or answer.headers.get("content-type", "").startswith("application/vnd.docker."):
                return
            status = int(answer.first.split(" ")[1])
            path = path.partition("?")[0]
            self.seen.add(f"{method} {shapes.template_of(path) or path}")
            found = shapes.problems(method, path, status, answer.body)
            self.problems += [problem for problem in found if problem not in self.problems]


@dataclass(frozen=True)
class _Message:
    first: str
    headers: dict[str, str]
    body: bytes


def _read_message(source: io.BytesIO, *, bodyless: bool = False) -> _Message | None:
    """Return the next request or answer; None where it was cut off."""
    first = source.readline().decode("latin-1").rstrip("\r\n")
    headers = {}
    while (line := source.readline().decode("latin-1")) not in ("", "\r\n"):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if not first or not line:
        return None
    if bodyless or " 204 " in first or " 304 " in first:
        return _Message(first, headers, b"")
    if headers.get("transfer-encoding") == "chunked":
        body = _read_chunks(source)
        return None if body is None else _Message(first, headers, body)
    length = int(headers.get("content-length", 0))
    body = source.read(length)
    return _Message(first, headers, body) if len(body) == length else None


def _read_chunks(source: io.BytesIO) -> bytes | None:
    parts = []
    while line := source.readline():
        size = int(line, 16)
        part = source.read(size + 2)
        if len(part) != size + 2:
            return None
        if not size:
            return b"".join(parts)
        parts.append(part[:-2])
    return None


def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
            if len(kept) < _KEPT:
                kept += data
        target.shutdown(socket.SHUT_WR)
    except OSError:
        _cut(source)
        _cut(target)


def _is_gone(client: socket.socket) -> bool:
    """Return whether the client has closed, not only shut down its sending side (a hang-up on unix sockets)."""
    watch = select.poll()
    watch.register(client, 0)
    return any(event & select.POLLHUP for _, event in watch.poll(0))


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


@contextmanager
def watching(path: Path, engine: Path) -> Iterator[Witness]:
    """Relay for the block; AssertionError at its end if an answer was wrong."""
    witness = Witness(path, engine)
    try:
        yield witness
    finally:
        witness.close()
    assert not witness.problems, "\n".join(witness.problems)
