"""The server over real sockets: framing, keep-alive, upgrades, clients that go or misbehave."""

import os
import socket
import stat
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.api.router import App, Call, Reply, Route
from engine.api.server import Listen, Server
from engine.errors import Conflict, InvalidArgument
from engine.values import Surface
from tests.fakes.wire import Client, served, serving


class Handlers:
    """One of each kind of answer; keeps what it saw."""

    def __init__(self) -> None:
        self.gone = threading.Event()
        self.stopped = threading.Event()
        self.begun = threading.Event()
        self.received: list[bytes] = []

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/small", lambda call: Reply.json({"ok": True})),
            Route("HEAD", "/small", lambda call: Reply.json({"ok": True})),
            Route("GET", "/none", lambda call: Reply.empty()),
            Route("GET", "/surface", lambda call: Reply.text(call.scope.surface.value)),
            Route("POST", "/echo", lambda call: Reply(200, call.body.read(), "application/octet-stream")),
            Route("POST", "/size", self.size),
            Route("POST", "/ignore", lambda call: Reply.empty()),
            Route("POST", "/json", lambda call: Reply.json(call.json())),
            Route("GET", "/three", lambda call: Reply.stream(iter([b"a", b"", b"b" * 100_000, b"c"]), "text/plain")),
            Route("GET", "/silent", self.silent),
            Route("GET", "/flood", self.flood),
            Route("GET", "/breaks", self.breaks),
            Route("GET", "/file", lambda call: Reply.file(Path(__file__).open("rb"), "text/x-python")),
            Route("POST", "/hijack", self.hijack),
            Route("POST", "/waits", self.waits),
        ]

    def size(self, call: Call) -> Reply:
        size = 0
        while part := call.body.read(1 << 20):
            size += len(part)
        return Reply.json({"size": size})

    def silent(self, call: Call) -> Reply:
        call.on_gone(self.gone.set)

        def chunks():
            self.begun.set()
            self.gone.wait(10)
            yield b""
            self.stopped.set()

        return Reply.stream(chunks(), "text/plain")

    def flood(self, call: Call) -> Reply:
        def chunks():
            try:
                while True:
                    yield b"x" * 60_000
            finally:
                self.stopped.set()

        return Reply.stream(chunks(), "text/plain")

    def breaks(self, call: Call) -> Reply:
        def chunks():
            yield b"first"
            raise RuntimeError("in the middle")

        return Reply.stream(chunks(), "text/plain")

    def hijack(self, call: Call) -> Reply:
        call.json()
        pipe = call.hijack("application/vnd.docker.raw-stream")
        while data := pipe.recv():
            self.received.append(data)
        pipe.sendall(b"got " + b"".join(self.received))
        pipe.shutdown_write()
        return Reply.hijacked()

    def waits(self, call: Call) -> Reply:
        pipe = call.hijack("application/vnd.docker.raw-stream")
        call.on_gone(self.gone.set)
        pipe.sendall(b"early")
        self.gone.wait(10)
        self.stopped.set()
        return Reply.hijacked()


@pytest.fixture(scope="module")
def path():
    with served(Handlers().routes()) as socket_path:
        yield socket_path


def test_requests_follow_each_other_on_one_connection(path):
    with Client(path) as client:
        for _ in range(3):
            status, headers, body = client.ask("GET", "/small")
            assert (status, body) == (200, b'{"ok":true}\n')
        assert headers["api-version"] == "1.50"
        assert headers["content-type"] == "application/json"


def test_a_parked_connection_is_served_again(path):
    with Client(path) as client:
        client.ask("GET", "/small")
        time.sleep(0.03)
        assert client.ask("GET", "/small")[0] == 200


def test_requests_sent_at_once_are_answered_in_order(path):
    with Client(path) as client:
        client.send(b"GET /small HTTP/1.1\r\nHost: d\r\n\r\nGET /nope HTTP/1.1\r\nHost: d\r\n\r\n" * 3)
        assert [client.answer()[0] for _ in range(6)] == [200, 404] * 3


def test_a_request_may_arrive_in_pieces(path):
    with Client(path) as client:
        for byte in b"POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc":
            client.send(bytes([byte]))
        assert client.answer()[2] == b"abc"


def test_head_has_the_length_and_no_body(path):
    with Client(path) as client:
        status, headers, _ = client.ask("HEAD", "/small")
        assert (status, headers["content-length"]) == (200, "12")
        assert client.ask("GET", "/small")[0] == 200


def test_no_content_has_no_length(path):
    with Client(path) as client:
        status, headers, _ = client.ask("GET", "/none")
        assert status == 204
        assert "content-length" not in headers


def test_close_is_honoured(path):
    with Client(path) as client:
        _, headers, _ = client.ask("GET", "/small", headers="Connection: close\r\n")
        assert headers["connection"] == "close"
        assert client.is_closed()


