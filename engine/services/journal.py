"""Reading the journal: what has happened, and what happens from now on, without gap or double between the two.

A reader subscribes to the bus first and reads the table then; what it has seen from the table it skips on the bus, by
sequence number. Where the bus had to drop events for it (it was too slow), it reads them from the table as well.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from config.contract import ALL_NAMESPACES
from engine.clock import now_ns
from engine.events import Bus, Event, Subscription
from engine.storage.db import Database
from engine.storage.models import JOURNAL
from engine.values import Scope

_PAGE = 500
_ALL = (
    JOURNAL.c.seq,
    JOURNAL.c.time_ns,
    JOURNAL.c.namespace,
    JOURNAL.c.type,
    JOURNAL.c.action,
    JOURNAL.c.actor_id,
    JOURNAL.c.by,
    JOURNAL.c.attributes,
)


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """Which events: after a sequence number, between two times (0: no bound), those that match."""

    since_seq: int | None = None
    since_ns: int = 0
    until_ns: int = 0
    matches: Callable[[Event], bool] = lambda event: True

    @property
    def wants_past(self) -> bool:
        """Whether anything before now is asked for."""
        return self.since_seq is not None or self.since_ns > 0 or self.until_ns > 0


class Journal:
    """The events that a caller may see."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus

    def bounds(self) -> tuple[int, int]:
        """Return the sequence numbers of the oldest and the newest event kept; (0, 0) when there are none."""
        row = self._database.read(select(func.min(JOURNAL.c.seq), func.max(JOURNAL.c.seq)))[0]
        return int(row[0] or 0), int(row[1] or 0)

    def read(self, scope: Scope, query: JournalQuery, limit: int = 0) -> list[Event]:
        """Return events of the past, oldest first, at most `limit` of them (0: all)."""
        found: list[Event] = []
        for event in self.past(scope, query):
            found.append(event)
            if limit and len(found) >= limit:
                break
        return found

    def follow(self, scope: Scope, query: JournalQuery) -> EventStream:
        """Return the events of the past that the query wants, and then those that happen, until its end."""
        subscription = self._bus.subscribe()
        return EventStream(self, scope, query, subscription)

    def past(self, scope: Scope, query: JournalQuery, after: int = 0) -> Iterator[Event]:
        """Yield events with a number above `after` that exist in the table, page by page."""
        last = max(after, query.since_seq or 0)
        while True:
            page = self._page(scope, query, last)
            for event in page:
                last = event.seq
                if query.matches(event):
                    yield event
            if len(page) < _PAGE:
                return

    def _page(self, scope: Scope, query: JournalQuery, last: int) -> list[Event]:
        statement = select(*_ALL).where(JOURNAL.c.seq > last).order_by(JOURNAL.c.seq).limit(_PAGE)
        if query.since_ns:
            statement = statement.where(JOURNAL.c.time_ns >= query.since_ns)
        if query.until_ns:
            statement = statement.where(JOURNAL.c.time_ns <= query.until_ns)
        if scope.namespace != ALL_NAMESPACES:
            statement = statement.where(JOURNAL.c.namespace == scope.namespace)
        return [_event(row) for row in self._database.read(statement)]


class EventStream:
    """An iteration over events; `close` from any thread ends it."""

    def __init__(self, journal: Journal, scope: Scope, query: JournalQuery, subscription: Subscription) -> None:
        self._journal = journal
        self._scope = scope
        self._query = query
        self._subscription = subscription
        self._closed = threading.Event()

    def close(self) -> None:
        """End the stream; its iteration stops at once, also while it waits."""
        self._closed.set()
        self._subscription.close()

    def __iter__(self) -> Iterator[Event]:
        try:
            yield from self._events()
        finally:
            self.close()

    def _events(self) -> Iterator[Event]:
        last = 0
        if self._query.wants_past:
            for event in self._journal.past(self._scope, self._query):
                last = event.seq
                yield event
        skipped = 0
        while (event_now := self._next()) is not None:
            if self._subscription.skipped != skipped:
                skipped = self._subscription.skipped
                for event in self._journal.past(self._scope, self._query, last):
                    last = event.seq
                    yield event
            if event_now.seq > last:
                last = event_now.seq
                if self._is_wanted(event_now):
                    yield event_now

    def _next(self) -> Event | None:
        """Return the next event of the bus, None at the end of the query or of the stream."""
        until = self._query.until_ns
        while not self._closed.is_set():
            wait = (until - now_ns()) / 1e9 if until else None
            if wait is not None and wait <= 0:
                return None
            event = self._subscription.get(wait)
            if event is None:
                if self._subscription.closed:
                    return None
                continue
            return event if not until or event.time_ns <= until else None
        return None

    def _is_wanted(self, event: Event) -> bool:
        return (
            self._scope.sees(event.namespace)
            and event.seq > (self._query.since_seq or 0)
            and event.time_ns >= self._query.since_ns
            and self._query.matches(event)
        )


def _event(row: Any) -> Event:
    return Event(
        seq=row[0],
        time_ns=row[1],
        namespace=row[2],
        type=row[3],
        action=row[4],
        actor_id=row[5],
        by=row[6],
        attributes=json.loads(row[7]),
    )
