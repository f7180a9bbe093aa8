"""Teams on a real engine: the same names side by side, grants and their preview, rights whose end ends streams."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.root.web_fixtures import Site, site  # noqa: F401 - a fixture
from tests.support.docker_cli import Docker, eventually
from tests.support.web import OURS, PASSWORD, Browser
from webui.secrets import new_id


class Lab:
    """An administrator's browser, teams and members made by the API, and their docker CLIs."""

    def __init__(self, site: Site) -> None:  # noqa: F811
        self.site, self.admin = site, site.admin
        self._browsers: list[Browser] = []

    def team(self) -> str:
        name = f"t{new_id()[:8]}"
        answer = self.admin.post("/api/v1/teams", {"name": name, "title": "A Team"})
        assert answer.status_code == 201, answer.text
        return name

    def member(self, team: str, role: str, rights: list[dict[str, str]] | None = None) -> tuple[str, Browser]:
        name = f"u{new_id()[:8]}"
        made = self.admin.post("/api/v1/users", {"name": name, "password": PASSWORD})
        assert made.status_code == 201, made.text
        body = {"name": name, "role": role, "rights": rights or []}
        assert self.admin.post(f"/api/v1/teams/{team}/members", body).status_code == 201
        browser = Browser(self.site.web.url)
        assert browser.sign_in(name).status_code == 200
        self._browsers.append(browser)
        return made.json()["id"], browser

    def cli(self, team: str, token: str, folder: Path) -> Docker:
        made = self.site.cli(token, folder)
        config = {"HttpHeaders": {"Authorization": f"Bearer {token}", "Berth-Team": team}}
        (folder / "config.json").write_text(json.dumps(config))
        return made

    def image(self, cli: Docker, team: str) -> None:
        """Copy the test image into the team by `docker save | docker load`, as a person would."""
        archive = self.admin.get(f"/engine/local/images/{self.site.docker.image}/get").content
        answer = self.admin.http.post(
            f"{self.site.web.url}/engine/local/images/load", data=archive,
            headers={**OURS, "Berth-Team": team, "Content-Type": "application/x-tar"}, timeout=60,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()


@pytest.fixture(scope="module")
def lab(site: Site) -> Iterator[Lab]:  # noqa: F811
    made = Lab(site)
    yield made
    made.close()


def send(browser: Browser, method: str, path: str, body: Any = None) -> int:
    return browser.http.request(method, browser.url + path, json=body, headers=OURS, timeout=30).status_code


def token(browser: Browser, **scope: Any) -> str:
    answer = browser.post("/api/v1/tokens", {"name": "t", "expires_days": 1, **scope})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["secret"])


def test_two_teams_with_the_same_names_side_by_side(lab: Lab, tmp_path: Path) -> None:
    sides = {}
    for team in (lab.team(), lab.team()):
        _, browser = lab.member(team, "deployer")
        cli = lab.cli(team, token(browser), tmp_path / team)
        lab.image(cli, team)
        cli.ok("volume", "create", "data")
        cli.ok("network", "create", "net")
        made = cli.ok("run", "-d", "--name", "web", "--network", "net", "-v", "data:/d", cli.image, "sh", "-c",
                      f"echo {team} > /d/who; while :; do sleep 1; done")  # fmt: skip
        sides[team] = (cli, made, browser)
    try:
        for team, (cli, _, browser) in sides.items():
            (_, (_, foreign, _)) = next(item for item in sides.items() if item[0] != team)
            assert eventually(lambda cli=cli: cli("exec", "web", "cat", "/d/who").out.strip(), 5) == team
            assert cli.ok("ps", "-aq", "--no-trunc").split() == [sides[team][1]]
            for words in (("inspect", foreign), ("inspect", foreign[:12]), ("logs", foreign), ("exec", foreign, "id"),
                          ("cp", f"{foreign}:/d/who", "-"), ("rm", "-f", foreign), ("top", foreign),
                          ("run", "--rm", "--network", f"container:{foreign}", cli.image, "true"),
                          ("run", "--rm", "--volumes-from", foreign, cli.image, "true")):  # fmt: skip
                answer = cli(*words)
                assert answer.code != 0 or "No such container" in answer.err, words
                assert "web" not in answer.err, words
            assert send(browser, "GET", f"/engine/local/containers/json?filters={{\"id\":[\"{foreign}\"]}}") == 200
        _, (first, made, _) = next(iter(sides.items()))
        first.ok("rm", "-f", "web")
        first.ok("system", "prune", "-f", "--volumes")
        for cli, _, _ in list(sides.values())[1:]:
            assert cli.ok("exec", "web", "cat", "/d/who").strip()
        assert first.ok("ps", "-aq") == ""
        assert made
    finally:
        for cli, _, _ in sides.values():
            cli("rm", "-f", "web")
            cli("network", "rm", "net")
            cli("volume", "rm", "data")
            cli("rmi", "-f", cli.image)


