"""The API's routes of images over a real store and a real registry; every answer is checked against the definition."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.api import images as handlers
from engine.api.router import App, Route
from engine.api.wire import image as wire
from engine.values import Surface
from tests.fakes import tars
from tests.fakes.http import FakeExchange, ask
from tests.fakes.image_store import SCOPE, Parts, docker_archive, opened
from tests.support import registries
from tests.support.registries import PASSWORD, USER, BreakingLine

BASE = tars.tree({"etc/motd": b"base"})
TOP = tars.tree({"etc/motd": b"top"})
ARCHIVE = docker_archive(
    [BASE, TOP], tags=["app:1", "me/app:2"], Cmd=["sh"], Labels={"a": "1"}, ExposedPorts={"1/tcp": {}}
)


@pytest.fixture
def store() -> Iterator[Parts]:
    """Return a store with one image."""
    with opened() as parts:
        parts.load(ARCHIVE)
        yield parts


@pytest.fixture
def routes(store: Parts) -> list[Route]:
    """Return the routes over it."""
    return handlers.routes(store.images, store.archives, store.pulls, store.pushes)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return a registry that wants a password and has app:1."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "a.tar").write_bytes(docker_archive([BASE, TOP]))
    with registries.registry(folder / "r", registries.basic(folder)) as address:
        registries.push(folder / "a.tar", address, "app:1", "--dest-tls-verify=false",
                        "--dest-creds", f"{USER}:{PASSWORD}")  # fmt: skip
        yield address


def auth(password: str) -> dict[str, str]:
    """Return the header with which clients hand on credentials."""
    text = json.dumps({"username": USER, "password": password}).encode()
    return {"X-Registry-Auth": base64.urlsafe_b64encode(text).decode()}


def test_an_image_is_listed_and_inspected(routes: list[Route]) -> None:
    listed = ask(routes, "GET", "/images/json").json
    assert [(i["RepoTags"], i["RepoDigests"], i["Size"], i["Labels"]) for i in listed] == [
        (["app:1", "me/app:2"], [], 7, {"a": "1"})
    ]
    shown = ask(routes, "GET", "/images/me/app:2/json").json
    assert shown["Id"] == listed[0]["Id"]
    assert shown["Config"] == {"Cmd": ["sh"], "Labels": {"a": "1"}, "ExposedPorts": {"1/tcp": {}}}
    assert len(shown["RootFS"]["Layers"]) == 2
    assert shown["GraphDriver"]["Data"]["UpperDir"].endswith("/fs")
    assert shown["Created"] == "2024-05-06T07:08:09.5Z"


def test_older_clients_find_the_fields_they_know(store: Parts) -> None:
    view = store.images.view(SCOPE, "app:1")
    shown = wire.render_inspect(view, [], (1, 40))
    assert (shown["VirtualSize"], shown["Config"]["AttachStdin"], shown["Config"]["Cmd"]) == (7, False, ["sh"])
    assert wire.render_summary(view, (1, 40))["VirtualSize"] == 7
    store.load(docker_archive([BASE], tags=[]))
    nameless = [wire.render_summary(v, (1, 40))["RepoTags"] for v in store.images.list_(SCOPE) if not v.references]
    assert nameless == [["<none>:<none>"]]


def test_names_with_slashes_ports_and_digests_reach_their_image(routes: list[Route]) -> None:
    tagged = ask(routes, "POST", "/images/app:1/tag?repo=127.0.0.1:5000/a/b&tag=x")
    assert tagged.status == 201
    assert ask(routes, "GET", "/images/127.0.0.1:5000/a/b:x/json").status == 200
    assert ask(routes, "GET", "/images/127.0.0.1%3A5000%2Fa%2Fb:x/json").status == 200
    assert ask(routes, "GET", "/images/json/json").status == 404


@pytest.mark.parametrize(
    ("method", "target", "status", "message"),
    [
        ("GET", "/images/nosuch/json", 404, "No such image: nosuch:latest"),
        ("GET", "/images/Bad/json", 400, "invalid reference format: repository name (library/Bad) must be lowercase"),
        ("GET", "/images/nosuch/history", 404, "No such image: nosuch:latest"),
        ("GET", "/images/nosuch/get", 404, "No such image: nosuch:latest"),
        ("GET", "/images/get", 400, "names: no image is named"),
        ("DELETE", "/images/nosuch", 404, "No such image: nosuch:latest"),
        ("POST", "/images/nosuch/tag?repo=x", 404, "No such image: nosuch:latest"),
        ("POST", "/images/app:1/tag?repo=x&tag=a+b", 400, "invalid tag format"),
        ("GET", '/images/json?filters={"nosuch":["1"]}', 400, "invalid filter 'nosuch'"),
        ("POST", "/images/create", 400, "fromImage or fromSrc is missing"),
        ("POST", "/images/create?fromImage=a&tag=1&platform=a/b/c/d", 400,
         '"a/b/c/d" is an invalid OS/architecture specifier'),
        ("POST", "/images/create?fromSrc=http://x/y", 501,
         "import from a URL: not supported by Berth; send the archive itself (fromSrc=-)"),
        ("POST", "/images/create?fromImage=127.0.0.1:1/x&tag=1", 500,
         'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'),
        ("POST", "/images/load?platform=a/b/c/d", 400, '"a/b/c/d" is an invalid OS/architecture specifier'),
        ("POST", "/images/Bad/push", 400, "invalid reference format: repository name (library/Bad) must be lowercase"),
        ("POST", "/images/app/push?tag=a+b", 400, "invalid tag format"),
    ],
)  # fmt: skip
def test_what_is_refused(routes: list[Route], method: str, target: str, status: int, message: str) -> None:
    answer = ask(routes, method, target)
    assert (answer.status, answer.message) == (status, message)


def test_load_save_history_remove_prune(routes: list[Route]) -> None:
    archive = ask(routes, "GET", "/images/get?names=app:1&names=me/app:2").body
    assert ask(routes, "GET", "/images/app:1/history").json[0]["Tags"] == ["app:1", "me/app:2"]
    removed = ask(routes, "DELETE", "/images/app:1").json + ask(routes, "DELETE", "/images/me/app:2").json
    assert [next(iter(r)) for r in removed] == ["Untagged", "Untagged", "Deleted", "Deleted", "Deleted"]
    loaded = ask(routes, "POST", "/images/load?quiet=1", body=archive)
    assert [line["stream"] for line in loaded.lines] == ["Loaded image: app:1\n", "Loaded image: me/app:2\n"]
    pruned = ask(routes, "POST", '/images/prune?filters={"dangling":["false"]}').json
    assert pruned["SpaceReclaimed"] == 7
    assert ask(routes, "POST", "/images/prune").json == {"ImagesDeleted": None, "SpaceReclaimed": 0}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "invalid archive: it has neither a manifest.json nor an index.json"),
        (b"garbage" * 300, "invalid tar header"),
        (ARCHIVE[:2000], "unexpected end of the tar stream"),
    ],
)
def test_a_bad_archive_is_told_in_band(store: Parts, routes: list[Route], body: bytes, says: str) -> None:
    before = store.files()
    answer = ask(routes, "POST", "/images/load?quiet=1", body=body)
    assert answer.status == 200
    assert says in answer.lines[-1]["error"]
    assert answer.lines[-1]["errorDetail"] == {"message": answer.lines[-1]["error"]}
    assert store.files() == before


def test_a_push_with_a_password(store: Parts, routes: list[Route], guarded: str) -> None:
    ask(routes, "POST", f"/images/app:1/tag?repo={guarded}/pushed&tag=1")
    refused = ask(routes, "POST", f"/images/{guarded}/pushed/push?tag=1", headers=auth("wrong"))
    assert refused.status == 200
    assert refused.lines[-1] == {
        "error": "unauthorized: authentication required",
        "errorDetail": {"message": "unauthorized: authentication required"},
    }
    pushed = ask(routes, "POST", f"/images/{guarded}/pushed/push?tag=1", headers=auth(PASSWORD))
    assert pushed.lines[0] == {"status": f"The push refers to repository [{guarded}/pushed]"}
    aux = pushed.lines[-1]["aux"]
    assert pushed.lines[-1] == {"progressDetail": {}, "aux": aux}
    assert pushed.lines[-2] == {"status": f"1: digest: {aux['Digest']} size: {aux['Size']}"}
    shown = ask(routes, "GET", f"/images/{guarded}/pushed:1/json").json
    assert shown["RepoDigests"] == [f"{guarded}/pushed@{aux['Digest']}"]


def test_an_import_takes_changes(routes: list[Route]) -> None:
    target = "/images/create?fromSrc=-&repo=made&tag=1&message=by+hand&changes=CMD+%5B%22x%22%5D&changes=ENV+A%3D1"
    made = ask(routes, "POST", target, body=BASE).lines
    shown = ask(routes, "GET", "/images/made:1/json").json
    assert made == [{"status": shown["Id"]}]
    assert (shown["Comment"], shown["Config"]) == ("by hand", {"Cmd": ["x"], "Env": ["A=1"]})


def test_a_pull_with_a_password(store: Parts, routes: list[Route], guarded: str) -> None:
    target = f"/images/create?fromImage={guarded}/app&tag=1"
    none = ask(routes, "POST", target)
    assert (none.status, none.message) == (
        500,
        f'Head "http://{guarded}/v2/app/manifests/1": no basic auth credentials',
    )
    wrong = ask(routes, "POST", target, headers=auth("wrong"))
    assert (wrong.status, wrong.message) == (500, "unauthorized: authentication required")
    pulled = ask(routes, "POST", target, headers=auth(PASSWORD))
    assert pulled.status == 200
    assert pulled.lines[-1] == {"status": f"Status: Downloaded newer image for {guarded}/app:1"}
    shown = ask(routes, "GET", f"/distribution/{guarded}/app:1/json", headers=auth(PASSWORD)).json
    assert shown["Platforms"] == [{"architecture": "amd64", "os": "linux"}]
    assert f"Digest: {shown['Descriptor']['digest']}" in [line["status"] for line in pulled.lines]


def test_a_failure_after_the_first_line_is_a_line(store: Parts, routes: list[Route], tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(docker_archive([BASE, TOP]))
    with registries.registry(tmp_path / "r") as address:
        registries.push(tmp_path / "a.tar", address, "app:9", "--dest-tls-verify=false")
        for blob in tmp_path.glob("r/data/**/data"):
            if blob.read_bytes()[:2] == b"\x1f\x8b":
                blob.write_bytes(b"x" * blob.stat().st_size)
        store.images.remove(SCOPE, "app:1", force=True)
        store.images.remove(SCOPE, "me/app:2", force=True)
        answer = ask(routes, "POST", f"/images/create?fromImage={address}/app&tag=9")
    assert answer.status == 200
    assert answer.lines[-1]["error"] == answer.lines[-1]["errorDetail"]["message"]
    assert "filesystem layer verification failed for digest sha256:" in answer.lines[-1]["error"]


def test_a_client_that_goes_ends_its_pull(store: Parts, routes: list[Route], tmp_path: Path) -> None:
    noise = tars.tree({"noise": bytes(range(256)) * 2000})
    (tmp_path / "a.tar").write_bytes(docker_archive([noise]))
    with registries.registry(tmp_path / "r") as address:
        registries.push(tmp_path / "a.tar", address, "app:9", "--dest-tls-verify=false")
        line = BreakingLine(address)
        line.bytes_per_second = 1000
        before = store.files()
        started = time.monotonic()

        def leave(exchange: Any) -> None:
            for callback in exchange.gone:
                callback()

        lines = gone_pull(routes, f"/images/create?fromImage={line.address}/app&tag=9", leave)
        line.close()
    assert "context canceled" in lines[-1]["error"]
    assert time.monotonic() - started < 5
    assert store.files() == before


def gone_pull(routes: list[Route], target: str, leave: Any) -> list[dict[str, Any]]:
    """Read a pull's answer; `leave` after the first line."""
    path, _, query = target.partition("?")
    exchange = FakeExchange("POST", path, query)
    reply = App(routes, 1 << 20)(exchange)
    lines = []
    for chunk in reply.body:  # type: ignore[union-attr]
        lines.append(json.loads(chunk))
        leave(exchange)
    return lines


