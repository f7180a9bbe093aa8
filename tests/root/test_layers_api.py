"""The API's routes of layers: shapes as docs/layers.md has them, files by ranges, what is refused. Needs root."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.api import layers as handlers
from engine.api.router import Route
from tests.fakes.http import ask
from tests.fakes.image_store import Parts, docker_archive, opened
from tests.root.test_layer_views import BASE, TOP, views_of

AT = "/v1.50/berth/images/me/app:1"


@pytest.fixture(scope="module")
def store() -> Iterator[Parts]:
    """Return a store with `me/app:1` of BASE and TOP, and `base:1` of BASE."""
    with opened() as parts:
        parts.load(docker_archive([BASE, TOP], ["me/app:1"]))
        parts.load(docker_archive([BASE], ["base:1"]))
        yield parts


@pytest.fixture
def routes(store: Parts) -> list[Route]:
    """Return the routes over it."""
    return handlers.routes(views_of(store), store.images)


def test_layers_are_listed(routes: list[Route], store: Parts) -> None:
    shown = ask(routes, "GET", f"{AT}/layers").json
    base, top = shown["layers"]
    assert (shown["size"], shown["container"], base["index"], base["size"], top["size"]) == (124, "", 0, 116, 8)
    assert (base["packed"], base["writable"]) == (None, False)
    assert [(image["names"], top["shared_by"]) for image in base["shared_by"]] == [(["base:1"], [])]


def test_a_folder_a_path_the_waste_and_a_difference(routes: list[Route]) -> None:
    page = ask(routes, "GET", f"{AT}/tree?path=/etc&limit=1").json
    assert (page["total"], page["next"]) == (3, "a")
    entry = page["entries"][0]
    assert entry.pop("mtime").startswith("2023-11-14T22:13:20")
    assert entry == {"name": "a", "change": "changed", "layer": 1, "kind": "file", "size": 6, "mode": 420,
                     "uid": 0, "gid": 0}  # fmt: skip
    root = ask(routes, "GET", f"{AT}/tree").json["entries"]
    assert {e["name"]: e.get("link") for e in root if e["kind"] == "link"} == {"out": "/etc", "up": "../../.."}
    steps = ask(routes, "GET", f"{AT}/origin?path=/etc/b").json["steps"]
    assert [(step["layer"], step["change"], bool(step["node"])) for step in steps] == [
        (0, "added", True), (1, "removed", False)
    ]  # fmt: skip
    waste = ask(routes, "GET", f"{AT}/waste?limit=1").json
    assert waste["files"] == [{"path": "/var/cache/x", "size": 100, "hidden_by": [1]}]
    assert (waste["total"], waste["visible"], waste["wasted"], waste["efficiency"], waste["count"]) == (
        124, 8, 116, 0.0645, 4
    )  # fmt: skip
    diff = ask(routes, "GET", f"{AT}/diff?with=base:1&limit=1").json
    assert (diff["entries"][0]["path"], diff["counts"], diff["next"]) == (
        "/etc/a", {"added": 2, "changed": 1, "removed": 3}, 1
    )  # fmt: skip
    assert (diff["entries"][0]["before"]["size"], diff["entries"][0]["after"]["size"]) == (4, 6)


@pytest.mark.parametrize(
    ("wanted", "status", "body", "range_"),
    [
        ("", 200, b"AAAAAA", None), ("bytes=0-1", 206, b"AA", "bytes 0-1/6"), ("bytes=-2", 206, b"AA", "bytes 4-5/6"),
        ("bytes=4-", 206, b"AA", "bytes 4-5/6"), ("bytes=2-99", 206, b"AAAA", "bytes 2-5/6"),
        ("bytes=0-1,3-4", 200, b"AAAAAA", None), ("lines=1-2", 200, b"AAAAAA", None),
    ],
)  # fmt: skip
def test_a_file_comes_whole_or_in_ranges(
    routes: list[Route], wanted: str, status: int, body: bytes, range_: str | None
) -> None:
    answer = ask(routes, "GET", f"{AT}/file?path=/etc/a", headers={"Range": wanted} if wanted else {})
    assert (answer.status, answer.body, answer.headers.get("Content-Range")) == (status, body, range_)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("wanted", ["bytes=6-", "bytes=9-10", "bytes=5-2"])
def test_a_range_outside_of_the_file(routes: list[Route], wanted: str) -> None:
    answer = ask(routes, "GET", f"{AT}/file?path=/etc/a", headers={"Range": wanted})
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */6")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("tree?path=/nope", 404), ("tree?path=/etc/a", 400), ("tree?layer=9", 400), ("tree?view=x", 400),
        ("tree?limit=0", 400), ("tree?limit=10001", 400), ("file", 400), ("file?path=/etc", 400),
        ("file?path=/etc/b", 404), ("origin?path=/../x", 400), ("diff", 400), ("diff?with=nope", 404),
    ],
)  # fmt: skip
def test_what_is_refused(routes: list[Route], query: str, status: int) -> None:
    answer = ask(routes, "GET", f"{AT}/{query}")
    assert (answer.status, list(answer.json)) == (status, ["message"])
