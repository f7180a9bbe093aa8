"""Engine paths: each that Docker defines has a rule, everything else is refused, what matched is what is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.access import Verb
from webui.errors import NotFound
from webui.gateway import rules
from webui.gateway.rules import ENGINE_RULES, parse_target


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("GET", "/v1.50/containers/json", Verb.VIEW),
        ("GET", "/containers/json", Verb.VIEW),
        ("POST", "/v1.41/containers/create", Verb.DEPLOY),
        ("POST", "/v1.41/containers/abc/start", Verb.OPERATE),
        ("DELETE", "/v1.41/containers/abc", Verb.DEPLOY),
        ("POST", "/v1.41/containers/abc/exec", Verb.OPERATE),
        ("POST", "/v1.41/exec/abc/start", Verb.OPERATE),
        ("GET", "/v1.41/images/library/busybox:1/json", Verb.VIEW),
        ("GET", "/v1.41/images/json", Verb.VIEW),
        ("DELETE", "/v1.41/images/localhost:5000/a/b@sha256:00", Verb.DEPLOY),
        ("POST", "/v1.41/plugins/pull", Verb.ADMIN),
        ("POST", "/v1.41/swarm/init", Verb.ADMIN),
        ("POST", "/v1.41/services/create", Verb.ADMIN),
        ("GET", "/v1.41/secrets", Verb.ADMIN),
        ("HEAD", "/_ping", Verb.PUBLIC),
        ("PUT", "/v1.41/containers/abc/archive", Verb.OPERATE),
    ],
)
def test_a_known_path_has_its_verb(method: str, path: str, verb: Verb) -> None:
    assert parse_target(method, path).rule.verb is verb


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1.41",
        "/v1.41/",
        "/unknown",
        "/v1.41/v1.41/containers/json",
        "/containers/json/",
        "/containers//json",
        "//containers/json",
        "/containers/../plugins",
        "/containers/..%2fplugins/json",
        "/containers/%2e%2e/json",
        "/containers/./json",
        "/containers/a%2fb/json",
        "/containers/a%00b/json",
        "/containers/a%0d%0ab/json",
        "/containers/a%252fb/json",
        "/containers/%zz/json",
        "/containers/a\\b/json",
        "/containers/json%20",
        "/Containers/json",
        "/containers/%ff/json",
        "/containers/ab\u00e9/json",
        "/images/../containers/x/json",
        "/images/a//b/json",
    ],
)
def test_an_odd_path_is_refused(path: str) -> None:
    with pytest.raises(NotFound):
        parse_target("GET", path)


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND"])
def test_an_odd_method_is_refused(method: str) -> None:
    with pytest.raises(NotFound):
        parse_target(method, "/containers/json")


def test_what_was_matched_is_what_is_forwarded() -> None:
    target = parse_target("GET", "/v1.41/networks/my%20net%3f%23")
    assert (target.version, target.path) == ((1, 41), "/networks/my%20net%3F%23")


def test_an_image_name_may_be_encoded_or_not() -> None:
    assert parse_target("GET", "/images/library%2Fbusybox/json").path == "/images/library/busybox/json"


def test_the_fixed_path_wins_over_a_parameter() -> None:
    assert parse_target("GET", "/images/get").rule.verb is Verb.DEPLOY
    assert parse_target("GET", "/images/search").rule.path == "/images/search"
    assert parse_target("GET", "/images/a/get").rule.path == "/images/{name}/get"


def test_no_two_rules_are_for_the_same_route() -> None:
    routes = [(rule.method, rule.path) for rule in ENGINE_RULES]
    assert len(routes) == len(set(routes))


def test_only_reading_is_left_to_viewers() -> None:
    unsafe = {rule.path for rule in ENGINE_RULES if rule.verb is Verb.VIEW and rule.method not in ("GET", "HEAD")}
    assert unsafe == {"/containers/{id}/wait"}


@given(st.text(max_size=40))
def test_whatever_passes_is_sent_as_it_was_matched(tail: str) -> None:
    try:
        target = parse_target("GET", "/containers/" + tail)
    except NotFound:
        return
    assert parse_target("GET", target.path).rule is target.rule
    assert ".." not in target.path.split("/")
    assert "//" not in target.path


@pytest.mark.parametrize(
    ("method", "path", "action", "recorded"),
    [
        ("POST", "/containers/create", "container.create", True),
        ("POST", "/containers/{id}/start", "container.start", True),
        ("DELETE", "/containers/{id}", "container.remove", True),
        ("POST", "/containers/{id}/exec", "exec.create", True),
        ("POST", "/exec/{id}/start", "exec.start", True),
        ("GET", "/containers/{id}/archive", "file.read", True),
        ("PUT", "/containers/{id}/archive", "file.write", True),
        ("GET", "/containers/{id}/export", "container.export", True),
        ("POST", "/images/create", "image.pull", True),
        ("GET", "/containers/json", "container.json", False),
        ("POST", "/containers/{id}/wait", "container.wait", False),
    ],
)
def test_the_record_has_a_word_for_every_rule(method: str, path: str, action: str, recorded: bool) -> None:
    rule = next(rule for rule in rules.ENGINE_RULES if (rule.method, rule.path) == (method, path))
    assert rules.action_of(rule) == action
    assert rules.is_recorded(rule, rule.verb) is recorded
    assert all(rules.action_of(each) for each in rules.ENGINE_RULES)
