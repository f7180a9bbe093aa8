"""The registry client against servers that answer oddly: redirects, tokens that run out, mirrors, limits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import BerthError, InvalidArgument, NotFound, Unavailable
from engine.refs import Reference, digest_of
from engine.registry import client
from engine.registry.auth import Credentials
from engine.registry.client import Registries
from engine.registry.errors import RegistryError, Transient
from engine.registry.source import Source
from engine.registry.transport import Transport
from tests.support.registries import OddRegistry, reply

MANIFEST = b'{"schemaVersion":2}'
BLOB = b"0123456789" * 1000
DIGEST = "sha256:" + hashlib.sha256(BLOB).hexdigest()


@pytest.fixture
def server() -> Iterator[OddRegistry]:
    """Return a server that knows only what a test tells it."""
    made = OddRegistry()
    made.answers["/v2/"] = (200, {}, b"{}")
    made.answers["/v2/app/manifests/1"] = (200, {"Content-Type": "x/y"}, MANIFEST)
    made.answers[f"/v2/app/blobs/{DIGEST}"] = (200, {}, BLOB)
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[OddRegistry]:
    """Return a second server."""
    made = OddRegistry()
    yield made
    made.close()


def opened(server: OddRegistry, credentials: Credentials | None = None) -> Source:
    """Return the repository `app` of a server."""
    registries = Registries(Transport(Path("/nonexistent"), ()))
    return registries.open(Reference.parse(f"{server.address}/app:1"), credentials)


def test_a_manifest_comes_with_its_type_and_digest(server: OddRegistry) -> None:
    fetched = opened(server).manifest("1")
    assert (fetched.data, fetched.media_type, fetched.digest) == (MANIFEST, "x/y", digest_of(MANIFEST))


def test_a_manifest_by_digest_is_verified(server: OddRegistry) -> None:
    wanted = digest_of(b"another")
    server.answers[f"/v2/app/manifests/{wanted}"] = (200, {}, MANIFEST)
    with pytest.raises(InvalidArgument, match=f"manifest verification failed for digest {wanted}"):
        opened(server).manifest(wanted)


def test_a_manifest_has_a_limit(server: OddRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MANIFEST_LIMIT", 1000)
    server.answers["/v2/app/manifests/1"] = (200, {}, b" " * 1001)
    with pytest.raises(InvalidArgument, match="larger than 1000 bytes"):
        opened(server).manifest("1")


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (404, b"", NotFound, "received unexpected HTTP status: 404 Not Found"),
        (404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}', NotFound,
         "repository {a}/app not found: name unknown: repository name not known to registry"),
        (403, b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}', NotFound,
         "pull access denied for {a}/app, repository does not exist or may require 'docker login': denied: requested"),
        (500, b"oops", Transient, "received unexpected HTTP status: 500 Internal Server Error"),
        (429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"wait"}]}', Transient, "toomanyrequests: wait"),
        (400, b'{"errors":[{"code":"TAG_INVALID","message":"no"}]}', RegistryError, "tag invalid: no"),
        (418, b'{"errors":{}}', RegistryError, "received unexpected HTTP status: 418"),
    ],
)  # fmt: skip
def test_refusals_are_in_dockers_words(
    server: OddRegistry, status: int, body: bytes, kind: type[BerthError], says: str
) -> None:
    server.answers["/v2/app/manifests/1"] = (status, {}, body)
    with pytest.raises(kind) as refused:
        opened(server).manifest("1")
    assert says.format(a=server.address) in str(refused.value)


def test_a_blob_is_resumed_where_the_server_can(server: OddRegistry) -> None:
    def partial(handler: object) -> bool:
        wanted = handler.headers.get("Range")  # type: ignore[attr-defined]
        if wanted != "bytes=9990-":
            return False
        return reply(handler, 206, {"Content-Range": "bytes 9990-9999/10000"}, BLOB[9990:])  # type: ignore[arg-type]

    server.hook = partial
    stream = opened(server).blob(DIGEST, 9990)
    assert (stream.offset, b"".join(stream)) == (9990, BLOB[9990:])
    server.hook = lambda handler: False
    stream = opened(server).blob(DIGEST, 9990)
    assert (stream.offset, b"".join(stream)) == (0, BLOB)


def test_a_blob_that_is_cut_is_transient(server: OddRegistry) -> None:
    def cut(handler: object) -> bool:
        if "/blobs/" not in handler.path:  # type: ignore[attr-defined]
            return False
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.send_header("Content-Length", str(len(BLOB)))  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        handler.wfile.write(BLOB[:5000])  # type: ignore[attr-defined]
        handler.close_connection = True  # type: ignore[attr-defined]
        return True

    server.hook = cut
    with pytest.raises(Transient, match="unexpected EOF"):
        b"".join(opened(server).blob(DIGEST))


def test_content_encoding_is_not_undone(server: OddRegistry) -> None:
    server.answers[f"/v2/app/blobs/{DIGEST}"] = (200, {"Content-Encoding": "gzip"}, BLOB)
    assert b"".join(opened(server).blob(DIGEST)) == BLOB


def with_basic(server: OddRegistry) -> None:
    """Let a server ask for Basic credentials."""

    def guarded(handler: object) -> bool:
        if handler.headers.get("Authorization") or handler.path == "/v2/":  # type: ignore[attr-defined]
            return False
        return reply(handler, 401, {"WWW-Authenticate": 'Basic realm="x"'})  # type: ignore[arg-type]

    server.hook = guarded


def test_credentials_do_not_follow_a_redirect_to_another_host(server: OddRegistry, other: OddRegistry) -> None:
    with_basic(server)
    server.answers[f"/v2/app/blobs/{DIGEST}"] = (307, {"Location": f"http://{other.address}/bucket/blob?sig=1"}, b"")
    other.answers["/bucket/blob"] = (200, {}, BLOB)
    source = opened(server, Credentials("anna", "s3cret"))
    assert b"".join(source.blob(DIGEST)) == BLOB
    assert server.seen[-1][1].startswith("Basic ")
    assert other.seen == [("/bucket/blob?sig=1", "")]


def test_credentials_follow_a_redirect_within_the_host(server: OddRegistry) -> None:
    with_basic(server)
    server.answers[f"/v2/app/blobs/{DIGEST}"] = (307, {"Location": "/elsewhere"}, b"")
    server.answers["/elsewhere"] = (200, {}, BLOB)
    assert b"".join(opened(server, Credentials("anna", "s3cret")).blob(DIGEST)) == BLOB
    assert server.seen[-1][1].startswith("Basic ")


def test_redirects_end(server: OddRegistry) -> None:
    server.answers["/v2/app/manifests/1"] = (302, {"Location": "/v2/app/manifests/1"}, b"")
    with pytest.raises(Unavailable, match="stopped after 5 redirects"):
        opened(server).manifest("1")


def test_a_redirect_to_another_scheme_is_refused(server: OddRegistry) -> None:
    server.answers["/v2/app/manifests/1"] = (302, {"Location": "file:///etc/passwd"}, b"")
    with pytest.raises(Unavailable, match="refused: it is not HTTPS"):
        opened(server).manifest("1")


def token_service(server: OddRegistry, other: OddRegistry, lifetime: int) -> None:
    """Let `other` give out tokens and `server` accept each for `lifetime` requests."""
    left: dict[str, int] = {}

    def give(handler: object) -> bool:
        token = f"token{len(left)}"
        left[token] = lifetime
        return reply(handler, 200, {}, json.dumps({"token": token}).encode())  # type: ignore[arg-type]

    def check(handler: object) -> bool:
        token = handler.headers.get("Authorization", "").removeprefix("Bearer ")  # type: ignore[attr-defined]
        if left.get(token, 0) > 0:
            left[token] -= 1
            return False
        error = ',error="invalid_token"' if token else ""
        challenge = f'Bearer realm="http://{other.address}/token",service="s"{error}'
        return handler.path != "/v2/" and reply(handler, 401, {"WWW-Authenticate": challenge})  # type: ignore

    server.hook, other.hook = check, give


def test_a_token_that_ran_out_is_fetched_again_in_the_middle(server: OddRegistry, other: OddRegistry) -> None:
    token_service(server, other, lifetime=2)
    source = opened(server, Credentials("anna", "s3cret"))
    for _ in range(5):
        assert source.manifest("1").data == MANIFEST
    assert len(other.seen) == 3
    path, authorization = other.seen[0]
    assert path == "/token?service=s&scope=repository%3Aapp%3Apull&client_id=berth&account=anna"
    assert authorization.startswith("Basic ")


def test_a_token_that_is_never_accepted_is_unauthorized(server: OddRegistry, other: OddRegistry) -> None:
    token_service(server, other, lifetime=0)
    with pytest.raises(BerthError, match="unauthorized: authentication required"):
        opened(server).manifest("1")


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nb"}'])
def test_a_bad_token_answer_is_refused(server: OddRegistry, other: OddRegistry, answer: bytes) -> None:
    token_service(server, other, lifetime=1)
    other.hook = lambda handler: reply(handler, 200, {}, answer)
    with pytest.raises(Unavailable, match="did not include a token"):
        opened(server).manifest("1")


def test_tags_come_page_by_page(server: OddRegistry) -> None:
    def pages(handler: object) -> bool:
        if not handler.path.startswith("/v2/app/tags/list"):  # type: ignore[attr-defined]
            return False
        if "last=b" in handler.path:  # type: ignore[attr-defined]
            return reply(handler, 200, {}, b'{"tags":["c"]}')  # type: ignore[arg-type]
        link = {"Link": '</v2/app/tags/list?last=b>; rel="next"'}
        return reply(handler, 200, link, b'{"tags":["a","b"]}')  # type: ignore[arg-type]

    server.hook = pages
    assert opened(server).tags() == ["a", "b", "c"]


def test_mirrors_are_asked_before_docker_hub_without_credentials(server: OddRegistry, other: OddRegistry) -> None:
    server.answers["/v2/library/busybox/manifests/latest"] = (200, {}, MANIFEST)
    mirrors = (f"http://{other.address}/", f"http://{server.address}")
    registries = Registries(Transport(Path("/nonexistent"), ()), mirrors)
    source = registries.open(Reference.parse("busybox:latest"), Credentials("anna", "s3cret"))
    assert source.manifest("latest").data == MANIFEST
    assert other.seen == [("/v2/library/busybox/manifests/latest", "")], "the first has nothing, the second is asked"
    assert server.seen == [("/v2/library/busybox/manifests/latest", "")]


@pytest.mark.parametrize(
    ("authority", "insecure"),
    [
        ("127.0.0.1:5000", True), ("127.9.9.9", True), ("localhost:1", True), ("[::1]:5000", True),
        ("reg.lan:5000", True), ("reg.lan", False), ("10.0.0.1:5000", False), ("localhost.evil.com", False),
        ("127.0.0.1.evil.com", False),
    ],
)  # fmt: skip
def test_who_may_speak_plain_http(authority: str, insecure: bool) -> None:
    assert Transport(Path("/nonexistent"), ("reg.lan:5000",)).is_insecure(authority) is insecure


def test_credentials_of_dockers_header() -> None:
    assert Credentials.parse({}) == Credentials()
    assert Credentials.parse({"auth": "YTpiOmM="}) == Credentials("a", "b:c")
    assert Credentials.parse({"auth": "!"}) == Credentials()
    assert Credentials.parse({"username": "a", "password": "b", "identitytoken": "t"}).identity_token == "t"


def test_a_registry_that_is_asked_too_much_says_how_long_to_wait(server: OddRegistry) -> None:
    server.answers["/v2/app/manifests/1"] = (429, {"Retry-After": "3"}, b"")
    with pytest.raises(Transient) as caught:
        opened(server).manifest("1")
    assert caught.value.wait == 3
