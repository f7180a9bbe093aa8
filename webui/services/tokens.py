"""Tokens: personal ones and a team's own; scoped, expiring, their secrets stored as digests and shown once.

A personal token is its user, narrowed to its scope. A team's token is nobody's: it has a role in one team, at most
deployer, and outlives the member who made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update

from webui import secrets
from webui.access import Actor, Right, Role, TokenScope, Verb
from webui.errors import Conflict, Invalid, NotFound
from webui.models.database import Database
from webui.models.tables import TEAMS, TOKENS
from webui.times import now_ms

_DAY_MS = 86_400_000
_SEEN_EVERY_MS = 60_000
_MAX_DAYS = 366
_MAX_TOKENS = 100
SCOPE_VERBS = frozenset(verb.value for verb in Verb) - {Verb.PUBLIC, Verb.SELF, Verb.CREDENTIALS}
"""What a token can be narrowed to."""
Scope = Mapping[str, list[str]]


class Tokens:
    """Makes and removes tokens; `changed` is called when one is taken away."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._db = database
        self._changed = changed

    def of_user(self, user_id: str) -> list[Any]:
        """Return the user's tokens (never their secrets), newest first."""
        return self._db.read(select(TOKENS).where(TOKENS.c.user_id == user_id).order_by(TOKENS.c.created_ms.desc()))

    def of_team(self, team: str) -> list[Any]:
        """Return the team's own tokens, newest first."""
        return self._db.read(_with_team().where(TEAMS.c.name == team).order_by(TOKENS.c.created_ms.desc()))

    def create(self, actor: Actor, name: str, days: int, scope: Scope) -> tuple[str, Any]:
        """Make a personal token; return its secret (the only time) and its row."""
        return self._insert({"user_id": actor.id, "team_id": None, "role": None}, actor, name, days, scope)

    def create_for_team(
        self, actor: Actor, team: str, role: Role, name: str, days: int, scope: Scope
    ) -> tuple[str, Any]:
        """Make a token of the team with a role up to deployer; likewise."""
        if role > Role.DEPLOYER:
            raise Invalid("a team's token is a viewer, operator or deployer", field="role")
        team_id = self._db.one(select(TEAMS.c.id).where(TEAMS.c.name == team))
        if team_id is None:
            raise NotFound(f"no team {team!r}")
        owner = {"user_id": None, "team_id": team_id.id, "role": role.label}
        return self._insert(owner, actor, name, days, scope)

    def remove(self, user_id: str, token_id: str) -> None:
        """Remove a token of this user, or raise NotFound."""
        self._remove(TOKENS.c.id == token_id, TOKENS.c.user_id == user_id)

    def remove_of_team(self, team: str, token_id: str) -> None:
        """Remove a token of this team, or raise NotFound."""
        team_id = select(TEAMS.c.id).where(TEAMS.c.name == team).scalar_subquery()
        self._remove(TOKENS.c.id == token_id, TOKENS.c.team_id == team_id)

    def _remove(self, *which: Any) -> None:
        if not self._db.write(delete(TOKENS).where(*which)):
            raise NotFound("no such token")
        self._changed()

    def _insert(
        self, owner: dict[str, str | None], actor: Actor, name: str, days: int, scope: Scope
    ) -> tuple[str, Any]:
        if not name.strip() or len(name) > 64 or not name.isprintable():
            raise Invalid("a token needs a name of 1 to 64 printable characters", field="name")
        if not 1 <= days <= _MAX_DAYS:
            raise Invalid(f"a token lives 1 to {_MAX_DAYS} days", field="expires_days")
        if unknown := set(scope.get("verbs", ())) - SCOPE_VERBS:
            raise Invalid(f"{sorted(unknown)[0]!r} is no verb of a token", field="verbs")
        secret, now = secrets.TOKEN_PREFIX + secrets.new_secret(), now_ms()
        row = {
            **owner,
            "id": secrets.new_id(),
            "secret_hash": secrets.digest(secret),
            "name": name.strip(),
            "created_ms": now,
            "expires_ms": now + days * _DAY_MS,
            "last_used_ms": None,
            "scope": {key: sorted(set(values)) for key, values in scope.items() if values},
            "created_by": actor.name,
        }
        own = TOKENS.c.user_id == owner["user_id"] if owner["user_id"] else TOKENS.c.team_id == owner["team_id"]
        with self._db.begin() as connection:
            if connection.execute(select(func.count()).where(own)).scalar_one() >= _MAX_TOKENS:
                raise Conflict(f"{_MAX_TOKENS} tokens are the most one can have; remove one first")
            connection.execute(insert(TOKENS), row)
        return secret, self._db.one(select(TOKENS).where(TOKENS.c.id == row["id"]))


def find(database: Database, secret: str) -> Any:
    """Return the living token of this secret (its use is noted), or None."""
    now = now_ms()
    known = TOKENS.c.secret_hash == secrets.digest(secret), TOKENS.c.expires_ms > now
    row = database.one(_with_team().where(*known))
    if row is not None and (row.last_used_ms or 0) < now - _SEEN_EVERY_MS:
        database.write(update(TOKENS).where(TOKENS.c.id == row.id).values(last_used_ms=now))
    return row


def alive(database: Database, token_ids: list[str]) -> list[Any]:
    """Return which of these tokens still stand (the check of live streams)."""
    if not token_ids:
        return []
    return database.read(_with_team().where(TOKENS.c.id.in_(token_ids), TOKENS.c.expires_ms > now_ms()))


def team_actor(row: Any) -> Actor:
    """Return for whom a team's token stands."""
    return in_team(Actor(row.id, f"token:{row.name}"), row)


def scope_of(row: Any) -> TokenScope:
    """Return to what a token is narrowed."""
    return TokenScope(**{key: frozenset(row.scope.get(key, ())) for key in ("verbs", "teams", "hosts")})


def _with_team() -> Select[Any]:
    columns = (*TOKENS.c, TEAMS.c.name.label("team"), TEAMS.c.grants, TEAMS.c.archived_ms)
    return select(*columns).outerjoin_from(TOKENS, TEAMS, TEAMS.c.id == TOKENS.c.team_id)


def in_team(actor: Actor, team: Any, rights: Any = ()) -> Actor:
    """Return the actor as a member of one team more; `team` is a row of team, role, grants, archived_ms."""
    narrowed = tuple(Right(Role[r["role"].upper()], r["kind"], r["pattern"]) for r in rights or ())
    return replace(
        actor,
        roles={**actor.roles, team.team: Role[team.role.upper()]},
        rights={**actor.rights, team.team: narrowed} if narrowed else actor.rights,
        grants={**actor.grants, team.team: frozenset(team.grants)} if team.grants else actor.grants,
        archived=actor.archived | {team.team} if team.archived_ms else actor.archived,
    )
