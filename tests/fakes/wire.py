"""A served application and a bare client, on real unix sockets in a short path."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.api.router import App, Route
from engine.api.server import Listen, Server
from engine.values import Surface


@contextmanager
def served(routes: Sequence[Route], *, max_body: int = 1 << 20, write_seconds: float = 3600) -> Iterator[Path]:
    """Serve the routes; yields the path of the admin socket, `web.sock` is beside it."""
    with serving(routes, max_body=max_body, write_seconds=write_seconds) as (path, _):
        yield path


@contextmanager
def serving(
    routes: Sequence[Route], *, max_body: int = 1 << 20, write_seconds: float = 3600
) -> Iterator[tuple[Path, Server]]:
    """Serve the routes; yields the path of the admin socket and the server."""
    folder = Path(tempfile.mkdtemp(prefix="bt-"))
    listens = (
        Listen(folder / "engine.sock", Surface.ADMIN, 0o600),
        Listen(folder / "web.sock", Surface.WEB, 0o660, 12345),
    )
    server = Server(App(routes, max_body), listens, write_seconds=write_seconds)
    server.start()
    try:
        yield folder / "engine.sock", server
    finally:
        server.close()
        shutil.rmtree(folder)


class Client:
    """Sends bytes as they are and reads answers as far as they are framed."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(str(path))
        self.file = self.sock.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, dict[str, str], bytes]:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.send(f"{method} {path} HTTP/1.1\r\nHost: d\r\n{length}{headers}\r\n".encode() + body)
        return self.answer(method)

    def head(self) -> tuple[int, dict[str, str]]:
        first = self.file.readline()
        if not first:
            raise EOFError
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return int(first.split()[1]), headers

    def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        status, headers = self.head()
        if method == "HEAD" or status in (204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, b"".join(iter(self.chunk, b""))
        if "content-length" in headers:
            return status, headers, self.file.read(int(headers["content-length"]))
        return status, headers, self.file.read()

    def chunk(self) -> bytes:
        size = int(self.file.readline(), 16)
        data = self.file.read(size)
        assert self.file.readline() == b"\r\n"
        return data

    def is_closed(self) -> bool:
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True
