"""The client of one engine, for one caller: whom the engine hears of is fixed when it is made."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from config.contract import HEADER_ACTOR, HEADER_GRANTS, HEADER_NAMESPACE, HEADER_REQUEST_ID
from webui.client.wire import Response, read_head
from webui.errors import EngineRefused, EngineUnavailable

_CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom we name to the engine: the team's namespace, the user, what they may ask of the host."""

    namespace: str
    actor: str
    grants: str = ""

    def headers(self, request_id: str = "") -> list[tuple[str, str]]:
        """Return the headers that only the engine's local sockets believe."""
        named = [(HEADER_NAMESPACE, self.namespace), (HEADER_ACTOR, _ascii(self.actor)), (HEADER_GRANTS, self.grants)]
        if request_id:
            named.append((HEADER_REQUEST_ID, request_id))
        return [(name, value) for name, value in named if value]


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode().replace("\r", "").replace("\n", "")


def connect(url: str) -> socket.socket:
    """Open a connection to an engine's address (`unix:///path`); EngineUnavailable if nobody answers."""
    path = url.removeprefix("unix://")
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(_CONNECT_S)
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise EngineUnavailable(f"the engine at {url} does not answer: {error.strerror or error}") from error
    sock.settimeout(None)
    return sock


class Engine:
    """Requests to one engine in the name of one caller."""

    def __init__(self, url: str, caller: Caller) -> None:
        self.url = url
        self._caller = caller

    def open(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_connected: Callable[[socket.socket], None] | None = None,
    ) -> Response:
        """Send a request and return the answer once its head is there, whatever its status.

        `on_connected` gets the socket before anything is sent: closing it ends the call, wherever it waits.
        """
        payload = b"" if body is None else json.dumps(body).encode()
        target = f"{path}?{urlencode(query)}" if query else path
        lines = [f"{method} {target} HTTP/1.1", "Host: berth"]
        named = dict(headers or {})
        named.setdefault("Connection", "close")
        if body is not None:
            named["Content-Type"] = "application/json"
        if payload or method in ("POST", "PUT"):
            named["Content-Length"] = str(len(payload))
        lines += [f"{name}: {value}" for name, value in [*named.items(), *self._caller.headers()]]
        sock = connect(self.url)
        try:
            if on_connected:
                on_connected(sock)
            sock.settimeout(timeout)
            sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + payload)
            head, rest = read_head(sock)
        except OSError as error:
            sock.close()
            raise EngineUnavailable(f"the engine at {self.url} went away: {error}") from error
        except BaseException:
            sock.close()
            raise
        return Response(sock, head, rest, bodiless=method == "HEAD")

    def stream(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        on_connected: Callable[[socket.socket], None] | None = None,
    ) -> Response:
        """Open a stream; EngineRefused with the engine's own status and text if it is an error."""
        response = self.open(method, path, query, on_connected=on_connected)
        if response.status >= 400:
            with response:
                raise EngineRefused(response.status, response.message())
        return response

    def call(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, timeout: float = 60.0
    ) -> Any:
        """Return the JSON answer (None if there is none) of a short request."""
        try:
            with self.open(method, path, query, body, timeout=timeout) as response:
                if response.status >= 400:
                    raise EngineRefused(response.status, response.message())
                text = response.read()
        except OSError as error:
            raise EngineUnavailable(f"the engine at {self.url} went away: {error}") from error
        try:
            return json.loads(text) if text.strip() else None
        except ValueError:
            return None

    def hijack(self, path: str, body: Any) -> Response:
        """POST with an upgrade to a raw stream (exec start, attach); the socket is then ours in both directions."""
        response = self.open("POST", path, body=body, headers={"Connection": "Upgrade", "Upgrade": "tcp"})
        if response.status not in (101, 200):
            with response:
                raise EngineRefused(response.status, response.message())
        return response
