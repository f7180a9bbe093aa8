"""Where a container goes: its endpoints as values, which of them leads out, what it publishes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
        mac_address=plug.mac,
        dns_names=dns_names(container, config, network),
    )


def gateway_of(wishes: Sequence[Wish]) -> int:
    """Return which network carries the default route and the ports: first by priority of those that lead out."""
    order = sorted(range(len(wishes)), key=lambda i: (wishes[i][1].internal, -wishes[i][0].gw_priority, i))
    return order[0]


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


def published(taken: Iterable[PortBinding], address: str) -> list[Published]:
    """Return host ports with the container's address behind them."""
    return [Published(binding, address) for binding in taken] if address else []


def publishing_endpoint(endpoints: Sequence[Endpoint], networks: Sequence[Network]) -> Endpoint | None:
    """Return the endpoint of a running container that its ports lead to, None where none leads out."""
    internal = {network.id for network in networks if network.internal}
    leading = [e for e in endpoints if e.ip_address and e.network_id not in internal]
    return min(leading, key=lambda endpoint: -endpoint.config.gw_priority, default=None)