def test_an_old_client_gets_its_stream_until_the_end(path):
    with Client(path) as client:
        client.send(b"GET /three HTTP/1.0\r\n\r\n")
        status, headers, body = client.answer()
        assert (status, body) == (200, b"a" + b"b" * 100_000 + b"c")
        assert "transfer-encoding" not in headers


def test_a_stream_is_chunked_and_the_connection_goes_on(path):
    with Client(path) as client:
        assert client.ask("GET", "/three")[2] == b"a" + b"b" * 100_000 + b"c"
        assert client.ask("GET", "/small")[0] == 200


def test_a_stream_that_fails_has_no_end(path, caplog):
    with Client(path) as client:
        client.send(b"GET /breaks HTTP/1.1\r\nHost: d\r\n\r\n")
        client.head()
        assert client.chunk() == b"first"
        assert client.is_closed()
    assert "in the middle" in caplog.text


def test_a_file_is_sent_whole(path):
    with Client(path) as client:
        assert client.ask("GET", "/file")[2] == Path(__file__).read_bytes()
        assert client.ask("GET", "/small")[0] == 200


def test_a_chunked_upload_is_read_as_it_comes(path):
    with Client(path) as client:
        client.send(b"POST /size HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"%x\r\n%b\r\n" % (100_000, b"z" * 100_000)
        for _ in range(50):
            client.send(block)
        client.send(b"0\r\n\r\n")
        assert client.answer()[2] == b'{"size":5000000}\n'
        assert client.ask("GET", "/small")[0] == 200


def test_the_client_is_told_to_go_on_when_the_body_is_wanted(path):
    with Client(path) as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.head()[0] == 100
        client.send(b"abc")
        assert client.answer()[2] == b"abc"


def test_a_refusal_costs_no_upload(path):
    with Client(path) as client:
        client.send(b"POST /nope HTTP/1.1\r\nHost: d\r\nContent-Length: 999999\r\nExpect: 100-continue\r\n\r\n")
        status, headers, _ = client.answer()
        assert (status, headers["connection"]) == (404, "close")


def test_a_small_unread_body_is_skipped(path):
    with Client(path) as client:
        assert client.ask("POST", "/ignore", b"x" * 5000)[0] == 204
        assert client.ask("GET", "/small")[0] == 200


def test_a_large_unread_body_ends_the_connection_after_its_answer(path):
    with Client(path) as client:
        client.send(b"POST /ignore HTTP/1.1\r\nHost: d\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 1000)
        assert client.answer()[0] == 204
        assert client.is_closed()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /small HTTP/1.1\r\n\r\n", 400),
        (b"GET /small HTTP/1.1\r\nHost: d\r\nA : b\r\n\r\n", 400),
        (b"GET /small HTTP/1.1\r\nHost: d\r\nX: 1\r\n folded\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /echo HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /small HTTP/1.1\r\nHost: d\r\nExpect: magic\r\n\r\n", 417),
        (b"GET /small HTTP/1.1\r\nHost: d\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
    ids=["no host", "space before colon", "fold", "two lengths", "chunk size", "expect", "long head", "tls"],
)
def test_what_is_malformed_is_refused_and_closed(path, raw, status):
    with Client(path) as client:
        client.send(raw)
        assert client.answer()[0] == status
        assert client.is_closed()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            [
                b"GET ",
                b"/small",
                b" HTTP/1.1",
                b"\r\n",
                b"\n",
                b"Host: d",
                b"\r\n\r\n",
                b":",
                b" ",
                b"Content-Length: 3",
                b"Transfer-Encoding: chunked",
                b"abc",
                b"0",
                b"\x00",
                b"\xff",
                b"POST /echo HTTP/1.1\r\nHost: d\r\n",
            ]
        ),
        max_size=14,
    )
)
def test_no_bytes_stop_the_server(path, pieces):
    with Client(path) as client:
        try:
            client.send(b"".join(pieces))
            client.sock.shutdown(socket.SHUT_WR)
            while client.file.read(65536):
                pass
        except OSError:
            pass
    with Client(path) as client:
        assert client.ask("GET", "/small")[0] == 200


@pytest.fixture
def handlers():
    return Handlers()


def test_a_hijacked_connection_is_bare_after_the_head(handlers):
    with served(handlers.routes()) as path, Client(path) as client:
        client.send(
            b"POST /hijack HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}early"
        )
        status, headers = client.head()
        assert (status, headers["upgrade"]) == (101, "tcp")
        assert headers["content-type"] == "application/vnd.docker.raw-stream"
        client.send(b" and late")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.file.read() == b"got early and late"


