"""EndpointSettings: a container's place in a network."""

from __future__ import annotations

from typing import Any

from engine.api.codec import Fields
from engine.api.wire.mounts import refuse_unread
from engine.errors import Unsupported
from engine.values import Endpoint, EndpointConfig

# Facts of an answer, which clients send back when they copy an inspection: ignored, as Docker does.
_FACTS = (
    "NetworkID",
    "EndpointID",
    "Gateway",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "DNSNames",
)


def parse_networking(fields: Fields) -> tuple[EndpointConfig, ...]:
    """Return NetworkingConfig.EndpointsConfig, in the order given."""
    found = tuple(parse_endpoint(name, entry) for name, entry in fields.entries("EndpointsConfig"))
    refuse_unread(fields)
    return found


def parse_endpoint(network: str, fields: Fields) -> EndpointConfig:
    """Return one EndpointSettings of a request."""
    ipam = fields.table("IPAMConfig")
    if ipam.texts("LinkLocalIPs"):
        raise Unsupported(f"{ipam.name_of('LinkLocalIPs')}: not supported")
    for name in _FACTS:
        fields.raw(name)
    config = EndpointConfig(
        network=network,
        aliases=fields.texts("Aliases"),
        links=fields.texts("Links"),
        ipv4_address=ipam.text("IPv4Address"),
        ipv6_address=ipam.text("IPv6Address"),
        mac_address=fields.text("MacAddress"),
        driver_opts=fields.mapping("DriverOpts") or None,
        gw_priority=fields.integer("GwPriority"),
    )
    refuse_unread(fields, ipam)
    return config


def render_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """Return one EndpointSettings of an answer."""
    config = endpoint.config
    return {
        "IPAMConfig": _ipam(config),
        "Links": list(config.links) or None,
        "Aliases": list(config.aliases) or None,
        "MacAddress": endpoint.mac_address,
        "DriverOpts": dict(config.driver_opts) if config.driver_opts else None,
        "GwPriority": config.gw_priority,
        "NetworkID": endpoint.network_id,
        "EndpointID": endpoint.endpoint_id,
        "Gateway": endpoint.gateway,
        "IPAddress": endpoint.ip_address,
        "IPPrefixLen": endpoint.ip_prefix_len,
        "IPv6Gateway": endpoint.ipv6_gateway,
        "GlobalIPv6Address": endpoint.global_ipv6_address,
        "GlobalIPv6PrefixLen": endpoint.global_ipv6_prefix_len,
        "DNSNames": list(endpoint.dns_names) or None,
    }


def _ipam(config: EndpointConfig) -> dict[str, str] | None:
    found = {"IPv4Address": config.ipv4_address, "IPv6Address": config.ipv6_address}
    return {name: value for name, value in found.items() if value} or None
