"""Bridges in the kernel: one for each network in use, with its address, its place in the ruleset and its addresses.

The subnets of all instances on a machine are told apart by the host's routes; a lock file makes looking at them and
adding one a single step.
"""

from __future__ import annotations

import fcntl
import ipaddress
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.kernel import netns
from engine.kernel.netlink import Link, Netlink
from engine.kernel.nft import Nft
from engine.locks import NamedLocks
from engine.networks import ipam, model, rules
from engine.networks.ipam import AddressSpace
from engine.networks.model import Network
from engine.networks.rules import Published

_log = logging.getLogger(__name__)

_MACHINE_LOCK = Path("/run/lock/berth-networks.lock")


@dataclass(frozen=True, slots=True)
class Bridge:
    """A network's bridge: its device, and the addresses behind it."""

    network: Network
    device: str
    index: int
    space: AddressSpace

    @property
    def route(self) -> ipaddress.IPv4Address | None:
        """The gateway that containers route through; None on an internal network."""
        return None if self.network.internal else self.space.gateway


class Bridges:
    """The bridges of this instance, and its nftables table."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._table = rules.table_name(instance)
        self._netlink = Netlink()
        self._nft = Nft()
        self._locks = NamedLocks()
        self._space_lock = threading.Lock()
        self._bridges: dict[str, Bridge] = {}

    def device(self, network_id: str) -> str:
        """Return the name of a network's bridge."""
        return model.device_name("b", self._instance, network_id)

    def veth(self, endpoint_id: str) -> str:
        """Return the name of the host's side of an endpoint."""
        return model.device_name("v", self._instance, endpoint_id)

    def find(self, network_id: str) -> Bridge | None:
        """Return the network's bridge if it is up, else None."""
        return self._bridges.get(network_id)

    def exists(self, network_id: str) -> bool:
        """Say whether the kernel has the network's bridge, made by this process or by one before."""
        return self._netlink.find_link(self.device(network_id)) is not None

    def ensure(self, network: Network) -> Bridge:
        """Return the network's bridge; make it, or take over what an earlier engine left, where it is not up."""
        found = self._bridges.get(network.id)
        if found is not None:
            return found
        with self._locks.hold(network.id):
            found = self._bridges.get(network.id)
            if found is None:
                found = self._bring_up(network)
                self._nft.run(rules.add_bridge(self._table, found.device, network))
                self._bridges[network.id] = found
            return found

    def remove(self, network: Network) -> None:
        """Take the network's bridge down; idempotent."""
        with self._locks.hold(network.id):
            bridge = self._bridges.pop(network.id, None)
            if bridge is not None:
                self._nft.run(rules.remove_bridge(self._table, bridge.device, network))
            self._netlink.delete_link(self.device(network.id))

    def take_over(self, networks: Iterable[Network]) -> None:
        """Bring these networks' bridges up, before the ruleset is there."""
        for network in networks:
            if network.id not in self._bridges:
                self._bridges[network.id] = self._bring_up(network)

    def write_rules(self, ports: Iterable[Published]) -> None:
        """Make the ruleset anew, in one transaction, for the bridges that are up and these ports."""
        known = [(bridge.device, bridge.network) for bridge in self._bridges.values()]
        self._nft.run(rules.replace_table(self._table, known, ports))
        _enable_forwarding()

    def publish(self, ports: Iterable[Published]) -> None:
        """Send the host's ports to containers."""
        self._nft.run(rules.add_ports(self._table, ports))

    def withdraw(self, ports: Iterable[Published]) -> None:
        """Stop sending the host's ports to containers."""
        self._nft.run(rules.remove_ports(self._table, ports))

    def take_address(self, bridge: Bridge, wanted: str = "") -> ipaddress.IPv4Address:
        """Take the address named, or the next free one."""
        with self._space_lock:
            if wanted:
                return bridge.space.take_this(ipam.parse_address(wanted, "IPv4Address"))
            return bridge.space.take()

    def give_back(self, network_id: str, address: ipaddress.IPv4Address) -> None:
        """Free an address; idempotent."""
        bridge = self._bridges.get(network_id)
        if bridge is not None:
            with self._space_lock:
                bridge.space.give_back(address)

    @contextmanager
    def choosing(self) -> Iterator[list[ipaddress.IPv4Network]]:
        """Hold the machine's lock and give the networks that the host has routes to by other links than ours."""
        with _MACHINE_LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.foreign_routes()

    def foreign_routes(self) -> list[ipaddress.IPv4Network]:
        """Return destinations of the host's routes by links that aren't this instance's bridges."""
        ours = {link.index for link in self.links("b")}
        return [network for network, index in self._netlink.routes() if index not in ours]

    def links(self, kind: str) -> list[Link]:
        """Return this instance's links of a kind: `b` bridges, `v` host sides of veths."""
        length = len(model.device_name(kind, self._instance, "0" * 64))
        prefix = model.device_prefix(kind, self._instance)
        return [
            link
            for link in self._netlink.links()
            if len(link.name) == length and link.name.startswith(prefix) and _is_hex(link.name[len(prefix) :])
        ]

    def delete_stray(self, known: Iterable[Network]) -> None:
        """Delete bridges of this instance that no network has."""
        wanted = {self.device(network.id) for network in known}
        for link in self.links("b"):
            if link.name not in wanted:
                self._netlink.delete_link(link.name)

    def destroy(self) -> None:
        """Remove the table and every bridge of this instance."""
        self._nft.run(rules.remove_table(self._table))
        self._bridges.clear()
        self.delete_stray(())

    def close(self) -> None:
        """Close the kernel's handles; bridges and rules stay."""
        self._nft.close()
        self._netlink.close()

    def _bring_up(self, network: Network) -> Bridge:
        device = self.device(network.id)
        space = _space(network)
        link = self._netlink.find_link(device)
        index = link.index if link else self._netlink.make_bridge(device, model.mac_for(space.gateway), network.mtu)
        netns.write_sysctl(f"net/ipv4/conf/{device}/route_localnet", "1")
        _disable_ipv6(device)
        self._netlink.add_address(index, network.interface(space.gateway))
        self._netlink.bring_up(index)
        return Bridge(network, device, index, space)


def _space(network: Network) -> AddressSpace:
    return AddressSpace(
        ipaddress.IPv4Network(network.subnet),
        gateway=ipaddress.IPv4Address(network.gateway),
        ip_range=ipaddress.IPv4Network(network.ip_range) if network.ip_range else None,
        reserved=[ipaddress.IPv4Address(address) for address in network.auxiliary.values()],
    )


def _disable_ipv6(device: str) -> None:
    try:
        netns.write_sysctl(f"net/ipv6/conf/{device}/disable_ipv6", "1")
    except FileNotFoundError:
        return  # a kernel without IPv6


def _enable_forwarding() -> None:
    if netns.read_sysctl("net/ipv4/ip_forward") == "1":
        return
    try:
        netns.write_sysctl("net/ipv4/ip_forward", "1")
    except OSError as error:
        _log.warning("IP forwarding is off and can't be turned on: no traffic beyond bridges error=%s", error)


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdef" for c in text)
