"""Networks in the kernel: a bridge for each in use, or the link whose wire it shares; its addresses, its rules.

The subnets of all instances on a machine are told apart by the host's routes; a lock file makes looking at them and
adding one a single step. A bridge that the user has named is known as ours by its alias.
"""

from __future__ import annotations

import fcntl
import ipaddress
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import Conflict
from engine.kernel import netns
from engine.kernel.netlink import Link, Netlink
from engine.locks import NamedLocks
from engine.networks import forwarding, ipam, model, wires
from engine.networks.forwarding import Forwarding
from engine.networks.ipam import Address, AddressSpace, Subnet
from engine.networks.model import Network, Range
from engine.networks.rules import Published
from engine.networks.ruleset import Ruleset

_MACHINE_LOCK = Path("/run/lock/berth-networks.lock")
_PLAIN_MTU = 1500


@dataclass(frozen=True, slots=True)
class Bridge:
    """A network as it is up: its device (the bridge, or the parent of a macvlan), and the addresses behind it."""

    network: Network
    device: str
    index: int
    space: AddressSpace
    space6: AddressSpace | None = None
    mtu: int = 0
    """0: the kernel's."""

    @property
    def route(self) -> Address | None:
        """The gateway that containers route through; None on an internal network."""
        return None if self.network.internal else self.space.gateway

    @property
    def route6(self) -> Address | None:
        """The same for IPv6; None where the network has none."""
        return None if self.network.internal or self.space6 is None else self.space6.gateway


