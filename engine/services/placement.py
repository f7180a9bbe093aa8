"""Where a container goes: its endpoints as values, which of them leads out, what it publishes. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from engine.containers.model import Container
from engine.networks import ports
from engine.networks.bridges import Bridge
from engine.networks.model import Network
from engine.networks.rules import Published
from engine.networks.sandboxes import Plug, Sandbox
from engine.services.naming import dns_names
from engine.values import Endpoint, EndpointConfig, PortBinding

Wish = tuple[EndpointConfig, Network]


def make_endpoint(
    container: Container,
    config: EndpointConfig,
    network: Network,
    endpoint_id: str,
    plug: Plug | None = None,
    bridge: Bridge | None = None,
) -> Endpoint:
    """Return a container's endpoint in a network; without plug and bridge one that has no interface (host, none)."""
    if plug is None or bridge is None:
        return Endpoint(config, network.id, network.name, endpoint_id)
    return Endpoint(
        config=config,
        network_id=network.id,
        network_name=network.name,
        endpoint_id=endpoint_id,
        gateway=str(bridge.route or ""),
        ip_address=str(plug.interface.ip),
        ip_prefix_len=plug.interface.network.prefixlen,
        ipv6_gateway=str(bridge.route6 or ""),
        global_ipv6_address=str(plug.interface6.ip) if plug.interface6 else "",
        global_ipv6_prefix_len=plug.interface6.network.prefixlen if plug.interface6 else 0,
        mac_address=plug.mac,
        dns_names=dns_names(container, config, network),
        interface=plug.inside,
    )


def leading(places: Iterable[tuple[EndpointConfig, Network]]) -> int | None:
    """Return which place carries the default route and the ports, None where none leads out.

    Docker's order: by priority, then by the networks' names.
    """
    order = sorted(
        (-config.gw_priority, network.name, i) for i, (config, network) in enumerate(places) if not network.internal
    )
    return order[0][2] if order else None


def leading6(places: Iterable[tuple[EndpointConfig, Network]]) -> int | None:
    """Return which place carries the IPv6 default route, None where none does."""
    places = list(places)
    numbers = [i for i, (_, network) in enumerate(places) if network.ipv6]
    found = leading(places[i] for i in numbers)
    return None if found is None else numbers[found]


def publishing(places: Iterable[tuple[EndpointConfig, Network]]) -> int | None:
    """Return which place the ports lead to, None where none does: only a bridge of this host can carry them."""
    places = list(places)
    numbers = [i for i, (_, network) in enumerate(places) if network.has_bridge]
    found = leading(places[i] for i in numbers)
    return None if found is None else numbers[found]


def next_number(sandbox: Sandbox) -> int:
    """Return the first n for which the sandbox has no `eth<n>`."""
    taken = {plug.number for plug in sandbox.plugs}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def wanted_ports(container: Container) -> list[PortBinding]:
    """Return what the container publishes: what it names, and all that it exposes where it asks for that."""
    wanted = list(container.host_config.port_bindings)
    if container.host_config.publish_all_ports:
        named = {binding.key for binding in wanted}
        wanted.extend(b for b in ports.exposed(container.config.exposed_ports) if b.key not in named)
    return wanted


def published(taken: Iterable[PortBinding], endpoint: Endpoint) -> list[Published]:
    """Return host ports with the container's address of their family behind them."""
    found = []
    for binding in taken:
        address = endpoint.global_ipv6_address if ":" in binding.host_ip else endpoint.ip_address
        if address:
            found.append(Published(binding, address))
    return found
