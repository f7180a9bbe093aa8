"""Pulls as operations on a real engine and a real registry: progress, cancel, failure, and a restart in between."""

from __future__ import annotations

import io
import secrets
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PEER
from tests.root.web_fixtures import Site, site  # noqa: F401 - a fixture
from tests.support import images, registries
from tests.support.docker_cli import eventually
from tests.support.web import Live, WebProcess


@pytest.fixture
def live(site: Site) -> Iterator[Live]:  # noqa: F811
    opened = site.admin.live()
    yield opened
    opened.close()


def start(site: Site, image: str) -> dict[str, Any]:  # noqa: F811
    answer = site.admin.post("/api/v1/operations", {"kind": "pull", "host": "local", "params": {"image": image}})
    assert answer.status_code == 202, answer.text
    started: dict[str, Any] = answer.json()
    return started


def ended(site: Site, operation: dict[str, Any]) -> dict[str, Any]:  # noqa: F811
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = site.admin.get(f"/api/v1/operations/{operation['id']}").json()
        return found if found["state"] not in ("queued", "running") else None

    found = eventually(look, 30, "the end of the operation")
    assert found
    return found


def a_new_image(registry: str, folder: Path) -> str:
    """Push an image with a layer that no engine has yet: a pull of it has bytes to tell of."""
    name = f"own-{secrets.token_hex(4)}"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        member = tarfile.TarInfo("own")
        member.size = 100_000
        tar.addfile(member, io.BytesIO(secrets.token_bytes(member.size)))
    images.write(folder / "own.tar", {f"{name}:latest": (images.PLAIN, [layer.getvalue()])})
    registries.push(folder / "own.tar", registry, f"{name}:latest", "--insecure-policy", "--dest-tls-verify=false")
    return f"{registry}/{name}:latest"


@pytest.mark.skipif(bool(PEER), reason="the peer's network namespace does not reach our registry")
def test_a_pull_is_followed_by_everybody_and_done(site: Site, live: Live, registry: str, tmp_path: Path) -> None:  # noqa: F811
    image = a_new_image(registry, tmp_path)
    number = live.subscribe("operations")
    assert "snapshot" in live.next(number)
    operation = start(site, image)
    frame = live.until(number, lambda f: any(o["state"] == "done" for o in f["upsert"] if o["id"] == operation["id"]))
    last = next(o for o in frame["upsert"] if o["id"] == operation["id"])
    assert last["progress"]["layers"]
    assert last["progress"]["current"] == last["progress"]["total"] > 0
    assert any(line.startswith("Status: ") for line in last["log"])
    assert site.admin.get("/api/v1/operations?limit=1").json()[0]["id"] == operation["id"]
    assert site.docker.ok("image", "inspect", "-f", "{{.Id}}", image)
    site.docker.ok("rmi", image)


def test_a_pull_that_fails_says_why_in_the_engines_words(site: Site) -> None:  # noqa: F811
    found = ended(site, start(site, "127.0.0.1:1/nosuch:1"))
    assert found["state"] == "failed"
    assert "127.0.0.1:1" in found["error"]


def test_a_pull_is_cancelled_and_its_connection_closed(site: Site, live: Live) -> None:  # noqa: F811
    site.tap.stalled = "/images/create"
    try:
        before = site.tap.connections
        operation = start(site, "example.test/slow:1")
        eventually(lambda: site.tap.connections > before, 5, "the pull's connection")
        answer = site.admin.post(f"/api/v1/operations/{operation['id']}/cancel")
        assert answer.status_code == 202
        assert ended(site, operation)["state"] == "cancelled"
        eventually(lambda: site.tap.connections <= before, 5, "the end of the pull's connection")
        assert site.admin.post(f"/api/v1/operations/{operation['id']}/cancel").status_code == 409
    finally:
        site.tap.stalled = ""


def test_a_restart_of_the_web_tier_ends_what_ran_and_keeps_the_record(tmp_path: Path) -> None:
    silent = socket.socket(socket.AF_UNIX)  # an engine that takes requests and never answers
    silent.bind(str(tmp_path / "silent.sock"))
    silent.listen(8)
    web = WebProcess(engine_socket=tmp_path / "silent.sock")
    web.start()
    browser = web.set_up()
    try:
        body = {"kind": "pull", "host": "local", "params": {"image": "example.test/slow:2"}}
        operation = browser.post("/api/v1/operations", body).json()
        web.stop()
        web.start()
        found = browser.get(f"/api/v1/operations/{operation['id']}").json()
        assert found["state"] == "failed"
        assert "restarted" in found["error"]
        assert browser.get("/api/v1/session").json()["user"]["name"] == "root"  # sessions outlive it
    finally:
        browser.close()
        web.destroy()
        silent.close()


def test_an_operation_of_another_team_is_not_there(site: Site) -> None:  # noqa: F811
    operation = start(site, "127.0.0.1:1/nosuch:2")
    other = {"Berth-Team": "other"}
    assert site.admin.get(f"/api/v1/operations/{operation['id']}", **other).status_code == 404
    assert site.admin.get("/api/v1/operations", **other).json() == []
    ended(site, operation)
