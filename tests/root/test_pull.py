"""Pulls from Debian's docker-registry: what arrives, what is refused, what breaks. Needs root: layers are unpacked."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from engine.errors import BerthError, Exhausted, InvalidArgument, NotFound, Unauthorized, Unavailable, Unsupported
from engine.refs import Reference, digest_of
from tests.fakes import tars
from tests.fakes.image_store import SCOPE, Parts, config_of, docker_archive, next_events, opened
from tests.support import registries
from tests.support.registries import PASSWORD, USER, BreakingLine, OddRegistry, put_manifest, reply, upload

DOCKER = "application/vnd.docker."
OCI = "application/vnd.oci.image."
BASE = tars.tree({"etc/motd": b"base", "bin/sh": b"#!"})
TOP = tars.tree({"etc/motd": b"top"})
NOISE = tars.tree({f"noise{n}": random.Random(n).randbytes(400_000) for n in range(10)})
_serial = itertools.count()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of an open registry."""
    with registries.registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def store() -> Iterator[Parts]:
    """Return an empty store."""
    with opened() as parts:
        yield parts


def push(address: str, *layers: bytes, compress: Any = gzip.compress, kind: str = "docker", **changes: Any) -> str:
    """Push an image without anybody's help; return its name. `changes` override fields of the manifest."""
    repository = f"r{next(_serial)}/app"
    if kind == "docker":
        types = (DOCKER + "distribution.manifest.v2+json", DOCKER + "container.image.v1+json",
                 DOCKER + "image.rootfs.diff.tar.gzip")  # fmt: skip
    else:
        types = (OCI + "manifest.v1+json", OCI + "config.v1+json", OCI + f"layer.v1.tar+{kind}")
    packed = [compress(layer) for layer in layers]
    config = changes.pop("config", None) or config_of(layers)
    manifest = {
        "schemaVersion": 2,
        "mediaType": types[0],
        "config": {"mediaType": types[1], **upload(address, repository, config)},
        "layers": [{"mediaType": types[2], **upload(address, repository, data)} for data in packed],
        **changes,
    }
    put_manifest(address, repository, "1", manifest)
    return f"{address}/{repository}:1"


def statuses(progress: list[Any], short: str) -> list[str]:
    """Return the distinct statuses of one layer, in order."""
    return [key for key, _ in itertools.groupby(p.status for p in progress if p.id == short)]


def test_a_pull_tells_what_docker_tells(store: Parts, registry: str) -> None:
    name = push(registry, BASE, TOP)
    progress = store.pull(name)
    view = store.images.view(SCOPE, name)
    digest = next(r.digest for r in view.references if r.digest)
    assert progress[0].status == f"Pulling from {Reference.parse(name).path}"
    assert [p.status for p in progress[-2:]] == [
        f"Digest: {digest}",
        f"Status: Downloaded newer image for {name}",
    ]
    for layer in view.image.layers:
        told = statuses(progress, layer.blob[7:19])
        assert told == [
            "Pulling fs layer", "Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete",
        ]  # fmt: skip
    last = [p for p in progress if p.status == "Downloading"][-1]
    assert last.current == last.total > 0
    assert {r.familiar for r in view.references} == {name, f"{name.removesuffix(':1')}@{digest}"}


def test_pulling_again_finds_it_up_to_date(store: Parts, registry: str) -> None:
    name = push(registry, BASE)
    store.pull(name)
    before = store.files()
    progress = store.pull(name)
    assert [p.status for p in progress[1:]][::2] == ["Already exists", f"Status: Image is up to date for {name}"]
    assert store.files() == before


def test_a_pull_is_an_event_with_the_names_of_docker(store: Parts, registry: str) -> None:
    name = push(registry, BASE)
    events = next_events(store, lambda: store.pull(name))
    assert [(e.type, e.action, e.actor_id) for e in events] == [("image", "pull", name)]
    assert events[0].attributes["name"] == name.removesuffix(":1")


@pytest.mark.parametrize(
    ("kind", "compress"),
    [
        ("docker", gzip.compress),
        ("gzip", gzip.compress),
        ("zstd", zstandard.ZstdCompressor(write_checksum=True).compress),
    ],
)
def test_manifests_of_both_kinds_and_layers_of_all(store: Parts, registry: str, kind: str, compress: Any) -> None:
    name = push(registry, BASE, TOP, kind=kind, compress=compress)
    store.pull(name)
    store.snapshots.prepare("c", store.images.get(SCOPE, name).chain)
    assert (store.snapshots.mount("c") / "etc/motd").read_text() == "top"
    store.snapshots.remove("c")


