"""Roles and teams on a real engine: who sees and does what, and how fast a right taken away is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from tests.root.web_fixtures import Site, site  # noqa: F401 - a fixture
from tests.support.docker_cli import eventually
from tests.support.web import PASSWORD, Browser
from webui.access import Role
from webui.models.database import Database
from webui.models.tables import TEAMS
from webui.secrets import new_id
from webui.services.accounts import Accounts
from webui.services.attempts import Attempts
from webui.services.teams import Teams
from webui.times import now_ms

SECRET = "s3cret-value"


class People:
    """Users of a site, made in its database as an administrator's tool would."""

    def __init__(self, site: Site) -> None:  # noqa: F811
        self._site = site
        self.database = Database(f"sqlite:///{site.web.folder / 'data' / 'web' / 'web.db'}")
        self.accounts = Accounts(self.database, Attempts())
        self.teams = Teams(self.database, self.accounts.changed)
        self._browsers: list[Browser] = []

    def team(self, name: str) -> str:
        self.database.write(insert(TEAMS), {"id": new_id(), "name": name, "created_ms": now_ms()})
        return name

    def user(self, role: Role | None, team: str = "default") -> tuple[str, Browser]:
        name = f"u{new_id()[:8]}"
        user = self.accounts.create_user(name, PASSWORD)
        if role:
            self.teams.put_member(team, user, role, (), force=True)
        browser = Browser(self._site.web.url)
        assert browser.sign_in(name).status_code == 200
        self._browsers.append(browser)
        return user, browser

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()
        self.database.close()


@pytest.fixture(scope="module")
def people(site: Site) -> Iterator[People]:  # noqa: F811
    made = People(site)
    yield made
    made.close()


@pytest.fixture
def container(site: Site) -> Iterator[str]:  # noqa: F811
    made = site.docker.running("-e", f"PASSWORD={SECRET}", script="while :; do echo tick; sleep 0.1; done")
    yield made
    site.docker("rm", "-f", made)


def engine(browser: Browser, method: str, path: str, body: Any = None) -> int:
    answer = (
        browser.get(f"/engine/local{path}") if method == "GET"
        else browser.delete(f"/engine/local{path}") if method == "DELETE"
        else browser.post(f"/engine/local{path}", body)
    )  # fmt: skip
    return answer.status_code


def test_a_viewer_sees_everything_but_secrets_and_changes_nothing(people: People, container: str) -> None:
    _, viewer = people.user(Role.VIEWER)
    shown = viewer.get(f"/engine/local/containers/{container}/json")
    assert shown.status_code == 200
    assert SECRET not in shown.text
    assert "PASSWORD=<hidden>" in shown.json()["Config"]["Env"]
    assert any(row["Id"] == container for row in viewer.get("/engine/local/containers/json").json())
    assert "tick" in viewer.get(f"/engine/local/containers/{container}/logs?stdout=1").text
    assert engine(viewer, "GET", f"/containers/{container}/top") == 200
    refused = [
        ("GET", f"/containers/{container}/top?ps_args=eww"),
        ("GET", f"/containers/{container}/export"),
        ("GET", f"/containers/{container}/archive?path=/proc/1/environ"),
        ("POST", f"/containers/{container}/stop"),
        ("POST", f"/containers/{container}/exec"),
        ("POST", f"/containers/{container}/attach"),
        ("POST", "/containers/create"),
        ("POST", "/containers/prune"),
        ("DELETE", f"/containers/{container}"),
        ("POST", "/images/create?fromImage=a"),
        ("POST", "/volumes/create"),
        ("POST", "/networks/create"),
        ("GET", "/swarm"),
        ("GET", "/plugins"),
    ]
    assert {path: engine(viewer, method, path, {}) for method, path in refused} == {path: 403 for _, path in refused}
    pull = {"kind": "pull", "host": "local", "params": {"image": "a"}}
    assert viewer.post("/api/v1/operations", pull).status_code == 403


def test_a_viewer_watches_but_gets_no_terminal(people: People, container: str) -> None:
    _, viewer = people.user(Role.VIEWER)
    live = viewer.live()
    try:
        assert "tick" in live.next(live.subscribe("logs", id=container, tail=5))["lines"]
        answer = live.call("terminal.open", {"id": container, "cols": 80, "rows": 24})
        assert answer["error"]["status"] == 403
    finally:
        live.close()


def test_an_operator_runs_things_and_a_deployer_makes_them(people: People, site: Site, container: str) -> None:  # noqa: F811
    _, operator = people.user(Role.OPERATOR)
    assert SECRET in operator.get(f"/engine/local/containers/{container}/json").text
    assert engine(operator, "POST", f"/containers/{container}/restart?t=0") == 204
    body = {"Image": site.docker.image, "Cmd": ["true"]}
    assert engine(operator, "POST", "/containers/create", body) == 403
    assert engine(operator, "DELETE", f"/containers/{container}?force=1") == 403
    _, deployer = people.user(Role.DEPLOYER)
    made = deployer.post("/engine/local/containers/create", body)
    assert made.status_code == 201
    assert engine(deployer, "DELETE", f"/containers/{made.json()['Id']}") == 204


