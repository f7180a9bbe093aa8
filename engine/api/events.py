"""GET /events, and GET /berth/journal for those who were away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from engine.api import streams
from engine.api.router import Call, Reply, Route
from engine.api.wire.event import render_event
from engine.clock import now_ns, parse_when
from engine.errors import InvalidArgument
from engine.events import Event
from engine.services.event_filters import compile_filters
from engine.services.journal import JournalQuery
from engine.values import Scope

_MAX_PAGE = 10_000


class Stream(Protocol):
    """Events to come."""

    def __iter__(self) -> Iterator[Event]: ...
    def close(self) -> None: ...


class Journal(Protocol):
    """What these routes need of the service."""

    def bounds(self) -> tuple[int, int]: ...
    def read(self, scope: Scope, query: JournalQuery, limit: int = 0) -> list[Event]: ...
    def follow(self, scope: Scope, query: JournalQuery) -> Stream: ...


def routes(journal: Journal) -> list[Route]:
    """Return the routes."""

    def events(call: Call) -> Reply:
        query = _query(call)
        if query.until_ns and query.until_ns <= now_ns():
            return Reply.stream(_lines(journal.read(call.scope, query)), "application/json")
        stream = journal.follow(call.scope, query)
        call.on_gone(stream.close)
        return Reply.stream(_lines(stream), "application/json")

    def replay(call: Call) -> Reply:
        limit = call.integer("limit", 1000)
        if not 0 < limit <= _MAX_PAGE:
            raise InvalidArgument(f"limit: expected 1 to {_MAX_PAGE}")
        oldest, newest = journal.bounds()
        found = journal.read(call.scope, _query(call), limit)
        return Reply.json({"oldest": oldest, "newest": newest, "events": [render_event(event) for event in found]})

    return [Route("GET", "/events", events), Route("GET", "/berth/journal", replay)]


def _lines(events: Iterable[Event]) -> Iterator[bytes]:
    for event in events:
        yield streams.dump(render_event(event))


def _query(call: Call) -> JournalQuery:
    return JournalQuery(
        since_seq=call.optional_integer("since_seq"),
        since_ns=_when(call, "since"),
        until_ns=_when(call, "until"),
        matches=compile_filters(call.filters()),
    )


def _when(call: Call, name: str) -> int:
    text = call.text(name)
    if not text:
        return 0
    try:
        return max(parse_when(text), 1)
    except ValueError:
        raise InvalidArgument(f"{name}: invalid time: {text}") from None
