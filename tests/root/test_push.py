"""Pushes to Debian's docker-registry: what arrives is what a peer and a second store of ours pull. Needs root."""

from __future__ import annotations

import gzip
import http.server
import json
import random
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from engine.errors import BerthError, InvalidArgument, NotFound, Unauthorized, Unavailable
from engine.refs import Reference, digest_of
from tests.fakes import tars
from tests.fakes.image_store import SCOPE, Parts, docker_archive, next_events, opened
from tests.root.test_pull import BASE, NOISE, TOP, push, statuses
from tests.support import registries
from tests.support.registries import PASSWORD, USER, BreakingLine, OddRegistry

ACCEPT = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of an open registry."""
    with registries.registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def other(tmp_path: Path) -> Iterator[str]:
    """Return the address of an empty registry."""
    with registries.registry(tmp_path / "other") as address:
        yield address


@pytest.fixture
def store() -> Iterator[Parts]:
    """Return an empty store."""
    with opened() as parts:
        yield parts


def digest_at(name: str) -> tuple[str, str]:
    """Return digest and type of the manifest that a registry has under `host/path:tag`, by plain HTTP."""
    reference = Reference.parse(name)
    url = f"http://{reference.domain}/v2/{reference.path}/manifests/{reference.tag}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": ACCEPT}), timeout=10) as answer:
        return digest_of(answer.read()), answer.headers["Content-Type"]


def skopeo_copies(name: str, folder: Path) -> dict[str, Any]:
    """Let skopeo fetch and verify all of an image; return its manifest."""
    done = subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false", f"docker://{name}", f"dir:{folder}"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folder / "manifest.json").read_text()))


def moved(store: Parts, name: str, registry: str) -> str:
    """Tag an image for another registry and push it; return the new name."""
    target = Reference.parse(f"{registry}/{Reference.parse(name).path}:2")
    store.images.tag(SCOPE, name, target.name, target.tag)
    store.push(str(target))
    return str(target)


@pytest.mark.parametrize(
    ("kind", "compress"),
    [
        ("docker", lambda data: gzip.compress(data, 3)),
        ("gzip", lambda data: gzip.compress(data, 1)),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_what_was_pulled_goes_on_byte_by_byte(
    store: Parts, registry: str, other: str, tmp_path: Path, kind: str, compress: Any
) -> None:
    name = push(registry, BASE, TOP, kind=kind, compress=compress)
    store.pull(name)
    target = moved(store, name, other)
    assert digest_at(target) == digest_at(name)
    skopeo_copies(target, tmp_path / "copy")
    with opened() as second:
        second.pull(target)
        assert second.images.get(SCOPE, target).id == store.images.get(SCOPE, name).id


def test_a_loaded_image_arrives_and_has_the_same_digest_from_every_engine(
    store: Parts, registry: str, other: str, tmp_path: Path
) -> None:
    for address, parts in ((registry, store), (other, None)):
        name = f"{address}/loaded:1"
        with opened() as second:
            sender = parts or second
            sender.load(docker_archive([BASE, TOP], tags=[name], Cmd=["x"]))
            sender.push(name)
    assert digest_at(f"{registry}/loaded:1") == digest_at(f"{other}/loaded:1")
    found = skopeo_copies(f"{registry}/loaded:1", tmp_path / "copy")
    assert found["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    packed = [tmp_path / "copy" / layer["digest"].partition(":")[2] for layer in found["layers"]]
    assert [gzip.decompress(path.read_bytes()) for path in packed] == [BASE, TOP]
    with opened() as second:
        second.pull(f"{registry}/loaded:1")
        assert second.images.get(SCOPE, f"{registry}/loaded:1").id == store.images.get(SCOPE, f"{registry}/loaded:1").id


def test_a_push_tells_what_docker_tells(store: Parts, registry: str) -> None:
    name = f"{registry}/tells:1"
    store.load(docker_archive([BASE, TOP], tags=[name]))
    progress = store.push(name)
    digest, _ = digest_at(name)
    assert progress[0].status == f"The push refers to repository [{registry}/tells]"
    image = store.images.get(SCOPE, name)
    tops = [diff_id[7:19] for diff_id in reversed(image.diff_ids)]
    assert [(p.status, p.id) for p in progress[1:3]] == [("Preparing", short) for short in tops]
    for short in tops:
        assert statuses(progress, short) == ["Preparing", "Pushing", "Pushed"]
    last = [p for p in progress if p.status == "Pushing"][-1]
    assert last.current == last.total > 0
    size = progress[-1].aux["Size"]
    assert progress[-2].status == f"1: digest: {digest} size: {size}"
    assert progress[-1].aux == {"Tag": "1", "Digest": digest, "Size": size}
    assert {r.familiar for r in store.images.view(SCOPE, name).references} == {name, f"{registry}/tells@{digest}"}


def test_pushing_again_sends_no_layer(store: Parts, registry: str) -> None:
    name = f"{registry}/again:1"
    store.load(docker_archive([BASE, TOP], tags=[name]))
    store.push(name)
    first = digest_at(name)
    progress = store.push(name)
    assert [p.status for p in progress if p.id] == ["Preparing"] * 2 + ["Layer already exists"] * 2
    assert digest_at(name) == first


def test_layers_are_taken_over_from_another_repository(store: Parts, registry: str) -> None:
    name = push(registry, BASE, NOISE)
    store.pull(name)
    image = store.images.get(SCOPE, name)
    target = f"{registry}/mounted/app:1"
    store.images.tag(SCOPE, name, f"{registry}/mounted/app", "1")
    progress = store.push(target)
    source = Reference.parse(name).path
    for diff_id in image.diff_ids:
        assert statuses(progress, diff_id[7:19]) == ["Preparing", f"Mounted from {source}"]
    assert digest_at(target) == digest_at(name)


def test_a_layer_whose_packed_bytes_are_not_kept(store: Parts, registry: str, other: str, tmp_path: Path) -> None:
    store.load(docker_archive([BASE], tags=["old:1"]))
    name = push(registry, BASE, TOP, compress=lambda data: gzip.compress(data, 1), kind="gzip")
    store.pull(name)
    image = store.images.get(SCOPE, name)
    assert [bool(layer.blob) for layer in image.layers] == [False, True]
    store.images.tag(SCOPE, name, f"{registry}/again/unkept", "1")
    store.push(f"{registry}/again/unkept:1")
    assert digest_at(f"{registry}/again/unkept:1") == digest_at(name), "the registry has it, under its own digest"
    target = moved(store, name, other)
    assert digest_at(target)[0] != digest_at(name)[0]
    found = skopeo_copies(target, tmp_path / "copy")
    assert {layer["mediaType"] for layer in found["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert found["config"]["digest"] == image.id
    again = store.push(target)
    assert [p.status for p in again if p.id] == ["Preparing"] * 2 + ["Layer already exists"] * 2


def test_without_a_tag_all_tags_are_pushed_as_one_event(store: Parts, registry: str) -> None:
    store.load(docker_archive([BASE], tags=[f"{registry}/all:a", f"{registry}/all:b"]))
    store.load(docker_archive([TOP], tags=[f"{registry}/all:c"]))
    events = next_events(store, lambda: store.push(f"{registry}/all"))
    assert digest_at(f"{registry}/all:a") == digest_at(f"{registry}/all:b") != digest_at(f"{registry}/all:c")
    assert [(e.type, e.action, e.actor_id, e.attributes["name"]) for e in events] == [
        ("image", "push", f"{registry}/all", f"{registry}/all")
    ]


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("nosuch:1", NotFound, "An image does not exist locally with the tag: 127.0.0.1:1/nosuch"),
        ("app:2", NotFound, "tag does not exist: 127.0.0.1:1/app:2"),
        ("app@sha256:" + "a" * 64, InvalidArgument, "cannot push a digest reference"),
        ("app:1", Unavailable, "dial tcp 127.0.0.1:1: connect: connection refused"),
    ],
)
def test_what_cannot_be_pushed(store: Parts, name: str, kind: type[BerthError], says: str) -> None:
    store.load(docker_archive([BASE], tags=["127.0.0.1:1/app:1"]))
    steps = store.pushes.push(SCOPE, Reference.parse(f"127.0.0.1:1/{name}"))
    assert next(steps).status.startswith("The push refers to repository [127.0.0.1:1/")
    with pytest.raises(kind) as refused:
        list(steps)
    assert str(refused.value).endswith(says)


def test_basic_authentication(store: Parts, tmp_path: Path) -> None:
    with registries.registry(tmp_path / "r", registries.basic(tmp_path)) as address:
        name = f"{address}/app:1"
        store.load(docker_archive([BASE, TOP], tags=[name]))
        with pytest.raises(Unauthorized, match="^no basic auth credentials$"):
            store.push(name)
        with pytest.raises(Unauthorized, match="^unauthorized: authentication required$"):
            store.push(name, username=USER, password="wrong")
        assert [r.familiar for r in store.images.view(SCOPE, name).references] == [name], "it has no digest there"
        store.push(name, username=USER, password=PASSWORD)
        with opened() as second:
            second.pull(name, username=USER, password=PASSWORD)


def test_bearer_tokens_cover_the_repository_mounted_from(store: Parts, tmp_path: Path) -> None:
    service = registries.TokenService(tmp_path / "token")
    with registries.registry(tmp_path / "r", service.settings()) as address:
        name = f"{address}/private:1"
        store.load(docker_archive([BASE, TOP], tags=[name]))
        with pytest.raises(BerthError, match="^denied: requested access to the resource is denied$"):
            store.push(name)
        service.requests.clear()
        store.push(name, username=USER, password=PASSWORD)
        assert {r["scope"] for r in service.requests} == {"repository:private:pull,push"}
        store.images.tag(SCOPE, name, f"{address}/second", "1")
        progress = store.push(f"{address}/second:1", username=USER, password=PASSWORD)
        assert [p.status for p in progress if p.status.startswith("Mounted")] == ["Mounted from private"] * 2
        store.push(f"{address}/second:1", username=USER, password=PASSWORD)
    service.close()


def test_https_with_an_authority_of_its_own(tmp_path: Path) -> None:
    with registries.registry(tmp_path / "r", registries.tls(tmp_path / "ca")) as address:
        certs = tmp_path / "certs" / address
        certs.mkdir(parents=True)
        (certs / "ca.crt").write_bytes((tmp_path / "ca/ca.crt").read_bytes())
        with opened(certs_dir=tmp_path / "certs") as store:
            store.load(docker_archive([BASE], tags=[f"{address}/app:1"]))
            store.push(f"{address}/app:1")
            store.images.remove(SCOPE, f"{address}/app:1", force=True)
            store.pull(f"{address}/app:1")


def test_a_broken_connection_is_tried_again(store: Parts, registry: str) -> None:
    line = BreakingLine(registry)
    line.cut_upload_every, line.cuts_left = 1_500_000, 2
    name = f"{line.address}/broken:1"
    store.load(docker_archive([NOISE], tags=[name]))
    progress = store.push(name)
    line.close()
    assert line.cuts == 2
    assert [p.status for p in progress if p.status.startswith("Retrying")] == ["Retrying in 1 second"] * 2
    with opened() as second:
        second.pull(f"{registry}/broken:1")


def test_a_push_that_is_given_up_ends_soon_and_names_nothing(store: Parts, registry: str) -> None:
    line = BreakingLine(registry)
    line.upload_bytes_per_second = 400_000
    name = f"{line.address}/slow:1"
    store.load(docker_archive([NOISE], tags=[name]))
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    started = time.monotonic()
    with pytest.raises(Unavailable, match="context canceled"):
        list(store.pushes.push(SCOPE, Reference.parse(name), stop=stop))
    assert time.monotonic() - started < 5
    line.close()
    assert [r.familiar for r in store.images.view(SCOPE, name).references] == [name]
    assert not [t.name for t in threading.enumerate() if t.name.startswith(("push-", "read-ahead"))]


def test_a_damaged_layer_is_not_sent(store: Parts, registry: str) -> None:
    name = f"{registry}/damaged:1"
    store.load(docker_archive([BASE], tags=[name]))
    file = store.layers.files(store.images.get(SCOPE, name).chain[0]) / "etc/motd"
    file.write_bytes(b"evil")
    with pytest.raises(BerthError, match="is damaged"):
        store.push(name)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        digest_at(name)


def test_credentials_do_not_follow_an_upload_to_another_host(store: Parts) -> None:
    front, storage = OddRegistry(), OddRegistry()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> bool:
        handler.close_connection = True
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if not handler.headers.get("Authorization") and not handler.path.startswith("/up"):
            return registries.reply(handler, 401, {"WWW-Authenticate": 'Basic realm="x"'})
        if handler.command == "HEAD":
            return registries.reply(handler, 404, {})
        return registries.reply(handler, 202, {"Location": f"http://{storage.address}/up"})

    front.hook = answer
    storage.hook = lambda handler: registries.reply(handler, 403, {"Connection": "close"})
    name = f"{front.address}/app:1"
    store.load(docker_archive([BASE], tags=[name]))
    with pytest.raises(BerthError):
        store.push(name, username=USER, password=PASSWORD)
    assert storage.seen
    assert {authorization for _, authorization in storage.seen} == {""}
    front.close()
    storage.close()


def test_random_tars_survive(store: Parts, registry: str) -> None:
    source = random.Random(7)
    layer = tars.tree({f"d/{n}": source.randbytes(source.randrange(200_000)) for n in range(20)})
    store.load(docker_archive([layer], tags=[f"{registry}/random:1"]))
    store.push(f"{registry}/random:1")
    with opened() as second:
        second.pull(f"{registry}/random:1")
        assert second.images.get(SCOPE, f"{registry}/random:1").diff_ids == (digest_of(layer),)
