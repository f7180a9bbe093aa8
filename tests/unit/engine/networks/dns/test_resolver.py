"""The resolver over real sockets on loopback; the outside is a server of the test's own."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from engine.networks.dns import resolver as resolver_module
from engine.networks.dns.resolver import Client, Resolver
from engine.networks.dns.zone import Entry, Names

SERVER_FAILURE = 2


def question(name: str, kind: int = 1, identity: int = 77) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
    return struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!2H", kind, 1)


class Outside:
    """A resolver of the outside: answers each question with 9.9.9.9; counts what it was asked."""

    def __init__(self) -> None:
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.2", 0))
        self.port = self.udp.getsockname()[1]
        self.identities: list[int] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, peer = self.udp.recvfrom(512)
            if not data:
                return
            self.identities.append(int.from_bytes(data[:2], "big"))
            record = b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, 60, 4) + socket.inet_aton("9.9.9.9")
            self.udp.sendto(data[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0) + data[12:] + record, peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.udp.getsockname())
        self._thread.join()
        self.udp.close()


class Container:
    """A container's side: asks the resolver by UDP and TCP."""

    def __init__(self, resolver: Resolver, servers: tuple[str, ...]) -> None:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for listener in (udp, tcp):
            listener.bind(("127.0.0.1", 0))
        tcp.listen()
        self.udp_address, self.tcp_address = udp.getsockname(), tcp.getsockname()
        resolver.open("c", Client(udp, tcp, ("n1",), servers))

    def ask(self, data: bytes, seconds: float = 5) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(seconds)
            asking.sendto(data, self.udp_address)
            return asking.recv(4096)

    def ask_by_tcp(self, data: bytes) -> bytes:
        with socket.create_connection(self.tcp_address, timeout=5) as asking:
            asking.sendall(struct.pack("!H", len(data)) + data)
            size = int.from_bytes(asking.recv(2), "big")
            return asking.recv(size)


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    server = Outside()
    monkeypatch.setattr(resolver_module, "_PORT", server.port)
    monkeypatch.setattr(resolver_module, "_PATIENCE_SECONDS", 0.1)
    yield server
    server.close()


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    names = Names()
    names.add(Entry("c9", "n1", "front", "10.0.0.2", ("web",)))
    resolver = Resolver(names)
    yield resolver
    resolver.close()


def code_of(answer: bytes) -> int:
    return int.from_bytes(answer[2:4], "big") & 0xF


def test_a_name_of_the_network_is_answered_by_udp_and_tcp(resolver: Resolver) -> None:
    container = Container(resolver, ())
    for answer in (container.ask(question("web")), container.ask_by_tcp(question("WEB.front"))):
        assert answer[:2] == question("web")[:2]
        assert answer.endswith(socket.inet_aton("10.0.0.2"))


def test_a_known_name_has_no_address_of_another_kind(resolver: Resolver) -> None:
    answer = Container(resolver, ()).ask(question("web", kind=28))
    assert (code_of(answer), int.from_bytes(answer[6:8], "big")) == (0, 0)


def test_other_names_are_asked_outside_under_an_identity_of_our_own(resolver: Resolver, outside: Outside) -> None:
    container = Container(resolver, ("127.0.0.2",))
    answers = [container.ask(question("example.org", identity=77)) for _ in range(3)]
    assert all(a[:2] == b"\0\x4d" and a.endswith(socket.inet_aton("9.9.9.9")) for a in answers)
    assert len(outside.identities) == 3
    assert outside.identities != [77, 77, 77]


def test_a_dead_server_is_passed_over(resolver: Resolver, outside: Outside) -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.3", outside.port))
    try:
        answer = Container(resolver, ("127.0.0.3", "127.0.0.4", "127.0.0.2")).ask(question("example.org"))
    finally:
        silent.close()
    assert answer.endswith(socket.inet_aton("9.9.9.9"))


def test_without_a_server_that_answers_the_failure_is_told(resolver: Resolver, outside: Outside) -> None:
    assert code_of(Container(resolver, ("127.0.0.4",)).ask(question("example.org"))) == SERVER_FAILURE


def test_an_internal_network_has_no_outside(resolver: Resolver) -> None:
    assert code_of(Container(resolver, ()).ask(question("example.org"))) == SERVER_FAILURE


def test_rubbish_is_survived(resolver: Resolver) -> None:
    container = Container(resolver, ())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rude:
        for data in (b"", b"x", b"\0" * 12, b"\xff" * 600):
            rude.sendto(data, container.udp_address)
    assert container.ask(question("web")).endswith(socket.inet_aton("10.0.0.2"))


def test_a_container_that_left_is_answered_no_more(resolver: Resolver) -> None:
    container = Container(resolver, ())
    container.ask(question("web"))
    resolver.close_client("c")
    resolver.close_client("c")
    for _ in range(100):  # it ends on the resolver's own thread
        try:
            container.ask(question("web"), seconds=0.1)
        except (TimeoutError, ConnectionError):
            return
    pytest.fail("it is still answered")
