"""Teams and their members: created, titled anew, archived; roles, narrowed rights, what a team may ask of the host.

A team's name is its namespace in every engine and never changes; its title is what people read. What a member made
stays the team's when the member goes. A team always has an owner, unless a platform administrator decides otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from config.contract import GRANT_NAMES
from webui import secrets
from webui.access import KINDS, PATTERN, Actor, Role
from webui.errors import Conflict, Invalid, NotFound
from webui.models.database import Database
from webui.models.tables import MEMBERSHIPS, TEAMS, USERS
from webui.times import now_ms, rfc3339

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
_MAX_RIGHTS = 64
RightRow = Mapping[str, str]


class Teams:
    """The teams; `changed` is called when a right may have been taken away."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._db = database
        self._changed = changed

    def list_(self, actor: Actor) -> list[dict[str, Any]]:
        """Return the actor's teams, all of them to an administrator."""
        count = select(func.count()).where(MEMBERSHIPS.c.team_id == TEAMS.c.id).correlate(TEAMS).scalar_subquery()
        statement = select(TEAMS, count.label("members")).order_by(TEAMS.c.name)
        if not actor.admin:
            statement = statement.where(TEAMS.c.name.in_(sorted(actor.roles)))
        return [_render(row, row.members, actor) for row in self._db.read(statement)]

    def get(self, name: str) -> Any:
        """Return a team's row, or raise NotFound."""
        row = self._db.one(select(TEAMS).where(TEAMS.c.name == name))
        if row is None:
            raise NotFound(f"no team {name!r}")
        return row

    def create(self, name: str, title: str) -> None:
        """Make a team; Conflict if the name is, or ever was, taken."""
        if not _NAME.fullmatch(name):
            raise Invalid("a team's name has 1 to 40 of a-z, 0-9, - and _", field="name")
        title = _check_title(title)
        with self._db.begin() as connection:
            if connection.execute(select(TEAMS.c.id).where(TEAMS.c.name == name)).first():
                raise Conflict(f"the name {name!r} is taken", field="name")
            row = {"id": secrets.new_id(), "name": name, "title": title, "created_ms": now_ms()}
            connection.execute(insert(TEAMS), row)

    def rename(self, name: str, title: str) -> None:
        """Give a team another title."""
        self._update(name, title=_check_title(title))

    def archive(self, name: str, *, archived: bool) -> None:
        """Put a team to rest (its members only look), or wake it."""
        self._update(name, archived_ms=now_ms() if archived else None)

    def set_grants(self, name: str, grants: Iterable[str]) -> None:
        """Say what the team's deployers may ask of the host beyond a plain container."""
        wanted = sorted(set(grants))
        if unknown := set(wanted) - GRANT_NAMES:
            raise Invalid(f"no grant {sorted(unknown)[0]!r}", field="grants")
        self._update(name, grants=wanted)

    def members(self, name: str) -> list[dict[str, Any]]:
        """Return a team's members by name."""
        rows = self._db.read(
            select(USERS.c.id, USERS.c.name, USERS.c.disabled, MEMBERSHIPS.c.role, MEMBERSHIPS.c.rights)
            .join_from(MEMBERSHIPS, USERS, USERS.c.id == MEMBERSHIPS.c.user_id)
            .where(MEMBERSHIPS.c.team_id == self.get(name).id)
            .order_by(USERS.c.name_key)
        )
        return [
            {"id": row.id, "name": row.name, "disabled": row.disabled, "role": row.role, "rights": row.rights}
            for row in rows
        ]

    def find_user(self, name: str) -> str:
        """Return the id of the user with this name (case does not matter), or raise NotFound."""
        row = self._db.one(select(USERS.c.id).where(USERS.c.name_key == name.strip().casefold()))
        if row is None:
            raise NotFound(f"no user {name!r}", field="name")
        return str(row.id)

    def put_member(self, name: str, user_id: str, role: Role, rights: Sequence[RightRow], *, force: bool) -> str:
        """Make a user a member with this role and these rights, or change them; return the former role ("": none).

        Conflict where it would leave the team without an owner, unless forced.
        """
        checked = _check_rights(rights)
        team_id = self.get(name).id
        both = (MEMBERSHIPS.c.user_id == user_id, MEMBERSHIPS.c.team_id == team_id)
        with self._db.begin() as connection:
            if not connection.execute(select(USERS.c.id).where(USERS.c.id == user_id)).first():
                raise NotFound("no such user")
            before = connection.execute(select(MEMBERSHIPS.c.role).where(*both)).scalar()
            if before == Role.OWNER.label and role is not Role.OWNER and not force:
                _check_owner_left(connection, team_id, user_id)
            connection.execute(delete(MEMBERSHIPS).where(*both))
            row = {"user_id": user_id, "team_id": team_id, "role": role.label, "rights": checked}
            connection.execute(insert(MEMBERSHIPS), row)
        self._changed()
        return str(before or "")

    def remove_member(self, name: str, user_id: str, *, force: bool) -> None:
        """Take a member out; what they made stays. NotFound if they are none."""
        team_id = self.get(name).id
        with self._db.begin() as connection:
            if not force:
                _check_owner_left(connection, team_id, user_id)
            both = (MEMBERSHIPS.c.user_id == user_id, MEMBERSHIPS.c.team_id == team_id)
            if not connection.execute(delete(MEMBERSHIPS).where(*both)).rowcount:
                raise NotFound("no such member")
        self._changed()

    def render(self, name: str, actor: Actor) -> dict[str, Any]:
        """Return one team as the API shows it."""
        row = self.get(name)
        members = self._db.one(select(func.count()).where(MEMBERSHIPS.c.team_id == row.id))[0]
        return _render(row, members, actor)

    def _update(self, name: str, **values: Any) -> None:
        if not self._db.write(update(TEAMS).where(TEAMS.c.name == name).values(**values)):
            raise NotFound(f"no team {name!r}")
        self._changed()


def _check_owner_left(connection: Any, team_id: str, without: str) -> None:
    owners = connection.execute(
        select(MEMBERSHIPS.c.user_id).where(MEMBERSHIPS.c.team_id == team_id, MEMBERSHIPS.c.role == Role.OWNER.label)
    ).scalars()
    if set(owners) == {without}:
        raise Conflict("this is the team's last owner; make another one first")


def _check_title(title: str) -> str:
    title = title.strip()
    if len(title) > 64 or not title.isprintable():
        raise Invalid("a title has up to 64 printable characters", field="title")
    return title


def _check_rights(rights: Sequence[RightRow]) -> list[dict[str, str]]:
    if len(rights) > _MAX_RIGHTS:
        raise Invalid(f"{_MAX_RIGHTS} narrowed rights are the most a member can have", field="rights")
    for right in rights:
        if right["kind"] not in KINDS | {"*"}:
            raise Invalid(f"no kind {right['kind']!r}", field="rights")
        if not PATTERN.fullmatch(right["pattern"]):
            raise Invalid("a pattern is a name with * and ?", field="rights")
        if right["role"] not in ("operator", "deployer"):
            raise Invalid("a narrowed right is that of an operator or a deployer", field="rights")
    return [{"role": right["role"], "kind": right["kind"], "pattern": right["pattern"]} for right in rights]


def _render(row: Any, members: int, actor: Actor) -> dict[str, Any]:
    role = actor.roles.get(row.name)
    return {
        "name": row.name,
        "title": row.title or row.name,
        "created": rfc3339(row.created_ms),
        "archived": rfc3339(row.archived_ms),
        "members": members,
        "grants": row.grants,
        "role": role.label if role else None,
    }
