"""IPv6 by option: addresses, published ports, isolation, and a restart of the engine, with real traffic."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from engine.errors import Conflict
from engine.networks.model import IpamWish, NetworkWish
from engine.values import EndpointConfig, PortBinding, Scope
from tests.support.docker_cli import eventually, free_port
from tests.support.network_lab import NetworkLab, ask, endpoint

DEFAULT = Scope()


def inside(path: Path | None, *command: str) -> str:
    """Return the output of a command in a network namespace."""
    assert path
    return subprocess.run(["nsenter", f"--net={path}", *command], capture_output=True, text=True, check=True).stdout


def test_a_network_with_ipv6_has_addresses_routes_and_names_of_both_families(lab: NetworkLab) -> None:
    lab.networks.create(DEFAULT, NetworkWish("six", enable_ipv6=True))
    network = lab.networks.get(DEFAULT, "six")
    assert network.ipv6
    assert network.ipv6.subnet.startswith("fd")
    first, joined = lab.started(mode="six")
    _, second = lab.started(mode="six")
    place = endpoint(joined)
    assert place.global_ipv6_address
    assert (place.ipv6_gateway, place.global_ipv6_prefix_len) == (network.ipv6.gateway, 64)
    assert f"inet6 {place.global_ipv6_address}/64 scope global nodad" in inside(joined.netns_path, "ip", "addr")
    assert f"default via {place.ipv6_gateway} dev eth0" in inside(joined.netns_path, "ip", "-6", "route")
    assert f"{place.global_ipv6_address}\t{first.id[:12]}" in joined.hosts
    lab.serve(joined.netns_path, 80, "::")
    assert ask(second.netns_path, place.global_ipv6_address, 80) == endpoint(second).global_ipv6_address
    _, plain = lab.started()
    assert "inet6" not in inside(plain.netns_path, "ip", "addr", "show", "eth0")


def test_addresses_of_the_users_choice(lab: NetworkLab) -> None:
    wishes = (
        IpamWish("10.63.5.0/24"),
        IpamWish("fd63:5::/64", "fd63:5::8000/113", "fd63:5::ffff", {"x": "fd63:5::8000"}),
    )
    lab.networks.create(DEFAULT, NetworkWish("six", enable_ipv6=True, ipam=wishes))
    _, joined = lab.started(mode="six")
    assert (endpoint(joined).global_ipv6_address, endpoint(joined).ipv6_gateway) == ("fd63:5::8001", "fd63:5::ffff")
    chosen = lab.container(mode="six", requested=[EndpointConfig("six", ipv6_address="fd63:5::9")])
    assert endpoint(lab.run(chosen)).global_ipv6_address == "fd63:5::9"
    again = lab.container(mode="six", requested=[EndpointConfig("six", ipv6_address="fd63:5::9")])
    with pytest.raises(Conflict, match="Address already in use"):
        lab.networks.join(again)
    lab.networks.leave(chosen)
    assert endpoint(lab.run(again)).global_ipv6_address == "fd63:5::9"


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_published_port_answers_over_both_families(lab: NetworkLab, kind: str) -> None:
    port = free_port()
    machine = lab.other_machine()
    lab.networks.create(DEFAULT, NetworkWish("six", enable_ipv6=True))
    container, server = lab.started(mode="six", ports=(PortBinding(80, kind, "", port),))
    _, neighbour = lab.started(mode="six")
    for address in ("::", "0.0.0.0"):
        lab.serve(server.netns_path, 80, address, kind)
    place = endpoint(server)
    assert [(b.host_ip, b.host_port) for b in server.ports] == [("0.0.0.0", port), ("::", port)]
    assert ask(None, "127.0.0.1", port, kind) == place.gateway
    if kind == "tcp":  # ::1 can't be rewritten: refused, not left waiting, so that `localhost` is 127.0.0.1
        with socket.socket(socket.AF_INET6) as client, pytest.raises(ConnectionRefusedError):
            client.connect(("::1", port))
    assert ask(None, place.ipv6_gateway, port, kind) == place.ipv6_gateway
    assert ask(machine.path, machine.host_address6, port, kind) == machine.address6
    assert ask(neighbour.netns_path, place.ipv6_gateway, port, kind) == place.ipv6_gateway  # hairpin
    assert ask(server.netns_path, place.ipv6_gateway, port, kind) == place.ipv6_gateway  # to itself
    assert ask(neighbour.netns_path, machine.host_address6, port, kind) == place.ipv6_gateway
    lab.networks.leave(container)
    assert ask(None, place.ipv6_gateway, port, kind, timeout=0.3) == ""


def test_a_port_bound_to_an_ipv6_address_answers_there_only(lab: NetworkLab) -> None:
    port = free_port()
    machine = lab.other_machine()
    lab.networks.create(DEFAULT, NetworkWish("six", enable_ipv6=True))
    _, server = lab.started(mode="six", ports=(PortBinding(80, "tcp", machine.host_address6, port),))
    lab.serve(server.netns_path, 80, "::")
    assert ask(machine.path, machine.host_address6, port) == machine.address6
    assert ask(None, endpoint(server).ipv6_gateway, port) == ""
    assert ask(machine.path, machine.host_address, port) == ""


def test_isolation_and_masquerade(lab: NetworkLab) -> None:
    machine = lab.other_machine()
    for name in ("six", "other"):
        lab.networks.create(DEFAULT, NetworkWish(name, enable_ipv6=True))
    lab.networks.create(DEFAULT, NetworkWish("inner", enable_ipv6=True, internal=True))
    _, server = lab.started(mode="six")
    lab.serve(server.netns_path, 80, "::")
    lab.serve(machine.path, 80, "::")
    address = endpoint(server).global_ipv6_address
    for name in ("other", "inner"):
        _, stranger = lab.started(mode=name)
        assert ask(stranger.netns_path, address, 80, timeout=0.3) == ""
    machine.route(f"{address}/128")
    assert ask(machine.path, address, 80, timeout=0.3) == ""
    assert ask(server.netns_path, machine.address6, 80) == machine.host_address6
    _, locked = lab.started(mode="inner")
    assert "default" not in inside(locked.netns_path, "ip", "-6", "route")


def test_an_engine_that_was_killed_takes_ipv6_over(lab: NetworkLab) -> None:
    port = free_port()
    lab.networks.create(DEFAULT, NetworkWish("six", enable_ipv6=True))
    container, joined = lab.started(mode="six", ports=(PortBinding(80, "tcp", "", port),))
    lab.serve(joined.netns_path, 80, "::")
    lab.crash()
    assert ask(None, endpoint(joined).ipv6_gateway, port) != ""
    _, fresh = lab.started(mode="six")
    assert endpoint(fresh).global_ipv6_address != endpoint(joined).global_ipv6_address
    lab.networks.leave(lab.records[container.id])
    eventually(lambda: ask(None, endpoint(joined).ipv6_gateway, port, timeout=0.3) == "", 5, "silence of the port")
