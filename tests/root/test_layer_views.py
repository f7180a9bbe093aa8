"""Layers can be looked into: folders, files, origins, waste, differences, and no way out of a layer. Needs root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.containers.store import ContainerStore
from engine.errors import InvalidArgument, NotFound
from engine.services.layer_views import LayerViews, Subject
from engine.storage import layertree
from engine.values import Scope
from tests.fakes import tars
from tests.fakes.image_store import SCOPE, Parts, docker_archive, opened
from tests.fakes.make import a_container
from tests.fakes.tars import link, member, tar

BASE = tar(
    member("etc"), member("etc/a", b"aaaa"), member("etc/b", b"bb"), member("var"), member("var/cache"),
    member("var/cache/x", b"x" * 100), member("var/cache/y", b"y" * 10), link("out", "/etc"), link("up", "../../.."),
)  # fmt: skip
TOP = tar(
    member("etc"), member("etc/a", b"AAAAAA"), member("etc/.wh.b", b""), member("etc/new", b"n"),
    member("var/cache"), member("var/cache/.wh..wh..opq", b""), member("var/cache/z", b"z"),
)  # fmt: skip


@pytest.fixture
def store() -> Iterator[Parts]:
    """Return a store with `app:1` of BASE and TOP, and `base:1` of BASE."""
    with opened() as parts:
        parts.load(docker_archive([BASE, TOP]))
        parts.load(docker_archive([BASE], ["base:1"]))
        yield parts


@pytest.fixture
def views(store: Parts) -> LayerViews:
    """Return the layers' views of the store."""
    return views_of(store)


def views_of(store: Parts) -> LayerViews:
    """Return the views of any store."""
    containers = ContainerStore(store.database)
    return LayerViews(
        images=store.images, containers=containers, snapshots=store.snapshots, layers=store.layers,
        garbage=store.garbage,
    )  # fmt: skip


def shown(views: LayerViews, subject: Subject, path: str, layer: int | None = None, **options: object) -> list[str]:
    """Return a folder's entries as `name change layer`."""
    asked = {"merged": True, "after": "", "limit": 1000, **options}
    page = views.list_(subject, path, layer, **asked)  # type: ignore[arg-type]
    return [f"{entry.name} {entry.change or '-'} {entry.layer}" for entry in page.entries]


def test_a_folder_shows_what_each_layer_did(views: LayerViews) -> None:
    app = views.image(SCOPE, "app:1")
    assert shown(views, app, "/etc", 0) == ["a added 0", "b added 0"]
    assert shown(views, app, "/etc") == ["a changed 1", "b removed 0", "new added 1"]
    assert shown(views, app, "/var/cache") == ["x removed 0", "y removed 0", "z added 1"]
    assert shown(views, app, "/") == ["etc changed 1", "out - 0", "up - 0", "var changed 1"]
    assert shown(views, app, "/", merged=False) == ["etc changed 1", "var changed 1"]


def test_a_folder_comes_in_pages(views: LayerViews) -> None:
    app = views.image(SCOPE, "app:1")
    page = views.list_(app, "/etc", None, merged=True, after="", limit=2)
    assert (page.total, page.following, len(page.entries)) == (3, "b", 2)
    assert shown(views, app, "/etc", after="b", limit=2) == ["new added 1"]


def test_a_file_is_read_as_a_layer_has_it(views: LayerViews) -> None:
    app = views.image(SCOPE, "app:1")

    def read(path: str, layer: int | None = None, merged: bool = True) -> bytes:
        with os.fdopen(views.open_file(app, path, layer, merged=merged), "rb") as file:
            return file.read()

    assert (read("/etc/a"), read("/etc/a", 0)) == (b"AAAAAA", b"aaaa")
    assert read("/var/cache/x", 0) == b"x" * 100
    for path, layer, merged in (("/etc/b", 1, True), ("/var/cache/x", 1, True), ("/nope", 1, True), ("/up", 1, False)):
        with pytest.raises(NotFound):
            read(path, layer, merged)
    with pytest.raises(InvalidArgument, match="not a file but a folder"):
        read("/etc")


def test_the_layer_that_brought_a_path(views: LayerViews) -> None:
    app = views.image(SCOPE, "app:1")
    steps = {
        path: [(s.layer, s.change) for s in views.origin(app, path)] for path in ("/etc/a", "/etc/b", "/var/cache/x")
    }
    assert steps == {
        "/etc/a": [(0, "added"), (1, "changed")],
        "/etc/b": [(0, "added"), (1, "removed")],
        "/var/cache/x": [(0, "added"), (1, "removed")],
    }
    with pytest.raises(NotFound, match="no layer has this path"):
        views.origin(app, "/nope")


