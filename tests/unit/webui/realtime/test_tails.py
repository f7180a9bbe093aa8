"""A tail's memory: what it can give by position and by count, and what it no longer can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Queue

from webui.client.logblocks import Chunk
from webui.errors import EngineRefused
from webui.realtime import tails
from webui.realtime.tails import Tail, grouped


class FakeResponse:
    """A stream that says what the test puts into it; None is its proper end, False a broken one."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self.complete = False

    def __enter__(self) -> FakeResponse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blocks(self) -> Iterator[bytes]:
        for data in self._engine.queue:
            if data is False:
                return
            yield data
        self.complete = True

    def close(self) -> None:
        self._engine.closed.set()


class FakeEngine:
    """Answers the one request of a tail."""

    def __init__(self) -> None:
        self.queue: Any = Queue()
        self.closed = Event()
        self.asked: list[Any] = []

    def stream(self, _method: str, _path: str, query: Any) -> FakeResponse:
        self.asked.append(query)
        if query["id"] == "nosuch":
            raise EngineRefused(404, "No such container: nosuch")
        return FakeResponse(self)

    def say(self, text: str, position: int, **more: int) -> None:
        """Send a block."""
        data = text.encode() + (b"\n" if text else b"")
        head = {"position": position, "lines": data.count(b"\n"), "bytes": len(data), **more}
        self.queue.put(json.dumps(head).encode() + b"\n" + data)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    monkeypatch.setattr(tails, "_BATCH_S", 0.0)
    return FakeEngine()


@pytest.fixture
def tail(engine: FakeEngine) -> Iterator[Tail]:
    made = Tail(engine, "c1")  # type: ignore[arg-type]
    engine.say("", 100)
    assert made.ready.wait(5)
    yield made
    made.close()


def settle(tail: Tail, position: int) -> None:
    """Wait until the tail is there."""
    with gevent.Timeout(5):
        while tail.position < position:
            gevent.sleep(0)


def test_it_begins_where_the_log_ended(tail: Tail, engine: FakeEngine) -> None:
    assert (tail.start, tail.position, tail.knows(100), tail.knows(99)) == (100, 100, True, False)
    assert engine.asked == [{"id": "c1", "tail": "0", "follow": "1"}]
    assert tail.last(1) is None


def test_what_it_keeps_is_given_by_position_and_by_count(tail: Tail, engine: FakeEngine) -> None:
    heard: list[Chunk] = []
    tail.listen(heard.append)
    engine.say("oa\nob", 150)
    engine.say("oc", 175, skipped=2)
    settle(tail, 175)
    assert heard == [Chunk("oa\nob", 2, 150), Chunk("oc", 1, 175, 2)]
    assert tail.after(100, 175) == heard
    assert tail.after(150, 175) == heard[1:]
    assert [chunk.text for chunk in tail.last(2) or ()] == ["ob", "oc"]
    assert tail.last(4) is None
    assert list(grouped(heard)) == [Chunk("oa\nob\noc", 3, 175, 2)]
    tail.leave(heard.append)


def test_it_forgets_the_oldest(tail: Tail, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "_KEEP_LINES", 3)
    for number in range(5):
        engine.say(f"o{number}", 110 + number)
        settle(tail, 110 + number)
    assert (tail.start, tail.knows(100), tail.knows(111)) == (111, False, True)
    assert [chunk.text for chunk in tail.chunks] == ["o2", "o3", "o4"]


@pytest.mark.parametrize(("end", "error"), [(StopIteration, ""), (False, "the engine went away")], ids=["end", "break"])
def test_its_end_is_told_apart_from_a_broken_connection(tail: Tail, engine: FakeEngine, end: Any, error: str) -> None:
    engine.queue.put(end)
    assert tail.done.wait(5)
    assert tail.error == error


def test_no_such_container_is_an_error_and_ready() -> None:
    tail = Tail(FakeEngine(), "nosuch")  # type: ignore[arg-type]
    assert tail.ready.wait(5)
    assert tail.done.wait(5)
    assert "No such container: nosuch" in tail.error


def test_closing_wakes_all_who_wait(tail: Tail) -> None:
    tail.close()
    assert tail.done.is_set()
