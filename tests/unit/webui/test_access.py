"""Who may do what: the whole table."""

from __future__ import annotations

import pytest

from webui.access import Actor, Resource, Right, Role, TokenScope, Verb, can, decide, narrowed

TEAM = Resource(team="blue")
SHARED_HOST = Resource(team="blue", isolated=False)
WEB = Resource(team="blue", kind="container", name="web-1")
ALLOWED = {
    "viewer": {Verb.VIEW},
    "operator": {Verb.VIEW, Verb.REVEAL, Verb.OPERATE},
    "deployer": {Verb.VIEW, Verb.REVEAL, Verb.OPERATE, Verb.DEPLOY},
    "owner": {Verb.VIEW, Verb.REVEAL, Verb.OPERATE, Verb.DEPLOY, Verb.MANAGE},
    "stranger": set(),
}
ALWAYS = {Verb.PUBLIC, Verb.SELF, Verb.CREDENTIALS}


def user(role: str, **more: object) -> Actor:
    roles = {} if role == "stranger" else {"blue": Role[role.upper()]}
    return Actor("u1", "ann", roles=roles, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ALLOWED)
@pytest.mark.parametrize("verb", Verb)
def test_a_role_may_do_what_the_table_says_in_its_team(role: str, verb: Verb) -> None:
    assert can(user(role), verb, TEAM) is (verb in ALLOWED[role] | ALWAYS)


@pytest.mark.parametrize("verb", Verb)
def test_a_role_counts_for_nothing_in_another_team(verb: Verb) -> None:
    assert can(user("owner"), verb, Resource(team="red")) is (verb in ALWAYS)


@pytest.mark.parametrize("verb", Verb)
def test_a_host_that_cannot_keep_teams_apart_is_for_administrators(verb: Verb) -> None:
    assert can(user("owner"), verb, SHARED_HOST) is (verb in ALWAYS)
    assert can(user("stranger", admin=True), verb, SHARED_HOST)


@pytest.mark.parametrize("verb", Verb)
def test_nobody_may_do_only_what_is_public(verb: Verb) -> None:
    assert can(None, verb, TEAM) is (verb is Verb.PUBLIC)


@pytest.mark.parametrize("verb", Verb)
def test_an_administrator_may_do_everything(verb: Verb) -> None:
    assert can(user("stranger", admin=True), verb, TEAM)


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("role", ["viewer", "operator", "deployer", "owner"])
def test_an_archived_team_is_only_looked_at(verb: Verb, role: str) -> None:
    actor = user(role, archived=frozenset({"blue"}))
    assert can(actor, verb, TEAM) is (verb in {Verb.VIEW} | ALWAYS)


@pytest.mark.parametrize(
    ("right", "resource", "expected"),
    [
        (Right(Role.OPERATOR, "container", "web-*"), WEB, True),
        (Right(Role.OPERATOR, "*", "web-1"), WEB, True),
        (Right(Role.OPERATOR, "container", "WEB-*"), WEB, False),
        (Right(Role.OPERATOR, "volume", "web-*"), WEB, False),
        (Right(Role.VIEWER, "*", "*"), WEB, False),
        (Right(Role.OPERATOR, "*", "*"), TEAM, False),
        (Right(Role.OPERATOR, "*", "*"), Resource(team="red", kind="container", name="web-1"), False),
        (Right(Role.OPERATOR, "container", "web-*"), Resource(team="blue", kind="container", name="db-web-1"), False),
        (Right(Role.OPERATOR, "container", "web-*"), Resource("blue", False, "", "container", "web-1"), False),
    ],
)
def test_a_narrowed_right_reaches_what_its_pattern_names(right: Right, resource: Resource, expected: bool) -> None:
    actor = user("viewer", rights={"blue": (right,)})
    assert can(actor, Verb.OPERATE, resource) is expected
    assert not can(actor, Verb.DEPLOY, resource)


def test_the_name_decides_only_where_there_are_narrowed_rights() -> None:
    actor = user("viewer", rights={"blue": (Right(Role.OPERATOR, "container", "web-*"),)})
    assert narrowed(actor, Verb.OPERATE, "blue")
    assert not narrowed(actor, Verb.DEPLOY, "blue")
    assert not narrowed(actor, Verb.OPERATE, "red")
    assert not narrowed(None, Verb.OPERATE, "blue")


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("named", [*Verb])
def test_a_token_narrows_an_administrator_too(verb: Verb, named: Verb) -> None:
    actor = user("stranger", admin=True, via="token", scope=TokenScope(verbs=frozenset({named.value})))
    expected = verb in (Verb.PUBLIC, Verb.SELF) or (verb is named and verb is not Verb.CREDENTIALS)
    assert can(actor, verb, TEAM) is expected


def test_a_token_is_for_its_teams_and_hosts() -> None:
    actor = user("owner", via="token", scope=TokenScope(teams=frozenset({"red"})))
    assert not can(actor, Verb.VIEW, TEAM)
    actor = user("owner", via="token", scope=TokenScope(hosts=frozenset({"local"})))
    assert can(actor, Verb.VIEW, Resource("blue", host="local"))
    assert not can(actor, Verb.VIEW, Resource("blue", host="other"))
    assert not can(actor, Verb.CREDENTIALS)


def test_every_decision_names_its_rule() -> None:
    actor = user("viewer", rights={"blue": (Right(Role.OPERATOR, "container", "web-*"),)})
    assert decide(actor, Verb.VIEW, TEAM).rule == "role viewer in the team (view takes viewer)"
    assert decide(actor, Verb.OPERATE, WEB).rule == "role operator on container web-*"
    assert decide(actor, Verb.DEPLOY, WEB).rule == "deploy takes the role deployer, this member is viewer"
    for verb in Verb:
        assert decide(None, verb).rule
