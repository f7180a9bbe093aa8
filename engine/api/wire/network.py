"""Networks: requests and answers of /networks in Docker's JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from engine.api.codec import Fields
from engine.api.wire.mounts import refuse_unread
from engine.clock import render_ns
from engine.networks.model import IpamWish, Network, NetworkWish
from engine.values import Endpoint


class Member(Protocol):
    """A running container in a network."""

    @property
    def container_id(self) -> str: ...
    @property
    def container_name(self) -> str: ...
    @property
    def endpoint(self) -> Endpoint: ...


def parse_create(fields: Fields) -> NetworkWish:
    """Return the network that a create asks for."""
    ipam = fields.table("IPAM")
    entries = ipam.tables("Config")
    config_from = fields.table("ConfigFrom")
    wish = NetworkWish(
        name=fields.text("Name"),
        driver=fields.text("Driver") or "bridge",
        internal=fields.flag("Internal"),
        attachable=fields.flag("Attachable"),
        enable_ipv4=fields.flag("EnableIPv4", True),
        enable_ipv6=fields.flag("EnableIPv6"),
        scope=fields.text("Scope"),
        ingress=fields.flag("Ingress"),
        config_only=fields.flag("ConfigOnly"),
        config_from=config_from.text("Network"),
        ipam_driver=ipam.text("Driver"),
        ipam_options=ipam.mapping("Options"),
        ipam=tuple(_parse_ipam(entry) for entry in entries),
        options=fields.mapping("Options"),
        labels=fields.mapping("Labels"),
    )
    fields.raw("CheckDuplicate")  # before 1.44; names are unique always
    refuse_unread(fields, ipam, config_from, *entries)
    return wish


def _parse_ipam(fields: Fields) -> IpamWish:
    name = "AuxiliaryAddresses" if "AuxiliaryAddresses" in fields else "AuxAddress"
    return IpamWish(
        subnet=fields.text("Subnet"),
        ip_range=fields.text("IPRange"),
        gateway=fields.text("Gateway"),
        auxiliary=fields.mapping(name),
    )


def render_network(network: Network, members: Iterable[Member] | None = None) -> dict[str, Any]:
    """Return a Network of an answer; `members` None leaves the containers out, as lists do."""
    answer = {
        "Name": network.name,
        "Id": network.id,
        "Created": render_ns(network.created_ns),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": network.driver not in ("host", "null"),
        "EnableIPv6": network.ipv6 is not None,
        "IPAM": {"Driver": "default", "Options": None, "Config": _render_ipam(network)},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }
    if members is not None:
        answer["Containers"] = {member.container_id: _render_member(member) for member in members}
    return answer


def _render_ipam(network: Network) -> list[dict[str, Any]]:
    found = []
    for addresses in (network.ipv4, network.ipv6):
        if addresses is None or not addresses.subnet:
            continue
        entry: dict[str, Any] = {"Subnet": addresses.subnet, "Gateway": addresses.gateway}
        if addresses.ip_range:
            entry["IPRange"] = addresses.ip_range
        if addresses.auxiliary:
            entry["AuxiliaryAddresses"] = dict(addresses.auxiliary)
        found.append(entry)
    return found


def _render_member(member: Member) -> dict[str, str]:
    endpoint = member.endpoint
    return {
        "Name": member.container_name,
        "EndpointID": endpoint.endpoint_id,
        "MacAddress": endpoint.mac_address,
        "IPv4Address": f"{endpoint.ip_address}/{endpoint.ip_prefix_len}" if endpoint.ip_address else "",
        "IPv6Address": f"{endpoint.global_ipv6_address}/{endpoint.global_ipv6_prefix_len}"
        if endpoint.global_ipv6_address
        else "",
    }