def test_wasted_bytes_and_efficiency(views: LayerViews) -> None:
    found = views.economy(views.image(SCOPE, "app:1"))
    assert [(w.path, w.size, w.layers) for w in found.waste] == [
        ("/var/cache/x", 100, (1,)), ("/var/cache/y", 10, (1,)), ("/etc/a", 4, (1,)), ("/etc/b", 2, (1,)),
    ]  # fmt: skip
    assert (found.total, found.wasted) == (124, 116)
    assert found.efficiency == pytest.approx(8 / 124)
    assert views.economy(views.image(SCOPE, "base:1")).efficiency == 1.0


def test_two_images_differ(views: LayerViews) -> None:
    app, base = views.image(SCOPE, "app:1"), views.image(SCOPE, "base:1")
    page = views.diff(base, app, 0, 100)
    assert [(d.path, d.change) for d in page.items] == [
        ("/etc/a", "changed"), ("/etc/b", "removed"), ("/etc/new", "added"),
        ("/var/cache/x", "removed"), ("/var/cache/y", "removed"), ("/var/cache/z", "added"),
    ]  # fmt: skip
    assert page.counts == {"changed": 1, "removed": 3, "added": 2}
    back = views.diff(app, base, 4, 1)
    assert [(d.path, d.change) for d in back.items] == [("/var/cache/y", "added")]
    assert back.following == 5
    assert views.diff(app, app, 0, 10).items == ()


def test_a_difference_of_images_without_a_common_layer(store: Parts, views: LayerViews) -> None:
    store.load(docker_archive([tars.tree({"etc/a": b"aaaa", "only": b"1"})], ["other:1"]))
    page = views.diff(views.image(SCOPE, "base:1"), views.image(SCOPE, "other:1"), 0, 100)
    changes = {item.path: item.change for item in page.items}
    assert (changes["/only"], changes["/etc/b"], changes["/var"]) == ("added", "removed", "removed")


def test_a_container_is_its_image_and_a_layer_of_its_own(store: Parts, views: LayerViews) -> None:
    image = store.images.get(SCOPE, "app:1")
    container = a_container(image_id=image.id, chain=image.chain)
    store.snapshots.prepare(container.id, image.chain)
    upper = store.snapshots.upper(container.id)
    (upper / "etc").mkdir()
    (upper / "etc/made").write_text("12345")
    os.mknod(upper / "etc/a", 0o020000, os.makedev(0, 0))
    subject = Subject(image, container, image.chain)
    assert shown(views, subject, "/etc") == ["a removed 1", "made added 2", "new - 1"]
    rows = views.layers(SCOPE, subject)
    assert [(row.index, row.size, bool(row.chain_id)) for row in rows] == [(0, 116, True), (1, 8, True), (2, 5, False)]
    page = views.diff(Subject(image, None, image.chain), subject, 0, 10)
    assert [(d.path, d.change) for d in page.items] == [("/etc/a", "removed"), ("/etc/made", "added")]


def test_layers_say_what_made_them_and_who_shares_them(views: LayerViews) -> None:
    base, top = views.layers(SCOPE, views.image(SCOPE, "app:1"))
    assert ([len(base.shared_by), len(top.shared_by)], base.size, top.size) == ([1, 0], 116, 8)
    with pytest.raises(NotFound, match="No such image"):
        views.image(Scope(namespace="other"), "app:1")


@pytest.mark.parametrize("path", ["/up/etc", "/out/a", "/etc/a/b", "/etc/" + "n" * 300])
def test_no_path_leaves_its_layer(views: LayerViews, path: str) -> None:
    app = views.image(SCOPE, "app:1")
    with pytest.raises(NotFound):
        views.list_(app, path, None, merged=True, after="", limit=10)
    with pytest.raises(NotFound):
        views.open_file(app, path, None, merged=True)


@pytest.mark.parametrize("path", ["/../etc", "/etc/..", "/a\0b", "/" + "a/" * 3000])
def test_odd_paths_are_refused(views: LayerViews, path: str) -> None:
    with pytest.raises(InvalidArgument, match="no path within an image"):
        views.origin(views.image(SCOPE, "app:1"), path)


def test_what_an_upper_folder_turns_into_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("host")
    layer = tmp_path / "layer"
    (layer / "dir").mkdir(parents=True)
    (layer / "file").symlink_to(secret)
    (layer / "dir/deep").symlink_to(tmp_path)
    os.mkfifo(layer / "pipe")
    with layertree.opened([layer]) as stack:
        for path in ("/file", "/pipe"):
            with pytest.raises(InvalidArgument, match="is not a file"):
                stack.open_file(path, 0, merged=True)
        with pytest.raises(NotFound):
            stack.open_file("/dir/deep/secret", 0, merged=True)
        assert [entry.node.link for entry in stack.list_("/dir", 0, merged=True).entries] == [str(tmp_path)]