def test_uncompressed_layers(store: Parts, registry: str) -> None:
    layer = {"mediaType": OCI + "layer.v1.tar", **upload(registry, "plain", BASE)}
    config = {"mediaType": OCI + "config.v1+json", **upload(registry, "plain", config_of([BASE]))}
    put_manifest(registry, "plain", "1", {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                                         "config": config, "layers": [layer]})  # fmt: skip
    store.pull(f"{registry}/plain:1")
    assert store.images.get(SCOPE, f"{registry}/plain:1").size == 6


def test_a_layer_that_comes_twice_in_an_image(store: Parts, registry: str) -> None:
    name = push(registry, BASE, TOP, TOP)
    store.pull(name)
    assert len(set(store.images.get(SCOPE, name).chain)) == 3


def index_of_platforms(registry: str) -> str:
    """Push an index for amd64, arm64 and arm/v6, with an attestation among them."""
    entries: list[dict[str, Any]] = []
    for architecture, variant, content in (("arm", "v6", b"6"), ("arm64", "v8", b"8"), ("amd64", "", b"64")):
        layer = tars.tree({"arch": content})
        config = json.loads(config_of([layer]))
        config["architecture"] = architecture
        packed = gzip.compress(layer)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": {"mediaType": OCI + "config.v1+json", **upload(registry, "multi", json.dumps(config).encode())},
            "layers": [{"mediaType": OCI + "layer.v1.tar+gzip", **upload(registry, "multi", packed)}],
        }
        digest = put_manifest(registry, "multi", architecture, manifest)
        platform = {"os": "linux", "architecture": architecture, "variant": variant}
        entries.append({"mediaType": manifest["mediaType"], "digest": digest, "size": len(json.dumps(manifest)),
                        "platform": platform})  # fmt: skip
    unknown = {**entries[0], "platform": {"os": "unknown", "architecture": "unknown"},
               "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}  # fmt: skip
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [unknown, *entries]}
    put_manifest(registry, "multi", "all", index)
    return f"{registry}/multi:all"


@pytest.mark.parametrize(
    ("platform", "architecture"),
    [("", "amd64"), ("linux/arm64", "arm64"), ("linux/arm64/v8", "arm64"), ("linux/arm", "arm"), ("arm/v6", "")],
)
def test_an_index_gives_the_image_of_the_platform(
    store: Parts, registry: str, platform: str, architecture: str
) -> None:
    name = index_of_platforms(registry)
    if not architecture:
        with pytest.raises(NotFound, match="no matching manifest for arm/v6 in the manifest list entries"):
            store.pull(name, platform)
        return
    progress = store.pull(name, platform)
    view = store.images.view(SCOPE, name)
    assert view.image.architecture == architecture
    top = next(p.status for p in progress if p.status.startswith("Digest"))
    assert top.removeprefix("Digest: ") == view.references[-1].digest != view.image.manifest


def test_by_digest_only_the_digest_is_a_name(store: Parts, registry: str) -> None:
    store.pull(push(registry, BASE))
    digest = next(r for v in store.images.list_(SCOPE) for r in v.references if r.digest)
    store.images.remove(SCOPE, store.images.list_(SCOPE)[0].image.id)
    store.pull(f"{digest.name}:ignored@{digest.digest}")
    assert store.images.list_(SCOPE)[0].references == (digest,)
    assert store.images.get(SCOPE, f"{digest.name}@{digest.digest}")


def test_without_a_tag_all_tags_are_pulled(store: Parts, registry: str) -> None:
    archive = docker_archive([BASE])
    for tag in ("a", "b"):
        Path(f"/tmp/berth-{os.getpid()}.tar").write_bytes(archive)
        registries.push(Path(f"/tmp/berth-{os.getpid()}.tar"), registry, f"tags/x:{tag}", "--dest-tls-verify=false")
    Path(f"/tmp/berth-{os.getpid()}.tar").unlink()
    store.pull(f"{registry}/tags/x")
    names = [r.familiar for v in store.images.list_(SCOPE) for r in v.references if r.tag]
    assert names == [f"{registry}/tags/x:a", f"{registry}/tags/x:b"]


@pytest.mark.parametrize(
    ("repository", "kind", "says"),
    [
        ("nosuch:1", NotFound, "manifest for {a}/nosuch:1 not found: manifest unknown: manifest unknown"),
        ("nosuch@sha256:" + "a" * 64, NotFound, "not found: manifest unknown"),
    ],
)
def test_what_the_registry_does_not_have(
    store: Parts, registry: str, repository: str, kind: type[BerthError], says: str
) -> None:
    with pytest.raises(kind) as missing:
        store.pull(f"{registry}/{repository}")
    assert says.format(a=registry) in str(missing.value)
    assert store.files() == []


