"""One HTTP request as the engine gateway sees it: head and raw socket of a pywsgi handler, answers written by hand."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from webui.errors import Invalid

_BLOCK = 65536


class Exchange:
    """A request that is answered on the raw socket."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self.method: str = handler.command
        raw: str = handler.path
        self.path, _, self.query = raw.partition("?")
        self.socket: socket.socket = handler.socket
        self.address = handler.client_address[0] if isinstance(handler.client_address, tuple) else ""
        self.http11: bool = handler.request_version == "HTTP/1.1"
        self.chunked = self.header("Transfer-Encoding").lower() == "chunked"
        self.length = int(handler.content_length or 0)

    def header(self, name: str) -> str:
        """Return a request header, or an empty text; several of one name are refused."""
        values = self._handler.headers.get_all(name, [])
        if len(values) > 1:
            raise Invalid(f"more than one {name} header")
        return str(values[0]).strip() if values else ""

    def headers(self) -> list[tuple[str, str]]:
        """Return all request headers."""
        return [(str(name), str(value).strip()) for name, value in self._handler.headers.items()]

    def body(self) -> Iterator[bytes]:
        """Yield the request's body; `100 Continue` goes out at the first read, if the client waits for it."""
        stream = self._handler.wsgi_input
        while block := stream.read(_BLOCK):
            yield block

    def after_body(self) -> bytes:
        """Return what the client sends after its request (an upgraded stream); empty at its end."""
        return bytes(self._handler.rfile.read1(_BLOCK))

    def begin(self, status: int, reason: str, headers: list[tuple[str, str]], *, keep_alive: bool) -> None:
        """Send the answer's head."""
        self._handler.headers_sent = True
        self._handler.status, self._handler.code = f"{status} {reason}".encode("latin-1", "replace"), status
        if not keep_alive:
            self._handler.close_connection = True
            if status != 101:
                headers = [*headers, ("Connection", "close")]
        elif self._handler.close_connection:
            headers = [*headers, ("Connection", "close")]
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
        self.send("\r\n".join(lines).encode("latin-1", "replace"))

    def send(self, data: bytes) -> None:
        """Send bytes of the answer."""
        self.socket.sendall(data)
        self._handler.response_length += len(data)

    def answer(self, status: int, value: Any, headers: Mapping[str, str] | None = None, *, keep: bool = False) -> None:
        """Send a JSON answer as a whole."""
        body = json.dumps(value).encode() + b"\n"
        named = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        self.begin(status, HTTPStatus(status).phrase, list(named.items()), keep_alive=keep)
        if self.method != "HEAD":
            self.send(body)

    def abandon(self) -> None:
        """Let the connection end after this answer; what is left of the request's body is not read."""
        self._handler.close_connection = True
        self._handler.wsgi_input.chunked_input = False
        self._handler.wsgi_input.content_length = 0
