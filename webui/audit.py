"""The audit record: who asked for what, from where, by which token, and how it ended; a chain that only grows.

A request is recorded before it is forwarded, and its result is a row of its own that refers to it: nothing is ever
changed. Each row's hash covers the row and the hash before it, so that an edit, a removal or an insertion shows as a
break (`verify`). Only retention takes rows away, the oldest ones, and says so in the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from webui.access import Actor, Verb
from webui.models.database import Database
from webui.models.tables import AUDIT, AUDIT_HEAD
from webui.times import now_ms, rfc3339

CHAINED = (
    "id at_ms request_id actor_id actor via token address host namespace method path verb action target outcome "
    "status ref detail"
).split()
"""The columns that a row's hash covers, in this order."""
_SECRET_WORDS = ("password", "secret", "token", "auth", "env", "credential", "recovery", "cookie")
_REMOVED = "<removed>"
_MAX_DETAIL = 4096
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """Who asked for what, from where."""

    actor: Actor | None
    verb: Verb
    method: str
    path: str
    address: str
    request_id: str = ""
    host: str = ""
    namespace: str = ""
    action: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain does not hold."""

    id: int
    reason: str


class Audit:
    """Writes the record; nothing in the product changes an entry."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._listeners: list[Callable[[Mapping[str, Any]], None]] = []

    def on_row(self, listener: Callable[[Mapping[str, Any]], None]) -> None:
        """Call `listener` with each row once it is written."""
        self._listeners.append(listener)

    def record(
        self, entry: Entry, *, allowed: bool, status: int | None = None, detail: Mapping[str, Any] | None = None
    ) -> int:
        """Write an entry and return its id. Control characters are escaped: a name can't forge a line."""
        actor = entry.actor
        row = {
            "request_id": entry.request_id,
            "actor_id": actor.id if actor else "",
            "actor": printable(actor.name)[:64] if actor else "",
            "via": actor.via if actor else "",
            "token": actor.credential if actor and actor.via == "token" else "",
            "address": printable(entry.address)[:64],
            "host": printable(entry.host)[:32],
            "namespace": printable(entry.namespace)[:64],
            "method": entry.method[:16],
            "path": printable(entry.path)[:1024],
            "verb": entry.verb.value,
            "action": printable(entry.action)[:64],
            "target": printable(entry.target)[:255],
            "outcome": "allowed" if allowed else "denied",
            "status": status,
            "ref": None,
            "detail": render_detail(detail),
        }
        return self._append(row)

    def finish(self, entry_id: int, status: int, detail: Mapping[str, Any] | None = None, target: str = "") -> None:
        """Append with which status the request was answered, and what it changed."""
        same = ("request_id", "actor_id", "actor", "via", "token", "address", "host", "namespace", "method", "path",
                "verb", "action", "target", "outcome")  # fmt: skip
        found = self._db.one(select(*(AUDIT.c[name] for name in same)).where(AUDIT.c.id == entry_id))
        if found is None:
            return
        row = {**found._mapping, "status": status, "ref": entry_id, "detail": render_detail(detail)}
        if target:
            row["target"] = printable(target)[:255]
        self._append(row)

    def verify(self) -> Break | None:
        """Return the first place where the chain does not hold, or None."""
        head = self._db.one(select(AUDIT_HEAD))
        if head is None:
            return Break(0, "the chain's head is gone")
        link, last = head.anchor, None
        for row in self._walk():
            if last is not None and row["id"] != last + 1:
                return Break(last + 1, f"entries {last + 1} to {row['id'] - 1} are missing")
            expected = link_of(link, row)
            if row["hash"] != expected:
                return Break(row["id"], "the entry was changed, or one before it was taken away")
            link, last = expected, row["id"]
        if link != head.hash or (last is not None and last != head.last):
            return Break((last or 0) + 1, f"entries after {last or 0} are missing (the head is {head.last})")
        return None

    def trim(self, before_ms: int) -> int:
        """Take away entries older than that, oldest first; what follows stays a chain. Return how many went."""
        with self._db.begin() as connection:
            _lock_head(connection)
            kept = connection.execute(
                select(AUDIT.c.id).where(AUDIT.c.at_ms >= before_ms).order_by(AUDIT.c.id).limit(1)
            ).scalar()
            gone = AUDIT.c.id < kept if kept is not None else AUDIT.c.at_ms < before_ms
            newest = connection.execute(select(AUDIT.c.hash).where(gone).order_by(AUDIT.c.id.desc()).limit(1)).scalar()
            if newest is None:
                return 0
            connection.execute(update(AUDIT_HEAD).values(anchor=newest))
            return int(connection.execute(delete(AUDIT).where(gone)).rowcount)

    def _walk(self) -> Iterator[Mapping[str, Any]]:
        last = 0
        while True:
            rows = self._db.read(select(AUDIT).where(AUDIT.c.id > last).order_by(AUDIT.c.id).limit(_BATCH))
            if not rows:
                return
            for row in rows:
                yield row._mapping
            last = rows[-1].id

    def _append(self, row: dict[str, Any]) -> int:
        with self._db.begin() as connection:
            head = _lock_head(connection)
            row = {**row, "id": head.last + 1, "at_ms": now_ms()}
            row["hash"] = link_of(head.hash, row)
            connection.execute(insert(AUDIT).values(**row))
            connection.execute(update(AUDIT_HEAD).values(last=row["id"], hash=row["hash"]))
        for listener in self._listeners:
            listener(row)
        return int(row["id"])


def _lock_head(connection: Connection) -> Any:
    """Return the head, locked until the transaction's end (SQLite locks as a whole)."""
    return connection.execute(select(AUDIT_HEAD).with_for_update()).one()


def link_of(before: str, row: Mapping[str, Any]) -> str:
    """Return a row's hash, given the one before it. Pure."""
    values = [row[name] for name in CHAINED]
    return hashlib.sha256(f"{before}\n{json.dumps(values, ensure_ascii=True)}".encode()).hexdigest()


def printable(text: str) -> str:
    """Return the text with everything escaped that could end a line, move a cursor or turn the writing round."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def render_detail(detail: Mapping[str, Any] | None) -> str:
    """Return a difference as JSON without secrets; "" for none."""
    if not detail:
        return ""
    text = json.dumps(_without_secrets(detail), ensure_ascii=True, sort_keys=True)
    return text if len(text) <= _MAX_DETAIL else json.dumps({"too_long": len(text)})


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            str(key): _REMOVED
            if any(word in str(key).lower() for word in _SECRET_WORDS) and not isinstance(item, bool)
            else _without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_secrets(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def render(row: Mapping[str, Any], status: int | None = None, detail: str = "", target: str = "") -> dict[str, Any]:
    """Return an entry (with its result's status, difference and target) as the API, exports and streams show it."""
    same = ("id", "request_id", "actor_id", "actor", "via", "token", "address", "host", "method", "path", "verb",
            "action", "outcome", "hash")  # fmt: skip
    text = detail or row["detail"]
    return {
        **{name: row[name] for name in same},
        "at": rfc3339(row["at_ms"]),
        "team": row["namespace"],
        "target": target or row["target"],
        "status": row["status"] if status is None else status,
        "detail": json.loads(text) if text else None,
    }
