"""An exchange without a socket: for tests of handlers and routes."""

from __future__ import annotations

import io
import json as json_module
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.api.router import App, Hijacked, Reply, Route
from engine.values import Surface
from tests.contract.api import shapes


class PipeEnd:
    """A hijacked connection: what the client sends is given, what it is sent is kept."""

    def __init__(self, incoming: bytes = b"") -> None:
        self._incoming = io.BytesIO(incoming)
        self.sent = bytearray()
        self.write_closed = False
        self.closed = False

    def recv(self, size: int = 65536) -> bytes:
        return self._incoming.read(size)

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def shutdown_write(self) -> None:
        self.write_closed = True

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeExchange:
    """One request, as the server would hand it up."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default_factory=io.BytesIO)
    surface: Surface = Surface.ADMIN
    pipe: PipeEnd = field(default_factory=PipeEnd)
    content_type: str = ""
    gone: list[Callable[[], None]] = field(default_factory=list)

    def hijack(self, content_type: str) -> Hijacked:
        self.content_type = content_type
        return self.pipe

    def take(self, head: bytes) -> Hijacked:
        self.pipe.sendall(head)
        return self.pipe

    def on_gone(self, callback: Callable[[], None]) -> None:
        self.gone.append(callback)


@dataclass(frozen=True)
class Answer:
    """A reply read to its end."""

    status: int
    body: bytes
    headers: dict[str, str]
    exchange: FakeExchange

    @property
    def json(self) -> Any:
        return json_module.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json_module.loads(line) for line in self.body.splitlines()]

    @property
    def message(self) -> str:
        return str(self.json["message"])


def ask(
    routes: list[Route],
    method: str,
    target: str,
    *,
    json: Any = None,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    surface: Surface = Surface.ADMIN,
    pipe: PipeEnd | None = None,
    checked: bool = True,
) -> Answer:
    """Send one request to the routes and read the whole reply; its shape is checked against the API's definition."""
    folded = {name.lower(): value for name, value in (headers or {}).items()}
    if json is not None:
        body = json_module.dumps(json).encode()
        folded.setdefault("content-type", "application/json")
    path, _, query = target.partition("?")
    exchange = FakeExchange(method, path, query, folded, io.BytesIO(body), surface, pipe or PipeEnd())
    answer = read(App(routes, 1 << 20)(exchange), exchange)
    if checked and answer.status != 101:
        sent = b"" if method == "HEAD" else answer.body
        wrong = shapes.problems(method, path, answer.status, sent)
        assert not wrong, wrong
    return answer


def read(reply: Reply, exchange: FakeExchange) -> Answer:
    """Return a reply's content."""
    content = reply.body
    if not isinstance(content, bytes):
        content = b"".join(content)
    return Answer(reply.status, content, dict(reply.headers), exchange)
