"""Teams, users and tokens on a real (SQLite) database."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from tests.unit.webui.services.test_accounts import GOOD, HERE, accounts, admin, database, template  # noqa: F401
from webui.access import Actor, Resource, Right, Role, Verb, can
from webui.errors import Conflict, Invalid, NotFound
from webui.models.database import Database
from webui.models.tables import TOKENS
from webui.services.accounts import Accounts
from webui.services.hosts import caller, team_of
from webui.services.teams import Teams
from webui.services.tokens import Tokens
from webui.services.users import Users

BLUE = Resource("blue")


class Lab:
    """A team `blue` with its owner, and everything about it."""

    def __init__(self, accounts: Accounts, database: Database) -> None:  # noqa: F811
        self.accounts, self.database = accounts, database
        self.teams, self.tokens = Teams(database, accounts.changed), Tokens(database, accounts.changed)
        self.users = Users(database, accounts.changed)
        self.root = admin(accounts)
        self.teams.create("blue", "The Blues")
        self.owner = self.member("olga", Role.OWNER)

    def member(self, name: str, role: Role, rights: tuple[dict[str, str], ...] = ()) -> str:
        user = self.accounts.create_user(name, GOOD)
        self.teams.put_member("blue", user, role, rights, force=False)
        return user

    def actor(self, user: str) -> Actor:
        return self.accounts.actors([user])[user]


@pytest.fixture
def lab(accounts: Accounts, database: Database) -> Lab:  # noqa: F811
    return Lab(accounts, database)


def test_a_title_changes_and_the_name_does_not(lab: Lab) -> None:
    lab.teams.rename("blue", "Navy")
    shown = lab.teams.render("blue", lab.actor(lab.owner))
    assert (shown["name"], shown["title"], shown["members"], shown["role"]) == ("blue", "Navy", 1, "owner")
    with pytest.raises(Conflict):
        lab.teams.create("blue", "")


@pytest.mark.parametrize("name", ["", "*", "Blue", "a b", "-a", "a" * 41, "a/b", "a.b", "ä", "a\n"])
def test_a_name_that_is_no_namespace_is_refused(lab: Lab, name: str) -> None:
    with pytest.raises(Invalid):
        lab.teams.create(name, "")


def test_members_see_their_teams_and_administrators_all(lab: Lab) -> None:
    lab.teams.create("red", "")
    assert [team["name"] for team in lab.teams.list_(lab.actor(lab.owner))] == ["blue"]
    assert [team["name"] for team in lab.teams.list_(lab.actor(lab.root))] == ["blue", "default", "red"]


def test_the_last_owner_stays_unless_an_administrator_says_so(lab: Lab) -> None:
    for change in (
        lambda: lab.teams.remove_member("blue", lab.owner, force=False),
        lambda: lab.teams.put_member("blue", lab.owner, Role.VIEWER, (), force=False),
    ):
        with pytest.raises(Conflict):
            change()
    lab.teams.remove_member("blue", lab.owner, force=True)
    assert lab.actor(lab.owner).roles == {}
    with pytest.raises(NotFound):
        lab.teams.remove_member("blue", lab.owner, force=True)


def test_a_narrowed_right_is_kept_and_counts(lab: Lab) -> None:
    rights = ({"role": "operator", "kind": "container", "pattern": "web-*"},)
    user = lab.member("vera", Role.VIEWER, rights)
    assert lab.actor(user).rights == {"blue": (Right(Role.OPERATOR, "container", "web-*"),)}
    assert can(lab.actor(user), Verb.OPERATE, Resource("blue", kind="container", name="web-1"))
    for bad in ({"kind": "host"}, {"pattern": "a b"}, {"pattern": ""}, {"role": "owner"}):
        with pytest.raises(Invalid):
            lab.teams.put_member("blue", user, Role.VIEWER, ({**rights[0], **bad},), force=False)


def test_an_archived_team_only_shows_itself(lab: Lab) -> None:
    lab.teams.archive("blue", archived=True)
    assert can(lab.actor(lab.owner), Verb.VIEW, BLUE)
    assert not can(lab.actor(lab.owner), Verb.DEPLOY, BLUE)
    lab.teams.archive("blue", archived=False)
    assert can(lab.actor(lab.owner), Verb.DEPLOY, BLUE)


def test_grants_reach_the_engine_for_deployers_of_that_team_only(lab: Lab) -> None:
    operator, deployer = lab.member("otto", Role.OPERATOR), lab.member("dora", Role.DEPLOYER)
    lab.teams.set_grants("blue", ["sysctls", "binds"])
    assert caller(lab.actor(deployer), "blue").grants == "binds,sysctls"
    assert caller(lab.actor(operator), "blue").grants == ""
    assert caller(lab.actor(deployer), "default").grants == ""
    assert caller(lab.actor(lab.root), "blue").grants == "*"
    for bad in ("*", "everything"):
        with pytest.raises(Invalid):
            lab.teams.set_grants("blue", [bad])


def test_a_personal_token_is_its_user_narrowed(lab: Lab) -> None:
    secret, row = lab.tokens.create(lab.actor(lab.root), "ci", 1, {"verbs": ["view", "deploy"], "teams": ["blue"]})
    assert secret.startswith("berth_")
    actor = lab.accounts.by_token(secret)
    assert actor
    assert (actor.name, actor.via, actor.credential) == ("root", "token", row.id)
    assert can(actor, Verb.DEPLOY, BLUE)
    assert not can(actor, Verb.OPERATE, BLUE)
    assert not can(actor, Verb.DEPLOY, Resource("default"))
    assert caller(actor, "blue").grants == ""  # not for `admin`: no power over the host
    assert team_of(actor) == "blue"
    assert lab.accounts.refresh([actor]) == {("token", row.id): actor}
    with pytest.raises(NotFound):
        lab.tokens.remove(lab.owner, row.id)
    lab.database.write(update(TOKENS).values(expires_ms=0))
    assert lab.accounts.by_token(secret) is None
    assert lab.accounts.refresh([actor]) == {}


@pytest.mark.parametrize(
    ("days", "scope"), [(0, {}), (-1, {}), (367, {}), (1, {"verbs": ["everything"]}), (1, {"verbs": ["credentials"]})]
)
def test_a_token_expires_and_its_scope_is_known(lab: Lab, days: int, scope: dict[str, list[str]]) -> None:
    with pytest.raises(Invalid):
        lab.tokens.create(lab.actor(lab.root), "ci", days, scope)


def test_a_teams_token_outlives_its_maker_and_dies_by_the_team(lab: Lab) -> None:
    secret, row = lab.tokens.create_for_team(lab.actor(lab.owner), "blue", Role.DEPLOYER, "ci", 1, {})
    lab.users.change(lab.owner, disabled=True)
    actor = lab.accounts.by_token(secret)
    assert actor
    assert (actor.name, actor.roles, actor.admin) == ("token:ci", {"blue": Role.DEPLOYER}, False)
    assert not can(actor, Verb.MANAGE, BLUE)
    assert [token.created_by for token in lab.tokens.of_team("blue")] == ["olga"]
    with pytest.raises(NotFound):
        lab.tokens.remove_of_team("default", row.id)
    lab.tokens.remove_of_team("blue", row.id)
    assert lab.accounts.refresh([actor]) == {}
    with pytest.raises(Invalid):
        lab.tokens.create_for_team(lab.actor(lab.root), "blue", Role.OWNER, "ci", 1, {})


def test_a_disabled_user_is_out_and_an_administrator_is_left(lab: Lab) -> None:
    session = lab.accounts.open_session(lab.owner, HERE)
    lab.users.change(lab.owner, disabled=True)
    assert lab.accounts.by_session(session) is None
    for change in ({"admin": False}, {"disabled": True}):
        with pytest.raises(Conflict):
            lab.users.change(lab.root, **change)
    lab.users.change(lab.owner, disabled=False, admin=True)
    lab.users.change(lab.root, admin=False)
    found = {user["name"]: (user["admin"], user["disabled"]) for user in lab.users.list_()}
    assert found == {"olga": (True, False), "root": (False, False)}