def test_an_unreachable_registry_is_named(store: Parts) -> None:
    with pytest.raises(Unavailable) as failed:
        store.pull("127.0.0.1:1/app:1")
    assert str(failed.value) == 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'
    with pytest.raises(Unavailable) as failed:
        store.pull("registry.invalid/app:1")
    assert str(failed.value) == 'Get "https://registry.invalid/v2/": dial tcp: lookup registry.invalid: no such host'


@pytest.mark.parametrize(
    ("layers", "changes", "kind", "says"),
    [
        ([b"no tar" * 500], {}, InvalidArgument, "failed to register layer: invalid tar header"),
        ([tars.tree({"../evil": b"x"})], {}, InvalidArgument, 'failed to register layer: "../evil" is outside'),
        ([BASE[:1300]], {}, InvalidArgument, "failed to register layer: unexpected end of the tar stream"),
        (
            [tars.tar(tars.link("out", "/tmp"), tars.member("out/evil", b"x"))],
            {},
            InvalidArgument,
            'failed to register layer: "out/evil" would be written through the symbolic link "out"',
        ),
        ([BASE], {"config": config_of([TOP])}, InvalidArgument, "failed to register layer: wrong diff id"),
        ([BASE], {"config": config_of([BASE, TOP])}, InvalidArgument, "manifest has 2 layers, its configuration 3"),
        ([BASE], {"config": b"{}"}, InvalidArgument, "rootfs.type is not `layers`"),
        ([BASE], {"config": b"\xff\xfe{"}, InvalidArgument, "invalid image configuration"),
    ],
    ids=range(8),
)
def test_bad_images_are_refused_and_leave_the_store_as_it_was(
    store: Parts, registry: str, layers: list[bytes], changes: Any, kind: type[BerthError], says: str
) -> None:
    store.load(docker_archive([TOP], tags=["old:1"]))
    before = store.files()
    with pytest.raises(kind) as refused:
        store.pull(push(registry, NOISE, *layers, **_with_noise(changes)))
    assert says in str(refused.value)
    assert store.files() == before
    assert not Path("/tmp/evil").exists()


def _with_noise(changes: dict[str, Any]) -> dict[str, Any]:
    """Return `changes` with the good layer's diff id put first into a configuration."""
    if "rootfs" not in str(changes.get("config", "")):
        return dict(changes)
    document = json.loads(changes["config"])
    document["rootfs"]["diff_ids"].insert(0, digest_of(NOISE))
    return {**changes, "config": json.dumps(document).encode()}


def test_a_layer_that_is_not_gzip_inside(store: Parts, registry: str) -> None:
    with pytest.raises(InvalidArgument, match="failed to register layer: corrupt gzip data"):
        store.pull(push(registry, BASE, compress=lambda data: gzip.compress(data)[:-9]))
    assert store.files() == []


def test_bytes_that_are_not_those_of_the_digest(store: Parts, tmp_path: Path) -> None:
    with registries.registry(tmp_path) as address:
        name = push(address, BASE, NOISE)
        digest = digest_of(gzip.compress(NOISE))
        store.pull(name)
        blob = next(layer.blob for layer in store.images.get(SCOPE, name).layers if layer.size > 100)
        store.images.remove(SCOPE, name)
        file = next(tmp_path.glob(f"data/**/{blob.partition(':')[2]}/data"))
        spoilt = bytearray(file.read_bytes())
        spoilt[1000] ^= 1
        file.write_bytes(spoilt)
        with pytest.raises(InvalidArgument, match=f"filesystem layer verification failed for digest {blob}") as bad:
            store.pull(name)
    assert "digest mismatch" in str(bad.value)
    assert store.files() == []
    assert digest


def test_other_things_than_images_are_refused_by_name(store: Parts, registry: str) -> None:
    config = {"mediaType": "application/vnd.cncf.helm.config.v1+json", **upload(registry, "helm", b"{}")}
    manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": []}
    put_manifest(registry, "helm", "1", manifest)
    with pytest.raises(Unsupported, match=r"vnd\.cncf\.helm"):
        store.pull(f"{registry}/helm:1")


