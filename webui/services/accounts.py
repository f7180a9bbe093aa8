"""Accounts: the one-time setup, sign-in, sessions, personal tokens; who a cookie or a token stands for.

Secrets are stored as digests and leave this module once. A session lives 30 days, or 7 without use.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, insert, select, update

from config.contract import DEFAULT_NAMESPACE
from webui import secrets
from webui.access import Actor, Role
from webui.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from webui.models.database import Database
from webui.models.tables import MEMBERSHIPS, SESSIONS, SETUP, TEAMS, USERS
from webui.services import tokens
from webui.services.attempts import Attempts
from webui.times import now_ms

_DAY_MS = 86_400_000
SESSION_MS = 30 * _DAY_MS
_IDLE_MS = 7 * _DAY_MS
_SEEN_EVERY_MS = 60_000
_WRONG = "wrong name or password"
_MIN_PASSWORD, _MAX_PASSWORD = 10, 512


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from: address and user agent."""

    address: str
    agent: str


class Accounts:
    """Users and their credentials."""

    def __init__(self, database: Database, attempts: Attempts) -> None:
        self._db = database
        self._attempts = attempts
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a session, token or role is taken away (live streams are checked again)."""
        self._listeners.append(listener)

    def setup_required(self) -> bool:
        """Return whether no administrator exists yet."""
        return self._db.one(select(USERS.c.id).where(USERS.c.admin).limit(1)) is None

    def new_setup_token(self) -> str:
        """Make the one-time setup token (an older unused one is void) and return it."""
        token = secrets.new_secret()
        row = {"id": 1, "secret_hash": secrets.digest(token), "created_ms": now_ms(), "used_ms": None}
        with self._db.begin() as connection:
            connection.execute(delete(SETUP))
            connection.execute(insert(SETUP), row)
        return token

    def setup(self, token: str, name: str, password: str) -> str:
        """Use the setup token: make the first administrator, owner of the default team; return the user's id.

        Conflict once an administrator exists, Forbidden for a wrong token. Of two at once, one wins.
        """
        if not self.setup_required():
            raise Conflict("Berth is already set up")
        name = _check_name(name)
        _check_password(password)
        used = (SETUP.c.id == 1, SETUP.c.used_ms.is_(None), SETUP.c.secret_hash == secrets.digest(token))
        if self._db.one(select(SETUP.c.id).where(*used)) is None:
            raise Forbidden("the setup link is not valid (any more); a new one is printed at the next start")
        hashed = secrets.hash_password(password)
        with self._db.begin() as connection:
            if not connection.execute(update(SETUP).where(*used).values(used_ms=now_ms())).rowcount:
                raise Conflict("Berth is already set up")
            user_id = _insert_user(connection, name, hashed, admin=True)
            team = connection.execute(select(TEAMS.c.id).where(TEAMS.c.name == DEFAULT_NAMESPACE)).scalar_one()
            connection.execute(insert(MEMBERSHIPS), {"user_id": user_id, "team_id": team, "role": Role.OWNER.label})
        return user_id

    def ensure_default_team(self) -> None:
        """Make the team `default` if it is missing."""
        if self._db.one(select(TEAMS.c.id).where(TEAMS.c.name == DEFAULT_NAMESPACE)) is None:
            self._db.write(insert(TEAMS), {"id": secrets.new_id(), "name": DEFAULT_NAMESPACE, "created_ms": now_ms()})

    def create_user(self, name: str, password: str, *, admin: bool = False) -> str:
        """Make a user and return the id; Conflict if the name is taken."""
        name = _check_name(name)
        _check_password(password)
        hashed = secrets.hash_password(password)
        with self._db.begin() as connection:
            taken = connection.execute(select(USERS.c.id).where(USERS.c.name_key == name.casefold())).first()
            if taken:
                raise Conflict(f"the name {name!r} is taken", field="name")
            return _insert_user(connection, name, hashed, admin=admin)

    def sign_in(self, name: str, password: str, client: Client) -> str:
        """Check the password and return the user's id; Unauthenticated with one text for every reason, or TooMany."""
        self._attempts.check(client.address, name)
        row = self._db.one(
            select(USERS.c.id, USERS.c.password_hash, USERS.c.disabled).where(USERS.c.name_key == name.casefold())
        )
        matches = secrets.verify_password(row.password_hash if row else None, password[:_MAX_PASSWORD])
        if not matches or row.disabled:
            self._attempts.failed(client.address, name)
            raise Unauthenticated(_WRONG)
        self._attempts.succeeded(client.address, name)
        return str(row.id)

    def open_session(self, user_id: str, client: Client, replaces: str = "") -> str:
        """Make a session and return its secret, for the cookie; the session `replaces` (an id) ends."""
        secret, now = secrets.new_secret(), now_ms()
        row = {
            "id": secrets.new_id(),
            "secret_hash": secrets.digest(secret),
            "user_id": user_id,
            "created_ms": now,
            "last_seen_ms": now,
            "expires_ms": now + SESSION_MS,
            "address": client.address[:64],
            "agent": client.agent[:255],
        }
        with self._db.begin() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_ms < now))
            if replaces:
                connection.execute(delete(SESSIONS).where(SESSIONS.c.id == replaces))
            connection.execute(insert(SESSIONS), row)
        if replaces:
            self.changed()
        return secret

    def by_session(self, secret: str) -> Actor | None:
        """Return who a session cookie stands for, or None."""
        now = now_ms()
        row = self._db.one(
            select(SESSIONS.c.id, SESSIONS.c.user_id, SESSIONS.c.last_seen_ms).where(
                SESSIONS.c.secret_hash == secrets.digest(secret), *_alive(now)
            )
        )
        if row is None:
            return None
        if row.last_seen_ms < now - _SEEN_EVERY_MS:
            self._db.write(update(SESSIONS).where(SESSIONS.c.id == row.id).values(last_seen_ms=now))
        actor = self.actors([row.user_id]).get(row.user_id)
        return actor and replace(actor, via="cookie", credential=row.id)

    def by_token(self, secret: str) -> Actor | None:
        """Return who a token stands for (a user, or a team), narrowed to its scope; or None."""
        row = tokens.find(self._db, secret)
        return self._of_tokens([row]).get(row.id) if row else None

    def actors(self, user_ids: list[str]) -> dict[str, Actor]:
        """Return the users who exist and aren't disabled, with what they are in their teams, by id."""
        if not user_ids:
            return {}
        rows = self._db.read(
            select(USERS.c.id, USERS.c.name, USERS.c.admin, TEAMS.c.name.label("team"), MEMBERSHIPS.c.role,
                   MEMBERSHIPS.c.rights, TEAMS.c.grants, TEAMS.c.archived_ms)
            .outerjoin_from(USERS, MEMBERSHIPS, MEMBERSHIPS.c.user_id == USERS.c.id)
            .outerjoin(TEAMS, TEAMS.c.id == MEMBERSHIPS.c.team_id)
            .where(USERS.c.id.in_(user_ids), USERS.c.disabled.is_(False))
            .order_by(MEMBERSHIPS.c.team_id)
        )  # fmt: skip
        found: dict[str, Actor] = {}
        for row in rows:
            known = found.get(row.id) or Actor(row.id, row.name, row.admin)
            found[row.id] = tokens.in_team(known, row, row.rights) if row.team else known
        return found

    def alive(self, session_ids: list[str]) -> dict[str, str]:
        """Return which of these sessions still stand: id → user's id (the check of live sockets)."""
        if not session_ids:
            return {}
        rows = self._db.read(
            select(SESSIONS.c.id, SESSIONS.c.user_id).where(SESSIONS.c.id.in_(session_ids), *_alive(now_ms()))
        )
        return {row.id: row.user_id for row in rows}

    def sessions(self, user_id: str) -> list[Any]:
        """Return the user's sessions, newest first."""
        return self._db.read(
            select(SESSIONS)
            .where(SESSIONS.c.user_id == user_id, *_alive(now_ms()))
            .order_by(SESSIONS.c.created_ms.desc())
        )

    def end_session(self, user_id: str, session_id: str) -> None:
        """End a session of this user, or raise NotFound."""
        owned = (SESSIONS.c.id == session_id, SESSIONS.c.user_id == user_id)
        if not self._db.write(delete(SESSIONS).where(*owned)):
            raise NotFound("no such session")
        self.changed()

    def refresh(self, known: list[Actor]) -> dict[tuple[str, str], Actor]:
        """Return these actors as they are now, by (via, credential); whose session or token is gone is not in it."""
        sessions = self.alive([a.credential for a in known if a.via == "cookie"])
        users = self.actors(sorted(set(sessions.values())))
        found = {
            ("cookie", key): replace(users[user_id], via="cookie", credential=key)
            for key, user_id in sessions.items()
            if user_id in users
        }
        rows = tokens.alive(self._db, [a.credential for a in known if a.via == "token"])
        return found | {("token", key): actor for key, actor in self._of_tokens(rows).items()}

    def _of_tokens(self, rows: list[Any]) -> dict[str, Actor]:
        """Return for whom each of these (living) tokens stands, by the token's id."""
        users = self.actors(sorted({row.user_id for row in rows if row.user_id}))
        found = {}
        for row in rows:
            actor = tokens.team_actor(row) if row.user_id is None else users.get(row.user_id)
            if actor:
                found[row.id] = replace(actor, via="token", credential=row.id, scope=tokens.scope_of(row))
        return found

    def changed(self) -> None:
        """Tell the listeners that a right may have been taken away."""
        for listener in self._listeners:
            listener()


def _alive(now: int) -> tuple[Any, Any]:
    return SESSIONS.c.expires_ms > now, SESSIONS.c.last_seen_ms > now - _IDLE_MS


def _insert_user(connection: Any, name: str, hashed: str, *, admin: bool) -> str:
    user_id = secrets.new_id()
    row = {
        "id": user_id,
        "name": name,
        "name_key": name.casefold(),
        "password_hash": hashed,
        "admin": admin,
        "disabled": False,
        "created_ms": now_ms(),
    }
    connection.execute(insert(USERS), row)
    return user_id


def _check_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= 64 or not all(c.isprintable() for c in name):
        raise Invalid("a name has 1 to 64 printable characters", field="name")
    return name


def _check_password(password: str) -> None:
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        raise Invalid(f"a password has at least {_MIN_PASSWORD} characters", field="password")
