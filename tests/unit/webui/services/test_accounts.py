"""Accounts on a real (SQLite) database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from sqlalchemy import select, update

from webui.access import Role
from webui.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated, WebError
from webui.models.database import Database, migrate
from webui.models.tables import SESSIONS, SETUP, TOKENS, USERS
from webui.services.accounts import Accounts, Client
from webui.services.attempts import Attempts
from webui.services.teams import Teams
from webui.services.tokens import Tokens

HERE = Client("127.0.0.1", "test")
GOOD = "correct horse"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("db") / "web.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "web.db"
    path.write_bytes(template.read_bytes())
    opened = Database(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture
def accounts(database: Database) -> Accounts:
    made = Accounts(database, Attempts())
    made.ensure_default_team()
    return made


def admin(accounts: Accounts) -> str:
    return accounts.setup(accounts.new_setup_token(), "root", GOOD)


def test_setup_makes_an_administrator_who_owns_the_default_team(accounts: Accounts) -> None:
    assert accounts.setup_required()
    actor = accounts.actors([admin(accounts)]).popitem()[1]
    assert (actor.name, actor.admin, actor.roles) == ("root", True, {"default": Role.OWNER})
    assert not accounts.setup_required()


def test_the_setup_token_works_once(accounts: Accounts) -> None:
    token = accounts.new_setup_token()
    accounts.setup(token, "root", GOOD)
    with pytest.raises(Conflict):
        accounts.setup(token, "other", GOOD)


def test_a_new_setup_token_voids_the_old_one(accounts: Accounts) -> None:
    old = accounts.new_setup_token()
    accounts.new_setup_token()
    with pytest.raises(Forbidden):
        accounts.setup(old, "root", GOOD)


def test_of_many_who_set_up_at_once_one_wins(accounts: Accounts, database: Database) -> None:
    token = accounts.new_setup_token()
    jobs = [gevent.spawn(accounts.setup, token, f"root{n}", GOOD) for n in range(4)]
    gevent.joinall(jobs)
    refused = [job.exception for job in jobs if not job.successful()]
    assert len(refused) == 3
    assert all(isinstance(error, WebError) and error.status in (403, 409) for error in refused)
    assert len(database.read(select(USERS.c.id))) == 1


def token_of(accounts: Accounts, database: Database, user: str) -> tuple[str, Any]:
    return Tokens(database, accounts.changed).create(accounts.actors([user])[user], "ci", 30, {})


def test_no_secret_is_stored(accounts: Accounts, database: Database) -> None:
    token = accounts.new_setup_token()
    user = accounts.setup(token, "root", GOOD)
    session = accounts.open_session(user, HERE)
    personal, _ = token_of(accounts, database, user)
    stored = repr([database.read(select(table)) for table in (SETUP, SESSIONS, TOKENS, USERS)])
    assert all(secret not in stored for secret in (token, session, personal, GOOD))
    assert "$argon2id$" in stored


def test_unknown_user_and_wrong_password_are_told_the_same(accounts: Accounts) -> None:
    admin(accounts)
    texts = set()
    for name, password in (("root", "wrong password"), ("nobody", GOOD)):
        with pytest.raises(Unauthenticated) as refused:
            accounts.sign_in(name, password, HERE)
        texts.add(refused.value.message)
    assert len(texts) == 1


def test_names_have_no_case_at_sign_in(accounts: Accounts) -> None:
    admin_id = admin(accounts)
    assert accounts.sign_in("ROOT", GOOD, HERE) == admin_id


def test_guessing_is_slowed_down(accounts: Accounts) -> None:
    admin(accounts)
    for _ in range(8):
        with pytest.raises(Unauthenticated):
            accounts.sign_in("root", "wrong password", HERE)
    with pytest.raises(TooMany):
        accounts.sign_in("root", GOOD, HERE)


def test_a_disabled_user_is_nobody_at_once(accounts: Accounts, database: Database) -> None:
    user = admin(accounts)
    session, (token, _) = accounts.open_session(user, HERE), token_of(accounts, database, user)
    database.write(update(USERS).values(disabled=True))
    assert accounts.by_session(session) is None
    assert accounts.by_token(token) is None
    with pytest.raises(Unauthenticated):
        accounts.sign_in("root", GOOD, HERE)


def test_signing_in_again_replaces_the_session(accounts: Accounts) -> None:
    user = admin(accounts)
    first = accounts.open_session(user, HERE)
    known = accounts.by_session(first)
    assert known
    second = accounts.open_session(user, HERE, replaces=known.credential)
    assert accounts.by_session(first) is None
    assert accounts.by_session(second)


def test_a_session_expires_and_dies_of_disuse(accounts: Accounts, database: Database) -> None:
    user = admin(accounts)
    secret = accounts.open_session(user, HERE)
    database.write(update(SESSIONS).values(last_seen_ms=SESSIONS.c.last_seen_ms - 8 * 86_400_000))
    assert accounts.by_session(secret) is None
    secret = accounts.open_session(user, HERE)
    database.write(update(SESSIONS).values(expires_ms=0))
    assert accounts.by_session(secret) is None


def test_a_session_is_ended_by_its_user_only(accounts: Accounts) -> None:
    user, other = admin(accounts), accounts.create_user("bob", GOOD)
    secret = accounts.open_session(user, HERE)
    session_id = accounts.sessions(user)[0].id
    with pytest.raises(NotFound):
        accounts.end_session(other, session_id)
    assert accounts.by_session(secret)
    accounts.end_session(user, session_id)
    assert accounts.by_session(secret) is None


def test_taking_a_role_away_is_told_and_seen(accounts: Accounts, database: Database) -> None:
    teams = Teams(database, accounts.changed)
    user = accounts.create_user("bob", GOOD)
    told: list[int] = []
    accounts.on_change(lambda: told.append(1))
    teams.put_member("default", user, Role.DEPLOYER, (), force=True)
    assert accounts.actors([user])[user].roles == {"default": Role.DEPLOYER}
    teams.remove_member("default", user, force=True)
    assert accounts.actors([user])[user].roles == {}
    assert len(told) == 2


@pytest.mark.parametrize(("name", "password"), [("", GOOD), ("a\nb", GOOD), ("x" * 65, GOOD), ("ann", "short")])
def test_bad_names_and_passwords_are_refused(accounts: Accounts, name: str, password: str) -> None:
    with pytest.raises(Invalid):
        accounts.create_user(name, password)


def test_a_name_is_taken_whatever_its_case(accounts: Accounts) -> None:
    accounts.create_user("Bob", GOOD)
    with pytest.raises(Conflict):
        accounts.create_user("bOB", GOOD)
