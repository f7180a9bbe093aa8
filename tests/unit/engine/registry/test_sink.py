"""Uploads to servers that answer oddly: tokens that run out, relative places, refusals, mounts that are not made."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from engine.errors import BerthError, InvalidArgument, Unavailable
from engine.refs import Reference, digest_of
from engine.registry.auth import Credentials
from engine.registry.client import Registries
from engine.registry.errors import Transient
from engine.registry.sink import Sink
from engine.registry.transport import Transport
from tests.support.registries import OddRegistry, reply

PARTS = [b"0123456789" * 1000, b"x", b"y" * 70_000]
DIGEST = digest_of(b"".join(PARTS))
Handler = http.server.BaseHTTPRequestHandler


class Uploads:
    """A server's side of an upload; `refuse` answers instead where it returns True."""

    def __init__(self, server: OddRegistry) -> None:
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.refusals: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        """Method → answers to give first."""
        server.hook = self._answer

    def _answer(self, handler: Handler) -> bool:
        if handler.path == "/v2/":
            return _reply(handler, 200, {})
        body = _body(handler)
        self.requests.append(f"{handler.command} {handler.path}")
        self.bodies.append(body)
        if waiting := self.refusals.get(handler.command):
            return _reply(handler, *waiting.pop(0))
        if handler.command == "HEAD":
            return _reply(handler, 404, {})
        if handler.command in ("POST", "PATCH"):
            return _reply(handler, 202, {"Location": f"/up/load?state={len(self.requests)}"})
        return _reply(handler, 201, {})


def _reply(handler: Handler, status: int, headers: Mapping[str, str], body: bytes = b"") -> bool:
    with suppress(OSError):  # the client has broken off
        reply(handler, status, {**headers, "Connection": "close"}, body)
    return True


def _body(handler: Handler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline() or b"0", 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)


@pytest.fixture
def server() -> Iterator[OddRegistry]:
    """Return a server."""
    made = OddRegistry()
    yield made
    made.close()


def opened(server: OddRegistry) -> Sink:
    """Return the repository `app` of a server, for the user anna."""
    registries = Registries(Transport(Path("/nonexistent"), ()))
    return registries.open_sink(Reference.parse(f"{server.address}/app:1"), Credentials("anna", "s3cret"))


def test_an_upload_follows_the_places_it_is_told(server: OddRegistry) -> None:
    uploads = Uploads(server)
    assert opened(server).upload(lambda: PARTS) == (DIGEST, sum(map(len, PARTS)))
    assert uploads.requests == [
        "POST /v2/app/blobs/uploads/",
        "PATCH /up/load?state=1",
        f"PUT /up/load?state=2&digest={DIGEST.replace(':', '%3A')}",
    ]
    assert uploads.bodies == [b"", b"".join(PARTS), b""]


def test_a_stream_is_sent_from_its_beginning_when_credentials_are_asked_for_in_the_middle(server: OddRegistry) -> None:
    uploads = Uploads(server)
    uploads.refusals["PATCH"] = [(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")]
    assert opened(server).upload(lambda: iter(PARTS))[0] == DIGEST
    assert uploads.bodies == [b"", b"".join(PARTS), b"".join(PARTS), b""]
    patches = [authorization for path, authorization in server.seen if path == "/up/load?state=1"]
    assert [text.partition(" ")[0] for text in patches] == ["", "Basic"]


def test_bytes_of_another_digest_are_taken_back(server: OddRegistry) -> None:
    uploads = Uploads(server)
    with pytest.raises(InvalidArgument, match="digest mismatch: expected sha256:a"):
        opened(server).upload(lambda: PARTS, "sha256:" + "a" * 64)
    assert [text.partition(" ")[0] for text in uploads.requests] == ["POST", "PATCH", "DELETE"]


def test_an_error_of_the_stream_itself_passes_through_and_is_taken_back(server: OddRegistry) -> None:
    uploads = Uploads(server)
    closed = []

    def broken() -> Iterator[bytes]:
        try:
            yield PARTS[0]
            raise InvalidArgument("damaged")
        finally:
            closed.append(True)

    with pytest.raises(InvalidArgument, match="^damaged$"):
        opened(server).upload(broken)
    assert closed
    assert "PUT" not in [text.partition(" ")[0] for text in uploads.requests]


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (503, b"", Transient, "received unexpected HTTP status: 503 Service Unavailable"),
        (
            429,
            b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
            Transient,
            "toomanyrequests: slow down",
        ),
        (403, b'{"errors":[{"code":"DENIED","message":"not yours"}]}', BerthError, "denied: not yours"),
        (413, b"", BerthError, "received unexpected HTTP status: 413"),
        (202, b"", Unavailable, "an upload without a Location"),
    ],
)
def test_refusals_are_the_registrys_own_words(
    server: OddRegistry, status: int, body: bytes, kind: type[BerthError], says: str
) -> None:
    Uploads(server).refusals["POST"] = [(status, {}, body)]
    with pytest.raises(kind, match=says):
        opened(server).upload(lambda: PARTS)


def test_a_mount_that_is_not_made_leaves_no_upload(server: OddRegistry) -> None:
    uploads = Uploads(server)
    assert opened(server).mount(DIGEST, "other/app") is False
    assert uploads.requests == [
        f"POST /v2/app/blobs/uploads/?mount={DIGEST.replace(':', '%3A')}&from=other%2Fapp",
        "DELETE /up/load?state=1",
    ]
    uploads.refusals["POST"] = [(201, {}, b""), (403, {}, b"")]
    assert opened(server).mount(DIGEST, "other/app") is True
    assert opened(server).mount(DIGEST, "other/app") is False


def test_closing_ends_a_request_that_is_never_answered(server: OddRegistry) -> None:
    asked, let_go = threading.Event(), threading.Event()

    def silent(handler: Handler) -> bool:
        if handler.path == "/v2/":
            return _reply(handler, 200, {})
        handler.close_connection = True
        asked.set()
        return bool(let_go.wait(10))

    server.hook = silent
    sink = opened(server)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            sink.has(DIGEST)
        except Unavailable as error:
            failed.append(error)

    sender = threading.Thread(target=ask)
    sender.start()
    assert asked.wait(5)
    started = time.monotonic()
    sink.close()
    sender.join(5)
    assert time.monotonic() - started < 1
    assert failed
    let_go.set()
    with pytest.raises(Unavailable, match="context canceled"):
        sink.has(DIGEST)
