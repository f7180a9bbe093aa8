"""Options of networks and of places in them, priorities, and networks on another link's wire, with real traffic."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Conflict, Forbidden, NotFound, Unsupported
from engine.networks import wires
from engine.networks.model import IpamWish, NetworkWish
from engine.values import EndpointConfig, PortBinding, Scope, Surface
from tests.support.docker_cli import free_port
from tests.support.network_lab import NetworkLab, ask, endpoint

DEFAULT = Scope()
BRIDGE = "com.docker.network.bridge."
MTU = "com.docker.network.driver.mtu"


@pytest.fixture
def lab() -> Iterator[NetworkLab]:
    lab = NetworkLab(pool=0)
    try:
        yield lab
    finally:
        left = lab.destroy()
    assert not left


def ip(path: Path | None, *command: str) -> str:
    """Return the output of ip(8) in a network namespace, or (None) on the host."""
    prefix = ["nsenter", f"--net={path}"] if path else []
    return subprocess.run([*prefix, "ip", *command], capture_output=True, text=True, check=True).stdout


def test_without_icc_containers_meet_by_published_ports_only(lab: NetworkLab) -> None:
    port = free_port()
    lab.networks.create(DEFAULT, NetworkWish("apart", options={f"{BRIDGE}enable_icc": "false"}))
    _, server = lab.started(mode="apart", ports=(PortBinding(80, "tcp", "", port),))
    _, client = lab.started(mode="apart")
    lab.serve(server.netns_path, 80)
    place = endpoint(server)
    ip(client.netns_path, "route", "add", f"{place.ip_address}/32", "via", place.gateway)  # not by the gateway either
    assert ask(client.netns_path, place.ip_address, 80, timeout=0.3) == ""
    ip(client.netns_path, "route", "del", f"{place.ip_address}/32")
    assert ask(client.netns_path, place.ip_address, 80, timeout=0.3) == ""
    assert ask(client.netns_path, place.gateway, port) != ""
    assert ask(None, place.ip_address, 80) != ""


def test_a_bridge_has_the_users_name_and_goes_with_its_network(lab: NetworkLab) -> None:
    name = f"u{lab.instance}"
    lab.networks.create(DEFAULT, NetworkWish("named", options={f"{BRIDGE}name": name, MTU: "1400"}))
    _, joined = lab.started(mode="named")
    assert f"master {name}" in ip(None, "link", "show", "master", name)
    assert "mtu 1400" in ip(joined.netns_path, "link", "show", "eth0")
    with pytest.raises(Conflict, match=f"the host has an interface {name} already"):
        lab.networks.create(DEFAULT, NetworkWish("again", options={f"{BRIDGE}name": name}))
    lab.crash()
    _, neighbour = lab.started(mode="named")
    lab.serve(joined.netns_path, 80)
    assert ask(neighbour.netns_path, endpoint(joined).ip_address, 80) != ""
    for container in list(lab.records.values()):
        lab.networks.leave(container)
    lab.networks.remove(DEFAULT, "named")
    assert name not in ip(None, "link")


def test_host_binding_and_masquerade_are_the_networks(lab: NetworkLab) -> None:
    port = free_port()
    machine = lab.other_machine()
    options = {f"{BRIDGE}host_binding_ipv4": "127.0.0.1", f"{BRIDGE}enable_ip_masquerade": "false"}
    lab.networks.create(DEFAULT, NetworkWish("quiet", options=options))
    _, server = lab.started(mode="quiet", ports=(PortBinding(80, "tcp", "", port),))
    lab.serve(server.netns_path, 80)
    lab.serve(machine.path, 80)
    assert server.ports[0].host_ip == "127.0.0.1"
    assert ask(None, "127.0.0.1", port) != ""
    assert ask(machine.path, machine.host_address, port) == ""
    machine.route(lab.networks.get(DEFAULT, "quiet").subnet)
    assert ask(server.netns_path, machine.address, 80) == endpoint(server).ip_address


def test_the_mtu_is_the_uplinks(lab: NetworkLab) -> None:
    found = ip(None, "-o", "route", "show", "default")
    uplink = found.split(" dev ")[1].split()[0] if found else ""
    mtu = ip(None, "-o", "link", "show", uplink).split(" mtu ")[1].split()[0] if uplink else "1500"
    _, joined = lab.started()
    assert f"mtu {mtu} " in ip(joined.netns_path, "link", "show", "eth0")


def test_places_have_names_and_sysctls_of_the_users_choice(lab: NetworkLab) -> None:
    lab.networks.create(DEFAULT, NetworkWish("lan", options={"com.docker.network.container_iface_prefix": "lan"}))
    _, plain = lab.started(mode="lan")
    assert endpoint(plain).interface == "lan0"
    options = {
        "com.docker.network.endpoint.ifname": "up0",
        "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.IFNAME.forwarding=0",
    }
    container = lab.container(mode="lan", requested=[EndpointConfig("lan", driver_opts=options)])
    joined = lab.run(container)
    assert "up0" in ip(joined.netns_path, "link")
    seen = subprocess.run(
        ["nsenter", f"--net={joined.netns_path}", "cat", "/proc/sys/net/ipv4/conf/up0/log_martians"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert seen.stdout == "1\n"
    limited = Scope(surface=Surface.WEB)
    with pytest.raises(Forbidden, match=r"endpoint\.sysctls\]: not allowed"):
        lab.networks.plan(limited, container.host_config, [EndpointConfig("lan", driver_opts=options)])


def test_default_route_and_ports_follow_the_networks_priority(lab: NetworkLab) -> None:
    port = free_port()
    for name in ("a", "b", "c"):
        lab.networks.create(DEFAULT, NetworkWish(name))
    container, joined = lab.started(mode="b", ports=(PortBinding(80, "tcp", "", port),))
    lab.serve(joined.netns_path, 80)
    for name, priority in (("c", 0), ("a", 5)):
        lab.networks.connect(DEFAULT, name, container.id, EndpointConfig(name, gw_priority=priority))
    first, third, prior = lab.records[container.id].endpoints

    def gateway() -> str:
        return ip(joined.netns_path, "route", "show", "default").split()[2]

    assert gateway() == prior.gateway
    assert ask(None, "127.0.0.1", port) == prior.gateway  # the ports went along: masqueraded as that bridge
    assert [b.host_port for b in lab.records[container.id].ports] == [port]
    lab.networks.disconnect(DEFAULT, "a", container.id)
    assert gateway() == first.gateway  # of the same priority, the first by name
    assert ask(None, "127.0.0.1", port) == first.gateway
    lab.networks.disconnect(DEFAULT, "b", container.id)
    assert gateway() == third.gateway
    assert ask(None, "127.0.0.1", port) == third.gateway
    lab.networks.disconnect(DEFAULT, "c", container.id)
    assert lab.records[container.id].ports == ()
    assert ask(None, "127.0.0.1", port, timeout=0.3) == ""
    lab.networks.connect(DEFAULT, "c", container.id, EndpointConfig("c"))
    assert ask(None, "127.0.0.1", port) != ""


@pytest.mark.parametrize("mode", ["bridge", "private", "passthru"])
def test_a_macvlan_container_is_a_machine_of_the_lan(lab: NetworkLab, mode: str) -> None:
    machine = lab.other_machine()
    subnet, gateway = "10.62.77.0/24", "10.62.77.254"
    ip(machine.path, "addr", "add", f"{gateway}/24", "dev", "eth0")
    lab.serve(machine.path, 80, gateway)
    options = {"parent": machine.link, "macvlan_mode": mode}
    wish = NetworkWish("wire", "macvlan", ipam=(IpamWish(subnet, gateway=gateway),), options=options)
    lab.networks.create(DEFAULT, wish)
    container, joined = lab.started(mode="wire")
    place = endpoint(joined)
    assert f"macvlan mode {mode}" in ip(joined.netns_path, "-d", "link", "show", "eth0")
    assert ask(joined.netns_path, gateway, 80) == place.ip_address  # its own address: nobody masquerades
    lab.serve(joined.netns_path, 81)
    assert ask(machine.path, place.ip_address, 81) == gateway
    if mode == "passthru":
        return
    _, second = lab.started(mode="wire")
    reached = ask(second.netns_path, place.ip_address, 81, timeout=1.0 if mode == "bridge" else 0.3)
    assert bool(reached) == (mode == "bridge")
    lab.crash()
    lab.networks.connect(DEFAULT, "bridge", container.id, EndpointConfig("bridge"))
    assert ip(joined.netns_path, "route", "show", "default").split()[2] != gateway  # `bridge` comes first by name
    lab.networks.disconnect(DEFAULT, "wire", container.id)
    assert "macvlan" not in ip(joined.netns_path, "-d", "link")


def test_what_the_kernel_or_the_host_lacks_is_named(lab: NetworkLab) -> None:
    machine = lab.other_machine()

    def create(driver: str, parent: str) -> None:
        lab.networks.create(DEFAULT, NetworkWish("wire", driver, options={"parent": parent}))

    with pytest.raises(NotFound, match="the host has no interface nowhere0"):
        create("macvlan", "nowhere0")
    with pytest.raises(NotFound, match=r"the host has no interface nowhere0\.10"):
        create("macvlan", "nowhere0.10")
    if wires.has_kind("ipvlan"):
        create("ipvlan", machine.link)
        _, joined = lab.started(mode="wire")
        assert "ipvlan" in ip(joined.netns_path, "-d", "link", "show", "eth0")
    else:
        with pytest.raises(Unsupported, match="the kernel has no ipvlan"):
            create("ipvlan", machine.link)


def has_vlans() -> bool:
    """Try the kernel's VLANs, in a network of their own."""
    command = "ip link add a type veth peer name b && ip link add link a name a.7 type vlan id 7"
    return subprocess.run(["unshare", "-n", "sh", "-c", command], capture_output=True).returncode == 0


