"""Every HTTP route and engine path, walked as those who may not: a door without an expectation fails the walk."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest
import requests

from tests.contract.web.test_closed_doors import all_routes
from tests.root.test_web_teams import Lab, lab, token  # noqa: F401 - a fixture
from tests.root.web_fixtures import site  # noqa: F401 - a fixture
from tests.support.web import OURS, Browser
from webui.gateway.guard import ENDPOINT_RULES
from webui.gateway.rules import ENGINE_RULES

REFUSED = {
    "stranger": {"view", "reveal", "operate", "deploy", "manage", "admin"},
    "viewer": {"reveal", "operate", "deploy", "manage", "admin"},
    "operator": {"deploy", "manage", "admin"},
    "deployer of another team": {"view", "reveal", "operate", "deploy", "manage", "admin"},
}
KNOWN = {"public", "self", "credentials"} | REFUSED["stranger"]


@pytest.fixture(scope="module")
def people(lab: Lab) -> dict[str, tuple[str, Browser]]:  # noqa: F811
    team, other = lab.team(), lab.team()
    return {
        "viewer": (team, lab.member(team, "viewer")[1]),
        "operator": (team, lab.member(team, "operator")[1]),
        "deployer of another team": (team, lab.member(other, "deployer")[1]),
        "stranger": (team, lab.member(other, "viewer")[1]),
    }


def ask(browser: Browser, method: str, path: str, headers: dict[str, str]) -> int:
    body = None if method in ("GET", "HEAD") else {}
    sent = {**OURS, **headers}
    return browser.http.request(method, browser.url + path, json=body, headers=sent, timeout=20).status_code


@pytest.mark.parametrize("who", REFUSED)
def test_nobody_gets_through_an_engine_path_above_their_role(people: dict[str, tuple[str, Browser]], who: str) -> None:
    team, browser = people[who]
    wrong = {}
    for rule in ENGINE_RULES:
        assert rule.verb.value in KNOWN, f"{rule.path} has a verb that this walk has no expectation for"
        if rule.verb.value in REFUSED[who]:
            path = f"/engine/local/v1.50{re.sub(r'[{][^}]+[}]', 'x', rule.path)}"
            status = ask(browser, rule.method, path, {"Berth-Team": team})
            if status != HTTPStatus.FORBIDDEN:
                wrong[f"{rule.method} {rule.path}"] = status
    assert wrong == {}


@pytest.mark.parametrize("who", REFUSED)
def test_nobody_gets_through_a_route_above_their_role(
    people: dict[str, tuple[str, Browser]], who: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    team, browser = people[who]
    wrong = {}
    for method, path, endpoint in all_routes(tmp_path_factory):
        verb = ENDPOINT_RULES[endpoint].value
        assert verb in KNOWN, f"{endpoint} has a verb that this walk has no expectation for"
        if verb in REFUSED[who]:
            status = ask(browser, method, path.replace("/teams/x", f"/teams/{team}"), {"Berth-Team": team})
            if status != HTTPStatus.FORBIDDEN:
                wrong[f"{method} {path}"] = status
    assert wrong == {}


@pytest.mark.parametrize("credential", ["removed token", "ended session"])
def test_what_is_over_opens_nothing(lab: Lab, credential: str, tmp_path_factory: pytest.TempPathFactory) -> None:  # noqa: F811
    _, browser = lab.member(lab.team(), "owner")
    if credential == "ended session":
        headers = {"Cookie": browser.cookie(), **OURS}
        assert browser.delete("/api/v1/session").status_code == 204
    else:
        headers = {"Authorization": f"Bearer {token(browser)}"}
        made = browser.get("/api/v1/tokens").json()[0]["id"]
        assert browser.delete(f"/api/v1/tokens/{made}").status_code == 204
    doors = [(m, p) for m, p, e in all_routes(tmp_path_factory) if ENDPOINT_RULES[e].value != "public"]
    doors += [
        (rule.method, f"/engine/local/v1.50{re.sub(r'[{][^}]+[}]', 'x', rule.path)}")
        for rule in ENGINE_RULES
        if rule.verb.value != "public"
    ]
    with requests.Session() as http:
        answers = {
            f"{m} {p}": http.request(
                m, lab.site.web.url + p, headers=headers, json=None if m in ("GET", "HEAD") else {}, timeout=20
            ).status_code
            for m, p in doors
        }
    assert {door: status for door, status in answers.items() if status != HTTPStatus.UNAUTHORIZED} == {}