def test_a_team_sees_only_its_own(routes: list[Route]) -> None:
    team = {"Berth-Namespace": "team", "Berth-Actor": "ann"}
    assert ask(routes, "GET", "/images/json", headers=team, surface=Surface.WEB).json == []
    gone = ask(routes, "DELETE", "/images/app:1", headers=team, surface=Surface.WEB)
    assert gone.status == 404
    ask(routes, "POST", "/images/load", body=ARCHIVE, headers=team, surface=Surface.WEB)
    assert len(ask(routes, "GET", "/images/json", headers=team, surface=Surface.WEB).json) == 1
    assert len(ask(routes, "GET", "/images/json").json) == 1


@pytest.mark.parametrize("path", ["/images/app:1/json", "/images/app:1/history", "/images/app:1/get"])
def test_a_platform_must_be_the_images_own(routes: list[Route], path: str) -> None:
    for text in ("linux/amd64", '{"os": "linux", "architecture": "amd64"}'):
        assert ask(routes, "GET", f"{path}?platform={text}").status == 200
    answer = ask(routes, "GET", f'{path}?platform={{"os": "linux", "architecture": "arm64"}}')
    assert (answer.status, "its platform (linux/amd64) does not match" in answer.message) == (404, True)
    assert ask(routes, "GET", f'{path}?platform={{"os": 5}}').status == 400
