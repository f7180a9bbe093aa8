"""What waits for a slow client, bounded by its kind: newest only, merged rows, or a ring that counts what it lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Protocol

Payload = dict[str, Any]
_RING_LINES = 20_000
_RING_BYTES = 16 << 20
_FRAME_BYTES = 256 * 1024
_RING_EVENTS = 2_000


class Pending(Protocol):
    """Frames that did not fit into a client's window. `take` gives the next frame to send, or None."""

    def add(self, payload: Payload) -> None:
        """Keep what the frame says."""

    def take(self) -> Payload | None:
        """Return one frame, or None if nothing waits."""


class Newest:
    """Only the newest frame counts (usage)."""

    def __init__(self) -> None:
        self._payload: Payload | None = None

    def add(self, payload: Payload) -> None:
        """Replace."""
        self._payload = payload

    def take(self) -> Payload | None:
        """Return it once."""
        payload, self._payload = self._payload, None
        return payload


class Merged:
    """Rows by id: many changes of one row are one; a snapshot makes what waited void."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._rows: dict[str, Any] = {}
        self._removed: dict[str, None] = {}
        self._full = False
        self._rest: Payload = {}
        self._waiting = False

    def add(self, payload: Payload) -> None:
        """Merge."""
        self._waiting = True
        if "snapshot" in payload:
            self._full, self._rows, self._removed = True, {}, {}
        for row in payload.get("snapshot") or payload.get("upsert") or ():
            self._rows[row[self._key]] = row
            self._removed.pop(row[self._key], None)
        for row_id in payload.get("remove") or ():
            self._rows.pop(row_id, None)
            self._removed[row_id] = None
        self._rest = {k: v for k, v in payload.items() if k not in ("snapshot", "upsert", "remove")}

    def take(self) -> Payload | None:
        """Return everything as one frame."""
        if not self._waiting:
            return None
        rows, removed, full, rest = list(self._rows.values()), list(self._removed), self._full, self._rest
        self._rows, self._removed, self._full, self._waiting = {}, {}, False, False
        return {"snapshot": rows, **rest} if full else {"upsert": rows, "remove": removed, **rest}


class Lines:
    """A ring of text lines; what falls out is counted and told with the next frame."""

    def __init__(self, lines: int = _RING_LINES, size: int = _RING_BYTES) -> None:
        self._blocks: deque[tuple[str, int, Any]] = deque()
        self._lines = self._bytes = self._skipped = 0
        self._max_lines, self._max_bytes = lines, size

    def add(self, payload: Payload) -> None:
        """Keep the lines; the oldest go first."""
        text = payload["lines"]
        count = text.count("\n") + 1
        self._skipped += payload.get("skipped", 0)
        self._blocks.append((text, count, payload.get("position")))
        self._lines += count
        self._bytes += len(text)
        while len(self._blocks) > 1 and (self._lines > self._max_lines or self._bytes > self._max_bytes):
            lost, lost_count, _ = self._blocks.popleft()
            self._lines -= lost_count
            self._bytes -= len(lost)
            self._skipped += lost_count

    def take(self) -> Payload | None:
        """Return the oldest lines, as many as make a frame."""
        if not self._blocks:
            return None
        taken: list[str] = []
        size = 0
        while self._blocks and (not taken or size + len(self._blocks[0][0]) <= _FRAME_BYTES):
            text, count, position = self._blocks.popleft()
            taken.append(text)
            size += len(text)
            self._lines -= count
            self._bytes -= len(text)
        skipped, self._skipped = self._skipped, 0
        told = {} if position is None else {"position": position}
        return {"lines": "\n".join(taken), **told, **({"skipped": skipped} if skipped else {})}


class Parts:
    """A ring of parts of several logs; what falls out is counted for its log (`skipped`: number to lines)."""

    def __init__(self, lines: int = _RING_LINES, size: int = _RING_BYTES) -> None:
        self._parts: deque[tuple[dict[str, Any], int]] = deque()
        self._lines = self._bytes = 0
        self._max_lines, self._max_bytes = lines, size
        self._skipped: Counter[str] = Counter()
        self._rest: list[Payload] = []

    def add(self, payload: Payload) -> None:
        """Keep the parts; the oldest go first. What is told of the logs themselves is never lost."""
        self._skipped.update(payload.get("skipped", {}))
        if told := {name: value for name, value in payload.items() if name not in ("parts", "skipped")}:
            self._rest.append(told)
        for part in payload.get("parts", ()):
            count = part["lines"].count("\n") + 1
            self._parts.append((part, count))
            self._lines += count
            self._bytes += len(part["lines"])
        while len(self._parts) > 1 and (self._lines > self._max_lines or self._bytes > self._max_bytes):
            part, count = self._take()
            self._skipped[str(part["n"])] += count

    def take(self) -> Payload | None:
        """Return what is told of logs, then the oldest parts, as many as make a frame."""
        if self._rest:
            return self._rest.pop(0)
        if not self._parts:
            return None
        parts: list[dict[str, Any]] = []
        size = 0
        while self._parts and (not parts or size + len(self._parts[0][0]["lines"]) <= _FRAME_BYTES):
            part, _ = self._take()
            size += len(part["lines"])
            parts.append(part)
        skipped, self._skipped = dict(self._skipped), Counter()
        return {"parts": parts, **({"skipped": skipped} if skipped else {})}

    def _take(self) -> tuple[dict[str, Any], int]:
        part, count = self._parts.popleft()
        self._lines -= count
        self._bytes -= len(part["lines"])
        return part, count


class EventRing:
    """A ring of events."""

    def __init__(self) -> None:
        self._events: deque[Mapping[str, Any]] = deque()
        self._skipped = 0

    def add(self, payload: Payload) -> None:
        """Keep the events; the oldest go first."""
        self._events.extend(payload["events"])
        while len(self._events) > _RING_EVENTS:
            self._events.popleft()
            self._skipped += 1

    def take(self) -> Payload | None:
        """Return all as one frame."""
        if not self._events:
            return None
        events, skipped = list(self._events), self._skipped
        self._events.clear()
        self._skipped = 0
        return {"events": events, **({"skipped": skipped} if skipped else {})}