def test_a_grant_is_a_teams_and_its_preview_names_what_breaks(lab: Lab, tmp_path: Path) -> None:
    team = lab.team()
    _, browser = lab.member(team, "deployer")
    cli = lab.cli(team, token(browser), tmp_path / "c")
    lab.image(cli, team)
    cap = ("create", "--name", "capped", "--cap-add", "NET_ADMIN", cli.image, "true")
    assert "CapAdd" in cli(*cap).err
    assert send(browser, "PUT", f"/api/v1/teams/{team}/grants", {"grants": ["capabilities"]}) == 403
    granted = lab.admin.http.put(
        f"{lab.admin.url}/api/v1/teams/{team}/grants", json={"grants": ["capabilities"]}, headers=OURS, timeout=10
    )
    assert granted.json()["grants"] == ["capabilities"]
    try:
        cli.ok(*cap)
        cli.ok("create", "--name", "plain", cli.image, "true")
        assert "Privileged" in cli("create", "--privileged", cli.image, "true").err
        preview = lab.admin.get(f"/api/v1/teams/{team}/grants/preview?grants=binds").json()
        assert [(row["name"], row["field"]) for row in preview["breaks"]] == [("capped", "HostConfig.CapAdd")]
        assert "binds" in preview["known"]
        assert lab.admin.get(f"/api/v1/teams/{team}/grants/preview?grants=capabilities").json()["breaks"] == []
        assert lab.admin.get(f"/api/v1/teams/{team}/grants/preview?grants=all").status_code == 400
        assert send(browser, "GET", f"/api/v1/teams/{team}/grants/preview") == 403
    finally:
        cli("rm", "-f", "capped", "plain")
        cli("rmi", "-f", cli.image)


def test_a_removed_membership_and_a_removed_token_end_streams_within_two_seconds(lab: Lab, tmp_path: Path) -> None:
    team = lab.team()
    user, browser = lab.member(team, "operator")
    owner_id, owner = lab.member(team, "owner")
    made = owner.post(f"/api/v1/teams/{team}/tokens", {"name": "ci", "role": "operator", "expires_days": 1}).json()
    clis = [lab.cli(team, token(browser), tmp_path / "a"), lab.cli(team, made["secret"], tmp_path / "b")]
    with clis[0].spawn("events") as first, clis[1].spawn("events") as second:
        eventually(lambda: lab.site.tap.last("/events"), 5, "the streams")
        time.sleep(0.5)
        assert (first.poll(), second.poll()) == (None, None)
        began = time.monotonic()
        assert send(owner, "DELETE", f"/api/v1/teams/{team}/members/{user}") == 204
        assert send(owner, "DELETE", f"/api/v1/teams/{team}/tokens/{made['id']}") == 204
        first.wait(5)
        second.wait(5)
        assert time.monotonic() - began < 3
    assert send(owner, "DELETE", f"/api/v1/teams/{team}/members/{owner_id}") == 409
    rows = owner.get("/api/v1/audit?q=action:teams.remove-member").json()["entries"]
    assert {(row["target"], row["status"]) for row in rows} == {(user, 204), (owner_id, 409)}
    assert lab.admin.get("/api/v1/audit/verify").json()["intact"]


def test_why_a_member_may_do_something(lab: Lab) -> None:
    team = lab.team()
    user, browser = lab.member(team, "viewer", [{"role": "operator", "kind": "container", "pattern": "web-*"}])
    shown = lab.admin.get(f"/api/v1/teams/{team}/access/{user}?kind=container&name=web-1").json()
    rules = {row["verb"]: (row["allowed"], row["rule"]) for row in shown["verbs"]}
    assert rules["view"][0]
    assert rules["operate"] == (True, "role operator on container web-*")
    assert not rules["deploy"][0]
    assert send(browser, "GET", f"/api/v1/teams/{team}/access/{user}") == 403


def test_a_narrowed_right_reaches_what_its_pattern_names_by_name_id_or_exec(lab: Lab, tmp_path: Path) -> None:
    team = lab.team()
    _, maker = lab.member(team, "deployer")
    _, narrow = lab.member(team, "viewer", [{"role": "deployer", "kind": "container", "pattern": "web-*"}])
    cli, theirs = (lab.cli(team, token(b), tmp_path / n) for n, b in (("m", maker), ("n", narrow)))
    lab.image(cli, team)
    made = {name: cli.ok("run", "-d", "-e", "KEY=hush", "--name", name, cli.image, "sleep", "60").strip()
            for name in ("web-1", "db")}  # fmt: skip
    live = narrow.live()
    try:
        for ref in ("web-1", made["web-1"], made["web-1"][:12]):
            assert theirs("exec", ref, "echo", "hi").out.strip() == "hi"
            assert "KEY=hush" in theirs("inspect", ref).out
        for ref in ("db", made["db"], made["db"][:12]):
            assert theirs("exec", ref, "echo", "hi").code != 0
            assert theirs("stop", "-t", "0", ref).code != 0
            assert "hush" not in theirs.ok("inspect", ref)
            answer = live.call("terminal.open", {"id": ref, "cols": 80, "rows": 24, "team": team})
            assert answer["error"]["status"] == 403
        foreign = cli.ok("inspect", "-f", "{{.Id}}", "db").strip()
        exec_id = maker.post(f"/engine/local/containers/{foreign}/exec", {"Cmd": ["id"]}).json()["Id"]
        assert send(narrow, "POST", f"/engine/local/exec/{exec_id}/start", {"Detach": True}) == 403
        assert send(narrow, "POST", "/engine/local/containers/web-1/rename?name=db2") == 403
        for words in (("container", "prune", "-f"), ("create", "--name", "web-2", cli.image, "true"), ("kill", "db")):
            assert theirs(*words).code != 0, words
        term = live.call("terminal.open", {"id": "web-1", "cols": 80, "rows": 24, "team": team})
        assert "term" in term
        theirs.ok("rm", "-f", "web-1")
        assert cli.ok("ps", "-q", "--no-trunc").split() == [made["db"]]
    finally:
        live.close()
        cli("rm", "-f", "web-1", "db")
        cli("rmi", "-f", cli.image)


def test_an_encoded_parameter_reveals_no_more_than_a_plain_one(lab: Lab) -> None:
    team = lab.team()
    _, viewer = lab.member(team, "viewer")
    for query in ("ps_args=eww", "ps%5Fargs=eww", "%70s_args=eww", "a=1&ps_args"):
        assert send(viewer, "GET", f"/engine/local/containers/x/top?{query}") == 403