@pytest.mark.parametrize(
    "host_config",
    [
        {"Privileged": True},
        {"Binds": ["/:/host"]},
        {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]},
        {"PidMode": "host"},
        {"CapAdd": ["SYS_ADMIN"]},
        {"privileged": True},
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_deployer_gets_no_host(people: People, site: Site, host_config: dict[str, object]) -> None:  # noqa: F811
    _, deployer = people.user(Role.DEPLOYER)
    body = {"Image": site.docker.image, "Cmd": ["true"], "HostConfig": host_config}
    answer = deployer.post("/engine/local/containers/create", body)
    if answer.status_code == 201:  # a name in another case is another field, which Docker would take for the same
        made = deployer.get(f"/engine/local/containers/{answer.json()['Id']}/json").json()["HostConfig"]
        deployer.delete(f"/engine/local/containers/{answer.json()['Id']}")
        assert not made["Privileged"]
        return
    assert answer.status_code in (400, 403), answer.text


def test_a_user_of_no_team_sees_nothing(people: People, container: str) -> None:
    _, stranger = people.user(None)
    for path in ("/containers/json", f"/containers/{container}/json", f"/containers/{container}/logs", "/events"):
        assert engine(stranger, "GET", path) == 403
    assert stranger.get("/api/v1/operations").status_code == 403
    live = stranger.live()
    try:
        for topic in ("containers", "images", "events", "usage", "operations"):
            assert live.call("subscribe", {"topic": topic})["error"]["status"] == 403
        assert live.call("subscribe", {"topic": "logs", "id": container})["error"]["status"] == 403
    finally:
        live.close()


def test_another_teams_containers_are_not_there(people: People, site: Site, container: str) -> None:  # noqa: F811
    team = people.team(f"blue{new_id()[:6]}")
    _, owner = people.user(Role.OWNER, team)
    assert owner.get(f"/engine/local/containers/json?all=1&mark={team}").json() == []
    for path in (f"/containers/{container}/json", f"/containers/{container[:12]}/logs?stdout=1"):
        assert engine(owner, "GET", path) == 404
    assert engine(owner, "POST", f"/containers/{container}/exec", {"Cmd": ["true"]}) == 404
    assert owner.get("/engine/local/containers/json", **{"Berth-Team": "default"}).status_code == 403
    assert site.tap.last(f"mark={team}").count(f"Berth-Namespace: {team}") == 1
    live = owner.live()
    try:
        assert live.next(live.subscribe("containers"))["snapshot"] == []
        assert live.call("subscribe", {"topic": "containers", "team": "default"})["error"]["status"] == 403
        number = live.subscribe("logs", id=container)
        eventually(lambda: number in live.ended, 5, "the end")
    finally:
        live.close()


def test_a_role_taken_away_ends_what_lived_on_it_within_two_seconds(
    people: People,
    site: Site,  # noqa: F811
    container: str,
    tmp_path: Path,
) -> None:
    user, browser = people.user(Role.OPERATOR)
    live, cli = browser.live(), site.cli(browser.token(), tmp_path / "config")
    try:
        number = live.subscribe("containers")
        live.next(number)
        term = live.call("terminal.open", {"id": container, "cols": 80, "rows": 24, "cmd": ["sh"]})["term"]
        with cli.spawn("logs", "-f", container) as process:
            assert process.stdout
            assert process.stdout.readline()
            began = time.monotonic()
            people.teams.remove_member("default", user, force=True)  # by another process: nothing tells the web tier
            eventually(lambda: number in live.ended, 3, "the subscription's end")
            process.wait(3)
            eventually(lambda: "error" in live.call("terminal.attach", {"term": term}), 3, "the terminal's end")
            assert time.monotonic() - began < 2.5
        assert live.client.connected  # still signed in
    finally:
        live.close()


def test_a_terminal_is_its_users_own(people: People, container: str) -> None:
    _, one = people.user(Role.OPERATOR)
    _, two = people.user(Role.OWNER)
    first, second = one.live(), two.live()
    try:
        term = first.call("terminal.open", {"id": container, "cols": 80, "rows": 24, "cmd": ["sh"]})["term"]
        for event in ("attach", "input", "resize", "close"):
            data = {"term": term, "data": "id\r", "cols": 80, "rows": 24}
            assert second.call(f"terminal.{event}", data)["error"]["status"] == 404
        assert first.call("terminal.close", {"term": term}) == {}
    finally:
        first.close()
        second.close()
