"""Interfaces of containers: from a place in a network to a plug with addresses, and back from what a restart finds."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.containers.model import Container
from engine.errors import Conflict
from engine.ids import new_id
from engine.kernel import netns
from engine.networks import model, wires
from engine.networks.bridges import Bridge, Bridges
from engine.networks.model import Network
from engine.networks.sandboxes import Plug, Route, Sandbox, SandboxMaker, number_of
from engine.services import endpoint_options, placement
from engine.services.placement import Wish
from engine.values import Endpoint, EndpointConfig

_log = logging.getLogger(__name__)


class Plugs:
    """Makes plugs; their addresses are the network's until `give_back`."""

    def __init__(self, bridges: Bridges, maker: SandboxMaker) -> None:
        self._bridges = bridges
        self._maker = maker

    def make(self, bridge: Bridge, config: EndpointConfig, number: int) -> Plug:
        """Take addresses for an interface and return it; without a default route."""
        address = self._bridges.take_address(bridge, config.ipv4_address)
        try:
            address6 = self._bridges.take_address6(bridge, config.ipv6_address)
        except BaseException:
            self._bridges.give_back(bridge.network.id, address)
            raise
        network = bridge.network
        endpoint_id = new_id()
        options = endpoint_options.parse(config)
        inside = options.interface or f"{network.interface_prefix}{number}"
        on_wire = not network.has_bridge
        return Plug(
            endpoint_id=endpoint_id,
            network_id=network.id,
            veth="" if on_wire else self._bridges.veth(endpoint_id),
            link=bridge.index,
            number=number,
            interface=ipaddress.IPv4Interface((address, bridge.space.subnet.prefixlen)),
            interface6=ipaddress.IPv6Interface((address6, bridge.space6.subnet.prefixlen))
            if address6 and bridge.space6
            else None,
            mac="" if network.driver == "ipvlan" else config.mac_address or model.mac_for(address),
            mtu=bridge.mtu,
            # Where the ruleset sees what is bridged it keeps containers apart; ports that do would stop the published
            # ports too, whose traffic is bridged then.
            is_isolated=not network.is_open_inside and not all(map(netns.filters_bridged, (4, 6))),
            kind=network.driver if on_wire else "veth",
            mode=wires.mode(network) if on_wire else "",
            name=inside,
            sysctls=options.sysctls(inside),
        )

    def give_back(self, plug: Plug) -> None:
        """Free a plug's addresses; idempotent."""
        self._bridges.give_back(plug.network_id, plug.interface.ip, plug.interface6.ip if plug.interface6 else None)

    def adopted(self, container: Container, networks: Sequence[Network]) -> Sandbox:
        """Return the sandbox of a running container as its record and the kernel have it; its addresses are taken."""
        known = {network.id: network for network in networks}
        inside = {link.name: link.peer for link in self._bridges.links("v")}
        plugs = [
            self._adopted(container, endpoint, known[endpoint.network_id], inside)
            for endpoint in container.endpoints
            if endpoint.ip_address
        ]
        return Sandbox(container.sandbox, self._maker.path(container.sandbox), tuple(plugs))

    def _adopted(self, container: Container, endpoint: Endpoint, network: Network, inside: Mapping[str, int]) -> Plug:
        bridge = self._bridges.ensure(network)
        interface = ipaddress.IPv4Interface(f"{endpoint.ip_address}/{endpoint.ip_prefix_len}")
        interface6 = None
        if endpoint.global_ipv6_address:
            interface6 = ipaddress.IPv6Interface(f"{endpoint.global_ipv6_address}/{endpoint.global_ipv6_prefix_len}")
        try:
            self._bridges.take_address(bridge, endpoint.ip_address)
            if endpoint.global_ipv6_address:
                self._bridges.take_address6(bridge, endpoint.global_ipv6_address)
        except Conflict:
            _log.error("two running containers have one address container=%s address=%s", container.id, interface.ip)
        veth = self._bridges.veth(endpoint.endpoint_id) if network.has_bridge else ""
        number = number_of(inside.get(veth, 0)) if veth else self._number_inside(container, endpoint)
        return Plug(
            endpoint_id=endpoint.endpoint_id,
            network_id=network.id,
            veth=veth,
            link=bridge.index,
            number=number,
            interface=interface,
            interface6=interface6,
            mac=endpoint.mac_address,
            is_isolated=not network.is_open_inside,
            kind="veth" if veth else network.driver,
            name=endpoint.interface,
        )

    def _number_inside(self, container: Container, endpoint: Endpoint) -> int:
        """Return n of the interface with link index 2+n: asked of its name inside, where the host has no side of it."""
        return number_of(self._maker.index_inside(container.sandbox, endpoint.interface))


def routes_of(plugs: Sequence[Plug], places: Sequence[Wish], bridges: Bridges) -> tuple[Route, ...]:
    """Return the default routes that a container with these interfaces, in these networks, is to have."""
    found: list[Route] = []
    first, first6 = placement.leading(places), placement.leading6(places)
    for number, is_v6 in ((first, False), (first6, True)):
        bridge = bridges.find(places[number][1].id) if number is not None else None
        if number is None or bridge is None:
            continue
        gateway = bridge.route6 if is_v6 else bridge.route
        plug = next((p for p in plugs if p.network_id == bridge.network.id), None)
        if gateway is not None and plug is not None:
            found.append((gateway, plug.index))
    return tuple(found)


def with_routes(plug: Plug, routes: Sequence[Route]) -> Plug:
    """Return the plug with those of the default routes that are its."""
    ours = {gateway.version: gateway for gateway, index in routes if index == plug.index}
    return replace(plug, gateway=ours.get(4), gateway6=ours.get(6))