class Bridges:
    """The networks of this instance that are up, and its nftables table."""

    def __init__(self, instance: str, forwarding_mark: Path) -> None:
        self._instance = instance
        self._netlink = Netlink()
        self.rules = Ruleset(instance)
        self._forwarding = Forwarding(forwarding_mark)
        self._locks = NamedLocks()
        self._space_lock = threading.Lock()
        self._bridges: dict[str, Bridge] = {}

    def device(self, network: Network) -> str:
        """Return the name of a network's device: of its bridge, or of the link whose wire it shares."""
        if not network.has_bridge:
            return wires.parent(network)
        return network.options.get(model.OPTION_BRIDGE_NAME) or model.device_name("b", self._instance, network.id)

    def veth(self, endpoint_id: str) -> str:
        """Return the name of the host's side of an endpoint."""
        return model.device_name("v", self._instance, endpoint_id)

    def find(self, network_id: str) -> Bridge | None:
        """Return the network's bridge if it is up, else None."""
        return self._bridges.get(network_id)

    def up(self) -> list[Bridge]:
        """Return all that are up."""
        return list(self._bridges.values())

    def exists(self, network: Network) -> bool:
        """Say whether the kernel has the network's bridge, made by this process or by one before."""
        return network.has_bridge and self._netlink.find_link(self.device(network)) is not None

    def ensure(self, network: Network) -> Bridge:
        """Return the network's bridge; make it, or take over what an earlier engine left, where it is not up."""
        found = self._bridges.get(network.id)
        if found is not None:
            return found
        with self._locks.hold(network.id):
            found = self._bridges.get(network.id)
            if found is None:
                found = self._bring_up(network)
                self._add_rules(found)
                self._bridges[network.id] = found
            return found

    def check_new(self, network: Network) -> None:
        """Raise for a new network whose device can't be: a name that is taken, a kind that the kernel lacks."""
        if not network.has_bridge:
            wires.check(self._netlink, network)
        elif network.options.get(model.OPTION_BRIDGE_NAME) and self.exists(network):
            raise Conflict(f"the host has an interface {self.device(network)} already")

    def remove(self, network: Network) -> None:
        """Take the network's bridge down; idempotent."""
        with self._locks.hold(network.id):
            bridge = self._bridges.pop(network.id, None)
            if not network.has_bridge:
                wires.take_down(self._netlink, network, self._mark(network))
                return
            if bridge is not None:
                self.rules.remove_bridge(bridge.device, network)
            self._netlink.delete_link(self.device(network))

    def is_whole(self, bridge: Bridge) -> bool:
        """Say whether the kernel has a bridge as it should be: there, up, with its addresses."""
        link = self._netlink.find_link(bridge.device)
        if link is None or link.index != bridge.index or not link.is_up:
            return False
        wanted = {space.interface(space.gateway) for space in (bridge.space, bridge.space6) if space}
        return wanted.issubset(self._netlink.addresses(link.index))

    def restore(self, network_id: str) -> Bridge | None:
        """Make a bridge again that somebody has deleted, closed or robbed of its address; None where it is not ours.

        The addresses that its containers have stay theirs; their veths are the caller's to put back.
        """
        with self._locks.hold(network_id):
            old = self._bridges.get(network_id)
            if old is None or not old.network.has_bridge:
                return None
            made = self._bring_up(old.network)
            restored = replace(made, space=old.space, space6=old.space6)
            self._bridges[network_id] = restored
            return restored

    def take_over(self, networks: Iterable[Network]) -> None:
        """Bring these networks' bridges up, before the ruleset is there."""
        for network in networks:
            if network.id not in self._bridges:
                self._bridges[network.id] = self._bring_up(network)

    def write_rules(self, ports: Iterable[Published]) -> None:
        """Make the ruleset anew, in one transaction, for the bridges that are up and these ports."""
        known = [(bridge.device, bridge.network) for bridge in self._bridges.values() if bridge.network.has_bridge]
        guarded = self._forwarding.enable(forwarding.IPV4)
        if any(network.ipv6 for _, network in known):
            guarded |= self._forwarding.enable(forwarding.IPV6)
        self.rules.write(known, ports, guarded)

    def take_address(self, bridge: Bridge, wanted: str = "") -> ipaddress.IPv4Address:
        """Take the address named, or the next free one."""
        with self._space_lock:
            found = bridge.space.take_this(ipam.parse_address(wanted, "IPv4Address")) if wanted else bridge.space.take()
        return ipaddress.IPv4Address(found)

    def take_address6(self, bridge: Bridge, wanted: str = "") -> ipaddress.IPv6Address | None:
        """Take the IPv6 address named, or the next free one; None where the network has none."""
        if bridge.space6 is None:
            return None
        with self._space_lock:
            if wanted:
                found = bridge.space6.take_this(ipam.parse_address6(wanted, "IPv6Address"))
            else:
                found = bridge.space6.take()
        return ipaddress.IPv6Address(found)

    def give_back(self, network_id: str, *addresses: Address | None) -> None:
        """Free addresses; idempotent."""
        bridge = self._bridges.get(network_id)
        if bridge is None:
            return
        with self._space_lock:
            for address in addresses:
                space = bridge.space6 if isinstance(address, ipaddress.IPv6Address) else bridge.space
                if address is not None and space is not None:
                    space.give_back(address)

    @contextmanager
    def choosing(self) -> Iterator[list[Subnet]]:
        """Hold the machine's lock and give the networks that the host has routes to by other links than ours."""
        with _MACHINE_LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.foreign_routes()

    def foreign_routes(self) -> list[Subnet]:
        """Return destinations of the host's routes by links that aren't this instance's bridges."""
        ours = {link.index for link in self.links("b")}
        return [network for network, index in self._netlink.routes() if index not in ours]

    def links(self, kind: str) -> list[Link]:
        """Return this instance's links of a kind: `b` bridges, `v` host sides of veths, `w` VLANs of wires."""
        length = len(model.device_name(kind, self._instance, "0" * 64))
        prefix = model.device_prefix(kind, self._instance)
        alias = f"berth:{self._instance}:{kind}:"

        def is_ours(link: Link) -> bool:
            if link.alias.startswith(alias):
                return True
            return len(link.name) == length and link.name.startswith(prefix) and _is_hex(link.name[len(prefix) :])

        return [link for link in self._netlink.links() if is_ours(link)]

    def delete_stray(self, known: Iterable[Network]) -> None:
        """Delete links of this instance that no network has."""
        wanted = {self.device(network) for network in known}
        for link in (*self.links("b"), *self.links("w")):
            if link.name not in wanted:
                self._netlink.delete_link(link.name)

    def destroy(self) -> None:
        """Remove the table and every bridge of this instance."""
        self.rules.remove()
        self._bridges.clear()
        self.delete_stray(())

    def close(self) -> None:
        """Close the kernel's handles; bridges and rules stay."""
        self.rules.close()
        self._netlink.close()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _add_rules(self, bridge: Bridge) -> None:
        if not bridge.network.has_bridge:
            return
        if bridge.network.ipv6:
            self.rules.guard(self._forwarding.enable(forwarding.IPV6))
        self.rules.add_bridge(bridge.device, bridge.network)

    def _bring_up(self, network: Network) -> Bridge:
        space = _space(network.ipv4)
        space6 = _space(network.ipv6) if network.ipv6 else None
        device = self.device(network)
        if not network.has_bridge:
            index = wires.bring_up(self._netlink, network, self._mark(network))
            return Bridge(network, device, index, space, space6, network.mtu)
        link = self._netlink.find_link(device)
        mtu = network.mtu or self._uplink_mtu()
        if link is None:
            index = self._netlink.make_bridge(device, model.mac_for(space.gateway), mtu, self._mark(network))
        else:
            index = link.index
        netns.write_sysctl(f"net/ipv4/conf/{device}/route_localnet", "1")
        _set_ipv6(device, on=space6 is not None)
        self._netlink.add_address(index, space.interface(space.gateway))
        if space6 is not None:
            self._netlink.add_address(index, space6.interface(space6.gateway))
        self._netlink.bring_up(index)
        return Bridge(network, device, index, space, space6, mtu)

    def _mark(self, network: Network) -> str:
        """Return the alias of a link that is ours but has not our name; "" for one whose name tells."""
        if not network.has_bridge:
            return f"berth:{self._instance}:w:{network.id}"
        named = network.options.get(model.OPTION_BRIDGE_NAME)
        return f"berth:{self._instance}:b:{network.id}" if named else ""

    def _uplink_mtu(self) -> int:
        """Return the MTU of the host's way out where it is not the usual one, else 0."""
        uplink = self._netlink.uplink()
        mtu = self._netlink.mtu(uplink) if uplink else 0
        return 0 if mtu == _PLAIN_MTU else mtu


def _space(addresses: Range) -> AddressSpace:
    return AddressSpace(
        ipaddress.ip_network(addresses.subnet),
        gateway=ipaddress.ip_address(addresses.gateway),
        ip_range=ipaddress.ip_network(addresses.ip_range) if addresses.ip_range else None,
        reserved=[ipaddress.ip_address(address) for address in addresses.auxiliary.values()],
    )


def _set_ipv6(device: str, *, on: bool) -> None:
    # While its link-local address is being tried out, a bridge can't ask where a container is: seconds without traffic.
    values = {"accept_dad": "0", "accept_ra": "0", "disable_ipv6": "0"} if on else {"disable_ipv6": "1"}
    for name, value in values.items():
        try:
            netns.write_sysctl(f"net/ipv6/conf/{device}/{name}", value)
        except FileNotFoundError:
            if not on:
                return  # a kernel without IPv6
            raise


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdef" for c in text)
