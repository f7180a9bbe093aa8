"""Who may do what: the whole table."""

from __future__ import annotations

import pytest

from webui.access import Actor, Resource, Role, Verb, can

TEAM = Resource(team="blue")
SHARED_HOST = Resource(team="blue", isolated=False)
ALLOWED = {
    "viewer": {Verb.VIEW},
    "operator": {Verb.VIEW, Verb.REVEAL, Verb.OPERATE},
    "deployer": {Verb.VIEW, Verb.REVEAL, Verb.OPERATE, Verb.DEPLOY},
    "owner": {Verb.VIEW, Verb.REVEAL, Verb.OPERATE, Verb.DEPLOY, Verb.MANAGE},
    "stranger": set(),
}
ALWAYS = {Verb.PUBLIC, Verb.SELF}


def user(role: str, *, admin: bool = False) -> Actor:
    roles = {} if role == "stranger" else {"blue": Role[role.upper()]}
    return Actor("u1", "ann", admin=admin, roles=roles)


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
