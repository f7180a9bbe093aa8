"""GET /containers/{id}/logs: parameters, content types, the client that goes away."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api import logs as api_logs
from engine.api.router import App, Route
from engine.containers.model import Config, Container, Status
from engine.errors import NotFound
from engine.services.logs import Logs
from engine.storage.paths import Paths
from engine.values import Scope
from tests.fakes.conmon_log import BASE_NS, Write, physical_lines
from tests.fakes.http import FakeExchange, ask
from tests.fakes.make import a_container

_WRITES = [
    Write("stdout", b"one\n", BASE_NS),
    Write("stderr", b"two\n", BASE_NS + 1),
    Write("stdout", b"3\n", BASE_NS + 2),
]
_BASE = BASE_NS // 10**9


@pytest.fixture
def routes(tmp_path: Path) -> Iterator[list[Route]]:
    """The route over containers `c` (running, with a log of three lines) and `t`, the same with a terminal."""
    containers: dict[str, Container] = {}
    paths = Paths(tmp_path / "data", tmp_path / "run")
    for name in ("c", "t"):
        container = a_container(id=name * 64, status=Status.RUNNING, config=Config(tty=name == "t"))
        containers[name] = containers[container.id] = container
        paths.container(container.id).mkdir(parents=True)
        paths.log(container.id).write_bytes(b"".join(physical_lines(_WRITES)))

    def get(_: Scope, reference: str) -> Container:
        if reference not in containers:
            raise NotFound(f"No such container: {reference}")
        return containers[reference]

    logs = Logs(paths, find=containers.get, reopen=lambda _: None)
    logs.start([])
    yield api_logs.routes(logs, get)
    logs.close()


def _frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", stream, len(data)) + data


ONE, TWO, THREE = _frame(1, b"one\n"), _frame(2, b"two\n"), _frame(1, b"3\n")


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("stdout=1&stderr=1", ONE + TWO + THREE),
        ("stdout=true", ONE + THREE),
        ("stderr=1&tail=all", TWO),
        ("stdout=1&tail=1", THREE),
        ("stdout=1&tail=0", b""),
        ("stdout=1&tail=-1&since=0&until=0", ONE + THREE),
        (f"stdout=1&since={_BASE}.000000001", THREE),
        (f"stdout=1&until={_BASE}.000000001", ONE),
        ("stdout=1&tail=1&timestamps=1", _frame(1, b"2023-11-14T22:13:20.000000002Z 3\n")),
        ("stdout=1&tail=1&details=1", _frame(1, b" 3\n")),
    ],
)
def test_parameters(routes: list[Route], query: str, body: bytes) -> None:
    """Each does what Docker's does."""
    answer = ask(routes, "GET", f"/containers/c/logs?{query}")
    assert answer.status == 200
    assert answer.body == body


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("", 400, "Bad parameters: you must choose at least one stream"),
        ("stdout=0&follow=1", 400, "Bad parameters: you must choose at least one stream"),
        ("stdout=1&since=yesterday", 400, 'invalid value for "since": yesterday'),
    ],
)
def test_bad_parameters(routes: list[Route], query: str, status: int, message: str) -> None:
    """The words are Docker's."""
    answer = ask(routes, "GET", f"/containers/c/logs?{query}")
    assert (answer.status, answer.message) == (status, message)


def test_an_unknown_container(routes: list[Route]) -> None:
    """Is 404."""
    assert ask(routes, "GET", "/containers/x/logs?stdout=1").status == 404


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/containers/c/logs", "application/vnd.docker.multiplexed-stream"),
        ("/v1.41/containers/c/logs", "application/vnd.docker.raw-stream"),
        ("/containers/t/logs", "application/vnd.docker.raw-stream"),
    ],
)
def test_the_content_type_tells_frames_from_a_terminal(routes: list[Route], path: str, content_type: str) -> None:
    """Since v1.42."""
    exchange = FakeExchange("GET", path, "stdout=1&stderr=1")
    reply = App(routes, 1 << 20)(exchange)
    assert reply.content_type == content_type
    body = b"".join(reply.body)  # type: ignore[arg-type]
    reply.body.close()  # type: ignore[union-attr]
    assert body == (b"one\ntwo\n3\n" if "/t/" in path else ONE + TWO + THREE)


def test_a_follower_ends_when_its_client_goes(routes: list[Route]) -> None:
    """Also while it waits for a line."""
    exchange = FakeExchange("GET", "/containers/c/logs", "stdout=1&follow=1")
    reply = App(routes, 1 << 20)(exchange)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.extend(reply.body))  # type: ignore[arg-type]
    reader.start()
    for callback in exchange.gone:
        callback()
    reader.join(5)
    assert not reader.is_alive()
    assert b"".join(got) in (b"", ONE + THREE)
    reply.body.close()  # type: ignore[union-attr]