def test_basic_authentication(store: Parts, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(docker_archive([BASE]))
    with registries.registry(tmp_path / "r", registries.basic(tmp_path)) as address:
        registries.push(tmp_path / "a.tar", address, "app:1", "--dest-tls-verify=false",
                        "--dest-creds", f"{USER}:{PASSWORD}")  # fmt: skip
        with pytest.raises(Unauthorized, match='^Head "http://.*/v2/app/manifests/1": no basic auth credentials$'):
            store.pull(f"{address}/app:1")
        with pytest.raises(Unauthorized, match="^unauthorized: authentication required$"):
            store.pull(f"{address}/app:1", username=USER, password="wrong")
        assert store.files() == []
        store.pull(f"{address}/app:1", username=USER, password=PASSWORD)
        assert store.images.get(SCOPE, f"{address}/app:1")
        assert store.pulls.login(address, USER, PASSWORD) == ""
        with pytest.raises(Unauthorized, match="login attempt to .* failed with status: 401 Unauthorized"):
            store.pulls.login(f"http://{address}/v2/", USER, "wrong")


def test_bearer_tokens(store: Parts, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(docker_archive([BASE]))
    service = registries.TokenService(tmp_path / "token")
    with registries.registry(tmp_path / "r", service.settings()) as address:
        for name in ("private", "public"):
            registries.push(tmp_path / "a.tar", address, f"{name}:1", "--dest-tls-verify=false",
                            "--dest-creds", f"{USER}:{PASSWORD}")  # fmt: skip
        service.public.add("public")
        store.pull(f"{address}/public:1")
        with pytest.raises(NotFound) as denied:
            store.pull(f"{address}/private:1")
        assert str(denied.value) == (
            f"pull access denied for {address}/private, repository does not exist or may require 'docker login': "
            "denied: requested access to the resource is denied"
        )
        with pytest.raises(Unauthorized, match='^Head "http.*/1": unauthorized: incorrect username or password$'):
            store.pull(f"{address}/private:1", username=USER, password="wrong")
        service.requests.clear()
        store.pull(f"{address}/private:1", username=USER, password=PASSWORD)
        assert service.requests == [{"user": USER, "scope": "repository:private:pull"}], "one token serves the pull"
        assert store.pulls.login(address, USER, PASSWORD) == ""
        with pytest.raises(Unauthorized):
            store.pulls.login(address, USER, "wrong")
    service.close()


def test_https_with_an_authority_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(docker_archive([BASE]))
    settings = registries.tls(tmp_path / "ca")
    with registries.registry(tmp_path / "r", settings) as address:
        trusted = tmp_path / "trusted"
        trusted.mkdir()
        (trusted / "ca.crt").write_bytes((tmp_path / "ca/ca.crt").read_bytes())
        registries.push(tmp_path / "a.tar", address, "app:1", "--dest-cert-dir", str(trusted))
        certs = tmp_path / "certs" / address
        certs.mkdir(parents=True)
        with opened(certs_dir=tmp_path / "certs") as store:
            with pytest.raises(Unavailable, match="tls: failed to verify certificate: x509"):
                store.pull(f"{address}/app:1")
        (certs / "ca.crt").write_bytes((tmp_path / "ca/ca.crt").read_bytes())
        with opened(certs_dir=tmp_path / "certs") as store:
            store.pull(f"{address}/app:1")
            assert store.images.get(SCOPE, f"{address}/app:1")
        with opened() as store:  # loopback without a folder: HTTPS unverified, as Docker's insecure registries
            store.pull(f"{address}/app:1")


def test_a_broken_connection_is_resumed(store: Parts, registry: str) -> None:
    line = BreakingLine(registry)
    line.cut_every, line.cuts_left = 1_500_000, 2
    name = push(registry, NOISE)
    progress = store.pull(name.replace(registry, line.address))
    line.close()
    assert line.cuts == 2
    assert [p.status for p in progress if p.status.startswith("Retrying")] == ["Retrying in 1 second"] * 2
    assert line.sent < 4_600_000, "what had arrived was not sent again"


def test_a_line_that_always_breaks_fails_in_the_end_and_leaves_nothing(
    store: Parts, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.services.pull_layers._FIRST_DELAY", 0.01)
    line = BreakingLine(registry)
    name = push(registry, NOISE)
    store.pull(push(registry, BASE).replace(registry, line.address))
    before = store.files()
    line.cut_every, line.cuts_left = 2_000, 1000
    with pytest.raises(Unavailable):
        store.pull(name.replace(registry, line.address))
    line.close()
    assert store.files() == before


def test_two_pulls_share_a_download(store: Parts, registry: str) -> None:
    line = BreakingLine(registry)
    line.bytes_per_second = 20_000_000
    name = push(registry, NOISE).replace(registry, line.address)
    threads = [threading.Thread(target=store.pull, args=(name,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    line.close()
    assert store.images.get(SCOPE, name)
    assert line.sent < 4_500_000


def test_a_pull_that_is_given_up_ends_at_once_and_leaves_nothing(store: Parts, registry: str) -> None:
    line = BreakingLine(registry)
    line.bytes_per_second = 400_000
    name = push(registry, BASE, NOISE).replace(registry, line.address)
    pull = store.pulls.pull(SCOPE, Reference.parse(name))
    for progress in pull:
        if progress.status == "Downloading" and progress.total > 100_000:
            break
    started = time.monotonic()
    pull.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 2
    line.close()
    assert store.files() == []
    assert not [t.name for t in threading.enumerate() if t.name.startswith(("pull-", "read-ahead"))]


def test_stop_ends_a_pull_that_hears_nothing(store: Parts, registry: str) -> None:
    line = BreakingLine(registry)
    line.bytes_per_second = 50_000
    name = push(registry, NOISE).replace(registry, line.address)
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    started = time.monotonic()
    with pytest.raises(Unavailable, match="context canceled"):
        list(store.pulls.pull(SCOPE, Reference.parse(name), stop=stop))
    assert time.monotonic() - started < 3
    line.close()
    assert store.files() == []


def test_a_full_disk_is_said_and_leaves_nothing(registry: str, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "berth-test", tmp_path], check=True)
    try:
        with opened(tmp_path / "root") as store:
            store.pull(push(registry, BASE))
            before = store.files()
            for layers in ([NOISE], [tars.tree({"zeros": bytes(20_000_000)})]):
                with pytest.raises(Exhausted, match="no space left on device"):
                    store.pull(push(registry, *layers))
                assert store.files() == before
            store.pull(push(registry, TOP))
    finally:
        subprocess.run(["umount", tmp_path], check=True)


KILLED = """
import sys
from pathlib import Path
from tests.fakes.image_store import opened
with opened(Path(sys.argv[1])) as store:
    for progress in store.pulls.pull(*__import__("tests.root.test_pull", fromlist=["x"]).pull_arguments(sys.argv[2])):
        print(progress.status, flush=True)
"""


def pull_arguments(name: str) -> tuple[Any, Reference]:
    """Return the arguments of the pull that is killed."""
    return SCOPE, Reference.parse(name)


@pytest.mark.parametrize("moment", ["Pulling fs layer", "Downloading", "Extracting", "Pull complete", "Digest"])
def test_kill_9_in_the_middle_leaves_nothing_after_the_next_start(registry: str, tmp_path: Path, moment: str) -> None:
    line = BreakingLine(registry)
    line.bytes_per_second = 8_000_000
    name = push(registry, BASE, NOISE).replace(registry, line.address)
    with opened(tmp_path) as store:
        store.load(docker_archive([TOP], tags=["old:1"]))
        before = store.files()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path, name], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout
    for status in process.stdout:
        if status.startswith(moment):
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    line.close()
    with opened(tmp_path) as store:
        store.images.recover()
        if moment == "Digest":
            assert store.images.get(SCOPE, name)
            store.images.remove(SCOPE, name)
        assert store.files() == before
        assert [r.familiar for v in store.images.list_(SCOPE) for r in v.references] == ["old:1"]


def test_a_registry_that_throttles_is_asked_again_when_it_wants(store: Parts, registry: str) -> None:
    name = push(registry, BASE).removeprefix(f"{registry}/")
    asked: list[float] = []
    front = OddRegistry()

    def hook(handler: Any) -> bool:
        if "/blobs/" in handler.path:
            asked.append(time.monotonic())
        if len(asked) != 1:
            return reply(handler, 307, {"Location": f"http://{registry}{handler.path}"})
        return reply(handler, 429, {"Retry-After": "1"}, b'{"errors": [{"code": "TOOMANYREQUESTS"}]}')

    front.hook = hook
    try:
        store.pull(f"{front.address}/{name}")
    finally:
        front.close()
    assert store.images.get(SCOPE, f"{front.address}/{name}").size
    assert asked[1] - asked[0] >= 1


def test_a_search_finds_what_the_registry_has(store: Parts, registry: str) -> None:
    repository = push(registry, BASE).rpartition(":")[0]
    assert repository in [row.name for row in store.pulls.search(f"{registry}/app", {}, {}, 100)]
    assert store.pulls.search(f"{registry}/nothing-like-this", {}, {}, 100) == []
