"""Containers, images: a list kept equal to the engine's, told as a snapshot and then as differences.

An event makes the rows it names be listed again, at the earliest 15 ms after it (a burst is one list) and at most
ten times a second. Every 30 s all rows are compared: texts like "Up 3 minutes" age without an event. Docker tells an
event before its list knows (`die`), so rows of a host that isn't ours are listed once more a moment later.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import Event

from webui.errors import WebError
from webui.realtime.feed import DockerEvent, Feeds
from webui.realtime.hub import Hub, Source
from webui.realtime.pending import Merged, Payload
from webui.services.hosts import Hosts

_DEBOUNCE_S = 0.015
_LEAST_GAP_S = 0.1
_COMPARE_S = 30.0
_RETRY_S = 0.5
_ECHO_S = 0.4
_MAX_NAMED = 50
_HISTORY = 500
_SILENT = ("exec_", "top", "attach", "detach", "resize", "archive-path", "export", "copy")


@dataclass(frozen=True, slots=True)
class Listing:
    """Which list: the call, and which rows an event concerns (None: all of them, empty: none)."""

    topic: str
    path: str
    query: dict[str, Any]
    concerns: Callable[[DockerEvent], Iterable[str] | None]


def _container_rows(event: DockerEvent) -> Iterable[str] | None:
    actor = event.get("Actor") or {}
    if event.get("Type") == "container":
        return () if str(event.get("Action", "")).startswith(_SILENT) else (str(actor.get("ID", "")),)
    if event.get("Type") == "network":
        named = (actor.get("Attributes") or {}).get("container")
        return (str(named),) if named else ()
    return ()


def _image_rows(event: DockerEvent) -> Iterable[str] | None:
    if event.get("Type") == "image" or (event.get("Type") == "container" and event.get("Action") == "commit"):
        return None
    return ()


LISTINGS = {
    "containers": Listing("containers", "/containers/json", {"all": "1"}, _container_rows),
    "images": Listing("images", "/images/json", {}, _image_rows),
}


class ListSource(Source):
    """The rows of one list, of one host and namespace."""

    def __init__(
        self, hub: Hub, key: Hashable, listing: Listing, hosts: Hosts, feeds: Feeds, at: tuple[str, str]
    ) -> None:
        super().__init__(hub, key)
        self._listing, self._hosts, self._feeds = listing, hosts, feeds
        self._host, self._namespace = at
        self._rows: dict[str, Any] = {}
        self._loaded = False
        self._seq = time.time_ns() // 1_000_000  # never one that a former source has given out
        self._history: deque[tuple[int, frozenset[str]]] = deque(maxlen=_HISTORY)
        self._named: set[str] = set()
        self._echo: set[str] = set()
        self._all = True
        self._due = Event()

    def start(self) -> None:
        """Listen, then run."""
        self._feeds.listen(self._host, self._namespace, self)
        super().start()

    def run(self) -> None:
        """Follow events; list when one concerns us."""
        while True:
            if not self._due.wait(_COMPARE_S):
                self._all = True
            if not self._connected():
                self._due.clear()
                continue
            gevent.sleep(_DEBOUNCE_S)
            self._due.clear()
            started = time.monotonic()
            try:
                self._refresh()
            except (WebError, OSError):
                self._all = True
                gevent.spawn_later(_RETRY_S, self._due.set)
            gevent.sleep(max(0.0, _LEAST_GAP_S - _DEBOUNCE_S - (time.monotonic() - started)))

    def close(self) -> None:
        """Stop listening."""
        self._feeds.leave(self._host, self._namespace, self)

    def pending(self) -> Merged:
        """Return the rows that wait for a slow client."""
        return Merged("Id")

    def first(self) -> Iterable[Payload]:
        """Return the whole list, once there is one."""
        return [{"snapshot": list(self._rows.values()), "seq": self._seq}] if self._loaded else []

    def since(self, seq: int) -> Iterable[Payload]:
        """Return what changed since `seq`, or the whole list if that is too long ago."""
        if not self._loaded or seq > self._seq or not self._history or seq < self._history[0][0] - 1:
            return [{"upsert": [], "remove": [], "seq": seq}] if self._loaded and seq == self._seq else self.first()
        ids: set[str] = set()
        for at, changed in self._history:
            if at > seq:
                ids |= changed
        rows = [self._rows[i] for i in ids if i in self._rows]
        return [{"upsert": rows, "remove": [i for i in ids if i not in self._rows], "seq": self._seq}]

    def connected(self) -> None:
        """List everything: what happened before is unknown."""
        self._all = True
        self._due.set()

    def events(self, batch: list[DockerEvent]) -> None:
        """Note which rows to list again."""
        for event in batch:
            rows = self._listing.concerns(event)
            if rows is None:
                self._all = True
            elif rows := [row for row in rows if row]:
                self._named.update(rows)
            else:
                continue
            self._due.set()

    def disconnected(self, reason: str) -> None:
        """Keep the rows: they are the last that is known; host health tells the rest."""

    def _list_again(self, ids: set[str]) -> None:
        self._echo |= ids
        self._named |= ids
        self._due.set()

    def _connected(self) -> bool:
        return self._all or bool(self._named)

    def _refresh(self) -> None:
        named, every = self._named, self._all or len(self._named) > _MAX_NAMED
        fresh, self._echo = named - self._echo, set()
        self._named, self._all = set(), False
        if fresh and not self._hosts.get(self._host).isolated:
            gevent.spawn_later(_ECHO_S, self._list_again, fresh)
        query = dict(self._listing.query)
        if not every:
            query["filters"] = json.dumps({"id": sorted(named)})
        engine = self._hosts.watcher(self._host, self._namespace)
        listed = {row["Id"]: row for row in engine.call("GET", self._listing.path, query)}
        gone = (set(self._rows) if every else named & set(self._rows)) - set(listed)
        changed = {row_id: row for row_id, row in listed.items() if self._rows.get(row_id) != row}
        for row_id in gone:
            del self._rows[row_id]
        self._rows.update(changed)
        if not self._loaded:
            self._loaded = True
            self.publish({"snapshot": list(self._rows.values()), "seq": self._seq})
        elif changed or gone:
            self._seq += 1
            self._history.append((self._seq, frozenset(changed) | frozenset(gone)))
            self.publish({"upsert": list(changed.values()), "remove": sorted(gone), "seq": self._seq})
