"""The audit record: every unsafe request, allowed or denied, before it is forwarded; its status after."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, update

from webui.access import Actor, Verb
from webui.models.database import Database
from webui.models.tables import AUDIT
from webui.times import now_ms


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


class Audit:
    """Writes the record; nothing in the product changes or removes one."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def record(self, entry: Entry, *, allowed: bool, status: int | None = None) -> int:
        """Write an entry and return its id. Control characters are escaped: a name can't forge a line."""
        actor = entry.actor
        row = {
            "at_ms": now_ms(),
            "request_id": entry.request_id,
            "actor_id": actor.id if actor else "",
            "actor": actor.name if actor else "",
            "via": actor.via if actor else "",
            "address": entry.address[:64],
            "host": entry.host[:32],
            "namespace": entry.namespace[:64],
            "method": entry.method[:16],
            "path": "".join(c if c.isprintable() else repr(c)[1:-1] for c in entry.path)[:1024],
            "verb": entry.verb.value,
            "outcome": "allowed" if allowed else "denied",
            "status": status,
        }
        with self._db.begin() as connection:
            return int(connection.execute(insert(AUDIT).values(**row).returning(AUDIT.c.id)).scalar_one())

    def finish(self, entry_id: int, status: int) -> None:
        """Note with which status the request was answered."""
        self._db.write(update(AUDIT).where(AUDIT.c.id == entry_id).values(status=status))
