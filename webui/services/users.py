"""Users as a platform administrator sees them: listed, disabled, made administrators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, func, select, update

from webui.errors import Conflict, NotFound
from webui.models.database import Database
from webui.models.tables import MEMBERSHIPS, SESSIONS, TEAMS, USERS
from webui.times import rfc3339


class Users:
    """All users; `changed` is called when a right may have been taken away."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._db = database
        self._changed = changed

    def list_(self) -> list[dict[str, Any]]:
        """Return every user by name, with their teams and when they were last seen."""
        seen = select(func.max(SESSIONS.c.last_seen_ms)).where(SESSIONS.c.user_id == USERS.c.id).correlate(USERS)
        rows = self._db.read(select(USERS, seen.scalar_subquery().label("seen")).order_by(USERS.c.name_key))
        teams: dict[str, list[dict[str, str]]] = {}
        joined = select(MEMBERSHIPS.c.user_id, MEMBERSHIPS.c.role, TEAMS.c.name).join_from(
            MEMBERSHIPS, TEAMS, TEAMS.c.id == MEMBERSHIPS.c.team_id
        )
        for row in self._db.read(joined.order_by(TEAMS.c.name)):
            teams.setdefault(row.user_id, []).append({"name": row.name, "role": row.role})
        return [
            {
                "id": row.id,
                "name": row.name,
                "admin": row.admin,
                "disabled": row.disabled,
                "created": rfc3339(row.created_ms),
                "last_seen": rfc3339(row.seen),
                "teams": teams.get(row.id, []),
            }
            for row in rows
        ]

    def get(self, user_id: str) -> dict[str, Any]:
        """Return one user, or raise NotFound."""
        found = next((user for user in self.list_() if user["id"] == user_id), None)
        if found is None:
            raise NotFound("no such user")
        return found

    def change(self, user_id: str, *, admin: bool | None = None, disabled: bool | None = None) -> None:
        """Disable or enable a user, make them an administrator or not; Conflict for the last administrator.

        A disabled user's sessions end; their tokens stop to work and come back with them.
        """
        values = {key: value for key, value in (("admin", admin), ("disabled", disabled)) if value is not None}
        with self._db.begin() as connection:
            if not connection.execute(select(USERS.c.id).where(USERS.c.id == user_id)).first():
                raise NotFound("no such user")
            if values:
                connection.execute(update(USERS).where(USERS.c.id == user_id).values(**values))
            left = connection.execute(select(func.count()).where(USERS.c.admin, USERS.c.disabled.is_(False)))
            if not left.scalar_one():
                raise Conflict("this is the last administrator; make another one first")
            if disabled:
                connection.execute(delete(SESSIONS).where(SESSIONS.c.user_id == user_id))
        self._changed()
