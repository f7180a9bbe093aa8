"""What others do to the host's network: destroyed things are made again, rules that stop us are named."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from engine.kernel import netns
from engine.networks.bridges import Bridges
from engine.networks.model import Network, NetworkWish
from engine.values import PortBinding, Scope
from tests.support.docker_cli import eventually, free_port
from tests.support.network_lab import NetworkLab, ask, endpoint

DEFAULT = Scope()


def run(*command: str) -> str:
    """Return a command's output."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def repairs(events: object) -> list[str]:
    """Return what the journal says was repaired since the last call."""
    found = []
    while (event := events.get(0)) is not None:  # type: ignore[attr-defined]
        if event.action == "repair":
            found.append(event.attributes["repaired"])
    return found


def test_a_deleted_table_is_written_again_with_all_that_was_in_it(lab: NetworkLab) -> None:
    port, later = free_port(), free_port()
    lab.networks.create(DEFAULT, NetworkWish("other"))
    _, server = lab.started(ports=(PortBinding(80, "tcp", "", port),))
    _, stranger = lab.started(mode="other")
    lab.serve(server.netns_path, 80)
    table = f"berth_{lab.instance}"
    events = lab.events()

    def listed() -> list[str]:
        done = subprocess.run(["nft", "list", "table", "inet", table], capture_output=True, text=True)
        return sorted(done.stdout.replace(",", " ").split())

    before = listed()
    for harm in (f"delete table inet {table}", f"flush table inet {table}", f"flush map inet {table} ports"):
        run("nft", harm)
        eventually(lambda: listed() == before, 10, f"after {harm}")
        assert ask(None, "127.0.0.1", port) != ""
        assert ask(stranger.netns_path, endpoint(server).ip_address, 80, timeout=0.2) == ""
    eventually(lambda: "nftables table" in repairs(events), 5, "an entry in the journal")
    run("nft", f"delete table inet {table}")  # a start right into it
    _, second = lab.started(ports=(PortBinding(80, "tcp", "", later),))
    lab.serve(second.netns_path, 80)
    eventually(lambda: ask(None, "127.0.0.1", later) != "", 5, "the new port")
    eventually(lambda: ask(None, "127.0.0.1", port) != "", 5, "the old port")


def test_our_own_changes_repair_nothing(lab: NetworkLab) -> None:
    events = lab.events()
    done = threading.Event()
    lab.networks._bridges.rules.rewrite, kept = lambda: bool(done.set()), lab.networks._bridges.rules.rewrite  # type: ignore[method-assign]
    for _ in range(5):
        container, _ = lab.started(ports=(PortBinding(80), PortBinding(53, "udp")))
        lab.networks.leave(container)
    lab.networks.create(DEFAULT, NetworkWish("lan"))
    lab.networks.remove(DEFAULT, "lan")
    assert not done.wait(0.3)
    assert repairs(events) == []
    lab.networks._bridges.rules.rewrite = kept  # type: ignore[method-assign]


def test_a_deleted_bridge_is_made_again_under_running_containers(lab: NetworkLab) -> None:
    port = free_port()
    lab.networks.create(DEFAULT, NetworkWish("six", enable_ipv6=True))
    container, server = lab.started(mode="six", ports=(PortBinding(80, "tcp", "", port),))
    _, neighbour = lab.started(mode="six")
    lab.serve(server.netns_path, 80)
    device = lab.networks._bridges.device(lab.networks.get(DEFAULT, "six"))
    place = endpoint(server)
    events = lab.events()

    def works() -> bool:
        return ask(None, "127.0.0.1", port) != "" and ask(neighbour.netns_path, place.ip_address, 80) != ""

    for harm in (
        ("link", "del", device),
        ("link", "set", device, "down"),
        ("addr", "del", f"{place.gateway}/24", "dev", device),
        ("addr", "del", f"{place.ipv6_gateway}/64", "dev", device),
    ):
        run("ip", *harm)
        eventually(works, 10, f"traffic after ip {' '.join(harm)}")
    eventually(lambda: f"{place.ipv6_gateway}/64" in run("ip", "addr", "show", device), 5, "the IPv6 gateway")
    assert "bridge" in repairs(events)
    _, fresh = lab.started(mode="six")
    assert endpoint(fresh).ip_address not in (place.ip_address, endpoint(neighbour).ip_address)
    lab.networks.leave(container)
    assert ask(None, "127.0.0.1", port, timeout=0.3) == ""


def test_the_default_bridge_and_its_ready_sandboxes_are_mended_too(lab: NetworkLab) -> None:
    assert lab.networks.wait_ready()
    run("ip", "link", "del", lab.networks._bridges.device(lab.networks.get(DEFAULT, "bridge")))
    events = lab.events()
    eventually(lambda: repairs(events) or "bridge" in run("ip", "-d", "link"), 5, "the bridge")
    _, first = lab.started()  # from the pool
    _, second = lab.started()
    lab.serve(first.netns_path, 80)
    eventually(lambda: ask(second.netns_path, endpoint(first).ip_address, 80) != "", 10, "traffic")


