"""A build's log: every event with its time, kept in a file of the build's folder and followed live.

    builds/<build id>/log       one JSON object a line, as `BuildEvent`

While the build runs its events are in memory, too; the output that is kept is bounded, and says so where it ends.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.build.events import BuildEvent
from engine.clock import now_ns

OUTPUT_LIMIT = 16 << 20
"""Characters of output that are kept of one build."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Steps that ended well, and how many of them came from the cache."""

    done: int
    cached: int


class BuildLog:
    """One running build's log; every method from any thread."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", errors="surrogateescape")
        self._events: list[BuildEvent] = []
        self._changed = threading.Condition()
        self._closed = False
        self._room = OUTPUT_LIMIT

    def add(self, kind: str, step: int = 0, **data: Any) -> BuildEvent:
        """Record an event and wake who follows."""
        with self._changed:
            if kind == "output":
                data = self._bounded(data)
            event = BuildEvent(len(self._events) + 1, now_ns(), kind, step, data)
            if data or kind != "output":
                self._events.append(event)
                self._file.write(render(event) + "\n")
                self._changed.notify_all()
        return event

    def follow(self) -> Iterator[BuildEvent]:
        """Yield every event from the first, until the log is closed."""
        at = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda at=at: len(self._events) > at or self._closed)  # type: ignore[misc]
                found = self._events[at:]
                if not found:
                    return
            yield from found
            at += len(found)

    def counts(self) -> Counts:
        """Return how many steps are over."""
        with self._changed:
            states = [event.data["state"] for event in self._events if event.kind == "end"]
        return Counts(sum(state in ("done", "cached") for state in states), states.count("cached"))

    def wake(self) -> None:
        """Write what is buffered."""
        with self._changed:
            self._file.flush()

    def close(self) -> None:
        """End the log."""
        with self._changed:
            self._closed = True
            self._file.close()
            self._changed.notify_all()

    def _bounded(self, data: Mapping[str, Any]) -> dict[str, Any]:
        text = data["text"]
        if self._room <= 0:
            return {}
        self._room -= len(text)
        if self._room <= 0:
            text += "\n[output above the limit is not kept]\n"
        return {**data, "text": text}


def as_json(event: BuildEvent) -> dict[str, Any]:
    """Return an event as it stands in the log."""
    head: dict[str, Any] = {"seq": event.seq, "time": event.time_ns, "kind": event.kind}
    return {**head, **({"step": event.step} if event.step else {}), **event.data}


def render(event: BuildEvent) -> str:
    """Return an event as one line of JSON."""
    return json.dumps(as_json(event), separators=(",", ":"))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a log file; none where there is none; a line cut off by a crash ends it."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    return
    except FileNotFoundError:
        return
