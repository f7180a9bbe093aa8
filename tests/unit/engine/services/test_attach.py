from __future__ import annotations

import threading
from collections import deque

import pytest

from engine.errors import NotFound
from engine.runtime.base import Attachment
from engine.services.attach import AttachPoints


class Echo:
    """An `Attachment` that gives back what was sent, then the end."""

    def __init__(self) -> None:
        self.sent: deque[bytes] = deque()
        self.closed = False
        self.stdin_closed = False

    def recv(self) -> tuple[int, bytes] | None:
        return (1, self.sent.popleft()) if self.sent else None

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def close_stdin(self) -> None:
        self.stdin_closed = True

    def close(self) -> None:
        self.closed = True


def test_a_source_waits_for_the_start_and_misses_nothing() -> None:
    points, streams = AttachPoints(), Echo()
    source = points.wait_for("c")
    got: list[tuple[int, bytes] | None] = []
    reader = threading.Thread(target=lambda: got.extend([source.recv(), source.recv()]))
    reader.start()
    assert got == []
    streams.send(b"first byte")
    points.open("c", lambda: streams)
    reader.join(5)
    assert got == [(1, b"first byte"), None]


def test_every_waiting_source_gets_a_connection_of_its_own() -> None:
    points = AttachPoints()
    sources = [points.wait_for("c"), points.wait_for("c")]
    made: list[Echo] = []

    def attach() -> Attachment:
        made.append(Echo())
        return made[-1]

    points.open("c", attach)
    for source in sources:
        source.close()
    assert [echo.closed for echo in made] == [True, True]


def test_a_failed_start_ends_the_sources() -> None:
    points = AttachPoints()
    source = points.wait_for("c")
    points.abandon("c")
    assert source.recv() is None
    source.send(b"dropped")
    source.close_stdin()


def test_a_source_that_was_closed_is_not_joined() -> None:
    points = AttachPoints()
    points.wait_for("c").close()
    points.open("c", lambda: pytest.fail("nobody waits"))


def test_a_source_whose_connection_fails_ends_and_the_failure_is_told() -> None:
    points = AttachPoints()
    source = points.wait_for("c")

    def refuse() -> Attachment:
        raise NotFound("no monitor")

    with pytest.raises(NotFound):
        points.open("c", refuse)
    assert source.recv() is None