def test_what_was_destroyed_while_no_engine_ran_is_mended_at_its_start(lab: NetworkLab) -> None:
    port = free_port()
    _, server = lab.started(ports=(PortBinding(80, "tcp", "", port),))
    lab.serve(server.netns_path, 80)
    lab.networks._watch.close()
    run("nft", f"delete table inet berth_{lab.instance}")
    run("ip", "link", "del", lab.networks._bridges.device(lab.networks.get(DEFAULT, "bridge")))
    lab.crash()
    assert ask(None, "127.0.0.1", port) != ""


def test_a_foreign_chain_that_drops_is_named_and_left_alone(lab: NetworkLab) -> None:
    machine = lab.other_machine()
    lab.serve(machine.path, 80)
    _, client = lab.started()
    assert ask(client.netns_path, machine.address, 80) != ""
    name = f"wall_{lab.instance}"

    def named() -> list[str]:
        return [warning for warning in lab.networks.warnings() if name in warning]

    assert named() == []
    bridge = lab.networks._bridges.device(lab.networks.get(DEFAULT, "bridge"))
    wall = f"""table inet {name} {{
        chain forward {{
            type filter hook forward priority 10; policy accept;
            iifname "{bridge}" drop
        }}
    }}"""  # of this test's bridge alone: others are at work on the same host
    try:
        subprocess.run(["nft", wall], check=True)
        before = run("nft", "list", "table", "inet", name)
        assert ask(client.netns_path, machine.address, 80, timeout=0.3) == ""
        (warning,) = eventually(named, 10, "the warning")
        assert f"the firewall chain 'inet {name} forward' (a rule that drops) drops what containers send" in warning
        assert run("nft", "list", "table", "inet", name) == before
    finally:
        subprocess.run(["nft", f"delete table inet {name}"], check=False, capture_output=True)
    eventually(lambda: not named(), 10, "the end of the warning")
    assert ask(client.netns_path, machine.address, 80) != ""


@pytest.mark.parametrize("was_on", [False, True])
def test_forwarding_for_our_sake_makes_no_router_of_the_host(tmp_path: Path, was_on: bool) -> None:
    """The host is a namespace of the test's, with a machine on either side."""
    host, sides = tmp_path / "host", [tmp_path / "left", tmp_path / "right"]
    netns.pin(host, lambda: None)
    bridges: list[Bridges] = []
    try:
        for number, side in enumerate(sides):
            netns.pin(side, lambda: None)
            enter = ("nsenter", f"--net={host}")
            run(*enter, "ip", "link", "add", f"e{number}", "type", "veth", "peer", "name", f"p{number}")
            run(*enter, "nsenter", f"--net={side}", "true")
            run(*enter, "sh", "-c", f"ip addr add 10.7.{number}.1/24 dev e{number}; ip link set e{number} up")
        for number, side in enumerate(sides):
            move(host, side, f"p{number}")
            run("nsenter", f"--net={side}", "sh", "-c",
                f"ip link set lo up; ip addr add 10.7.{number}.2/24 dev p{number}; ip link set p{number} up;"
                f"ip route add default via 10.7.{number}.1")  # fmt: skip
        server = netns.run_in(sides[1], lambda: listen("10.7.1.2"))
        with server:

            def start() -> None:
                netns.write_sysctl("net/ipv4/ip_forward", "1" if was_on else "0")
                made = Bridges("guard", tmp_path / "mark")
                bridges.append(made)
                made.take_over([Network("1" * 64, "default", "bridge", subnet="10.8.0.0/24", gateway="10.8.0.1")])
                made.write_rules(())
                assert netns.read_sysctl("net/ipv4/ip_forward") == "1"

            netns.run_in(host, start)
            assert reaches(sides[0]) == was_on
            again = netns.run_in(host, lambda: Bridges("guard", tmp_path / "mark"))
            bridges.append(again)
            netns.run_in(host, lambda: again.write_rules(()))  # an engine that starts again knows that it was us
            assert reaches(sides[0]) == was_on
    finally:
        for made in bridges:
            made.close()
        for path in (host, *sides):
            netns.unpin(path)


def move(host: Path, side: Path, link: str) -> None:
    """Move a link from one namespace into another."""
    with side.open() as file:
        subprocess.run(
            ["nsenter", f"--net={host}", "ip", "link", "set", link, "netns", f"/proc/self/fd/{file.fileno()}"],
            check=True, pass_fds=[file.fileno()],
        )  # fmt: skip


def listen(address: str) -> socket.socket:
    """Open a server that nobody need answer for: the kernel takes connections."""
    server = socket.socket()
    server.bind((address, 80))
    server.listen()
    return server


def reaches(side: Path) -> bool:
    """Say whether a machine gets through the host to the one on its other side."""

    def connect() -> bool:
        with socket.socket() as client:
            client.settimeout(0.5)
            return client.connect_ex(("10.7.1.2", 80)) == 0

    return netns.run_in(side, connect)