def test_without_an_upgrade_the_bare_connection_begins_with_200(handlers):
    with served(handlers.routes()) as path, Client(path) as client:
        client.send(b"POST /hijack HTTP/1.1\r\nHost: d\r\n\r\nx")
        assert client.head()[0] == 200
        client.sock.shutdown(socket.SHUT_WR)
        assert client.file.read() == b"got x"


def test_the_first_output_waits_until_the_head_was_read(handlers):
    with served(handlers.routes()) as path, Client(path) as client:
        client.send(b"POST /waits HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        time.sleep(0.01)
        assert client.sock.recv(65536).endswith(b"\r\n\r\n")
        assert client.sock.recv(65536) == b"early"


def test_a_client_that_never_reads_the_head_is_not_waited_for_long(handlers):
    with served(handlers.routes()) as path, Client(path) as client:
        client.send(b"POST /waits HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        time.sleep(0.2)
        assert client.sock.recv(65536).endswith(b"early")


@pytest.mark.parametrize("request_line", ["GET /silent", "POST /waits"])
def test_a_silent_handler_learns_that_its_client_has_gone(handlers, request_line):
    with served(handlers.routes()) as path:
        with Client(path) as client:
            client.send(f"{request_line} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
            client.head()
            assert request_line != "POST /waits" or client.file.read(5) == b"early"
        assert handlers.stopped.wait(5)


def test_a_half_close_is_not_going(handlers):
    with served(handlers.routes()) as path, Client(path) as client:
        client.send(b"GET /silent HTTP/1.1\r\nHost: d\r\n\r\n")
        client.head()
        client.sock.shutdown(socket.SHUT_WR)
        assert not handlers.gone.wait(0.1)


def test_a_flood_ends_when_its_client_goes(handlers):
    with served(handlers.routes()) as path:
        with Client(path) as client:
            client.send(b"GET /flood HTTP/1.1\r\nHost: d\r\n\r\n")
            client.head()
        assert handlers.stopped.wait(5)


def test_a_client_that_stopped_reading_is_given_up_in_the_end(handlers):
    with served(handlers.routes(), write_seconds=0.1) as path, Client(path) as client:
        client.send(b"GET /flood HTTP/1.1\r\nHost: d\r\n\r\n")
        assert handlers.stopped.wait(5)


def test_a_client_that_pauses_is_not_cut_off(handlers):
    with served(handlers.routes()) as path, Client(path) as client:
        client.send(b"GET /flood HTTP/1.1\r\nHost: d\r\n\r\n")
        client.head()
        time.sleep(0.2)
        assert len(b"".join(client.chunk() for _ in range(100))) == 6_000_000


def test_each_socket_has_its_surface_mode_and_group(path):
    web = path.with_name("web.sock")
    with Client(path) as admin, Client(web) as client:
        assert admin.ask("GET", "/surface")[2] == b"admin"
        assert client.ask("GET", "/surface", headers="Berth-Namespace: t\r\n")[2] == b"web"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(web.stat().st_mode) == 0o660
    assert web.stat().st_gid == 12345


def test_a_socket_left_behind_is_taken_over_and_a_served_one_is_not(tmp_path):
    listen = (Listen(tmp_path / "s", Surface.ADMIN, 0o600),)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "s"))
    left.close()
    server = Server(App([], 100), listen)
    server.start()
    other = Server(App([], 100), listen)
    with pytest.raises(Conflict, match="already listens"):
        other.start()
    server.close()
    other.close()
    assert not (tmp_path / "s").exists()


def test_a_path_too_long_for_a_socket_is_named(tmp_path):
    server = Server(App([], 100), (Listen(tmp_path / ("x" * 120), Surface.ADMIN, 0o600),))
    with pytest.raises(InvalidArgument, match="too long"):
        server.start()
    server.close()


def test_closing_ends_streams_and_idle_connections(handlers):
    before = len(os.listdir("/proc/self/fd"))
    with served(handlers.routes()) as path:
        idle, busy = Client(path), Client(path)
        idle.ask("GET", "/small")
        busy.send(b"GET /silent HTTP/1.1\r\nHost: d\r\n\r\n")
        busy.head()
        time.sleep(0.03)
    assert idle.is_closed()
    assert handlers.stopped.is_set()
    for client in (idle, busy):
        client.file.close()
        client.sock.close()
    assert len(os.listdir("/proc/self/fd")) <= before  # fewer: what an earlier test left went meanwhile


def test_idle_connections_hold_no_threads(handlers):
    with serving(handlers.routes()) as (path, server), ExitStack() as open_clients:
        clients = [open_clients.enter_context(Client(path)) for _ in range(100)]
        for client in clients:
            assert client.ask("GET", "/small")[0] == 200
        deadline = time.monotonic() + 5
        while server.busy and time.monotonic() < deadline:
            time.sleep(0.005)
        assert server.busy == 0
        for client in clients:
            assert client.ask("GET", "/small")[0] == 200