def test_a_vlan_of_the_parent_is_made_and_goes_with_the_network(lab: NetworkLab) -> None:
    machine = lab.other_machine()
    wish = NetworkWish("wire", "macvlan", options={"parent": f"{machine.link}.7"})
    if not has_vlans():
        with pytest.raises(Unsupported, match=r"the kernel has no VLANs \(modprobe 8021q\)"):
            lab.networks.create(DEFAULT, wish)
        assert lab.networks.list_(DEFAULT, {"name": ("wire",)}) == []
        return
    lab.networks.create(DEFAULT, wish)
    assert "vlan protocol 802.1Q id 7" in ip(None, "-d", "link", "show", f"{machine.link}.7")
    lab.networks.remove(DEFAULT, "wire")
    assert f"{machine.link}.7" not in ip(None, "link")


def test_the_hosts_wires_take_a_grant(lab: NetworkLab) -> None:
    limited = Scope(surface=Surface.WEB)
    with pytest.raises(Forbidden, match="Driver: not allowed"):
        lab.networks.create(limited, NetworkWish("wire", "macvlan", options={"parent": "eth0"}))
    with pytest.raises(Forbidden, match=r"bridge\.name\]: not allowed"):
        lab.networks.create(limited, NetworkWish("named", options={f"{BRIDGE}name": "br7"}))


def test_a_network_in_use_is_not_removed_and_its_endpoints_are_named(lab: NetworkLab) -> None:
    lab.networks.create(DEFAULT, NetworkWish("lan"))
    container, joined = lab.started(mode="lan")
    named = rf'network lan has active endpoints \(name:"{container.name}" id:"{endpoint(joined).endpoint_id[:12]}"\)'
    with pytest.raises(Forbidden, match=named):
        lab.networks.remove(DEFAULT, "lan")
