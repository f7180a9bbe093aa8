from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from engine.errors import InvalidArgument, Unsupported
from engine.networks.ports import PortTable, PortTaken, check_bindings, exposed
from engine.values import PortBinding


@pytest.fixture
def table() -> Iterator[PortTable]:
    table = PortTable()
    yield table
    table.close()


def test_a_free_port_is_found_and_the_default_address_filled_in(table: PortTable) -> None:
    (taken,) = table.take([PortBinding(80)], "127.0.0.1")
    assert (taken.host_ip, taken.container_port) == ("127.0.0.1", 80)
    assert taken.host_port > 0


def test_a_taken_port_is_refused_until_given_back(table: PortTable) -> None:
    first = table.take([PortBinding(80)], "127.0.0.1")
    again = PortBinding(81, "tcp", "127.0.0.1", first[0].host_port)
    with pytest.raises(
        PortTaken, match=rf"^Bind for 127.0.0.1:{first[0].host_port} failed: port is already allocated$"
    ):
        table.take([again], "127.0.0.1")
    table.give_back(first)
    assert table.take([again], "127.0.0.1")[0].host_port == first[0].host_port


def test_a_tcp_and_a_udp_port_of_one_number_live_together(table: PortTable) -> None:
    (tcp,) = table.take([PortBinding(80)], "127.0.0.1")
    (udp,) = table.take([PortBinding(80, "udp", "", tcp.host_port)], "127.0.0.1")
    assert udp.host_port == tcp.host_port


def test_all_or_none(table: PortTable) -> None:
    (held,) = table.take([PortBinding(80)], "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with pytest.raises(PortTaken):
        table.take([PortBinding(1, "tcp", "", free), PortBinding(2, "tcp", "", held.host_port)], "127.0.0.1")
    assert table.take([PortBinding(1, "tcp", "", free)], "127.0.0.1")[0].host_port == free


def test_a_range_gives_its_first_free_port(table: PortTable) -> None:
    (first,) = table.take([PortBinding(80)], "127.0.0.1")
    last = min(first.host_port + 20, 65535)
    (second,) = table.take([PortBinding(80, "tcp", "", first.host_port, last)], "127.0.0.1")
    assert first.host_port < second.host_port <= last
    assert second.host_port_end == 0


def test_an_address_that_the_host_does_not_have_is_said_so(table: PortTable) -> None:
    with pytest.raises(PortTaken, match="listen tcp4 192.0.2.254:0: bind: cannot assign requested address"):
        table.take([PortBinding(80, "tcp", "192.0.2.254")], "")


def test_adopting_tells_which_ports_are_lost(table: PortTable) -> None:
    with socket.socket() as program:
        program.bind(("127.0.0.1", 0))
        program.listen()
        lost = PortBinding(80, "tcp", "127.0.0.1", program.getsockname()[1])
        assert table.adopt([lost]) == [lost]


def test_exposed_ports_become_bindings() -> None:
    assert exposed(["80", "53/udp", "8000-8002/tcp"]) == [
        PortBinding(80),
        PortBinding(53, "udp"),
        PortBinding(8000),
        PortBinding(8001),
        PortBinding(8002),
    ]
    with pytest.raises(InvalidArgument, match="invalid port specification: 'x/tcp'"):
        exposed(["x/tcp"])


@pytest.mark.parametrize(
    ("binding", "kind", "text"),
    [
        (PortBinding(80, "sctp"), Unsupported, "sctp"),
        (PortBinding(80, "tcp", "::1"), Unsupported, "publishing on ::1 is not supported"),
        (PortBinding(80, "tcp", "::g"), InvalidArgument, "invalid IP address in port binding: '::g'"),
        (PortBinding(80, "tcp", "1.2.3.x"), InvalidArgument, "invalid IP address in port binding: '1.2.3.x'"),
        (PortBinding(0), InvalidArgument, "invalid port specification: '0/tcp'"),
        (PortBinding(80, "tcp", "", 65536), InvalidArgument, "invalid port specification: 65536"),
    ],
)
def test_bindings_that_can_not_be_are_refused(binding: PortBinding, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        check_bindings([binding])
