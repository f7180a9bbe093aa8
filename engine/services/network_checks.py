"""What is asked of a new network or a container's place in one, checked: pure, with Docker's texts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.containers.model import HostConfig
from engine.errors import Conflict, Forbidden, InvalidArgument, Unsupported
from engine.networks import files, ipam, model, wires
from engine.networks.ipam import Subnet
from engine.networks.model import IpamWish, Network, NetworkWish, Range
from engine.networks.ports import check_bindings
from engine.services import endpoint_options
from engine.values import EndpointConfig

CONTAINER_MODE = "container:"
_BRIDGE_OPTIONS = (
    model.OPTION_MTU,
    model.OPTION_MASQUERADE,
    model.OPTION_HOST_BINDING,
    model.OPTION_ICC,
    model.OPTION_BRIDGE_NAME,
    model.OPTION_INTERFACE_PREFIX,
)
_BOOLEANS = (model.OPTION_MASQUERADE, model.OPTION_ICC)
_DEVICE = re.compile(r"[^/\s:%]{1,15}\Z")
_PREFIX = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]{0,9}\Z")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The address plan of a new network; None: choose one."""

    ipv4: Range | None = None
    ipv6: Range | None = None


def check_wish(wish: NetworkWish) -> None:
    """Raise for a network that can't be: what Docker refuses, and by name what Berth does not do."""
    model.check_name(wish.name)
    if wish.name in (*model.PREDEFINED, "default"):
        raise Forbidden(f"operation is not permitted on predefined {wish.name} network")
    if wish.driver in ("host", "null", "none"):
        raise Forbidden(f'only one instance of "{wish.driver}" network is allowed')
    if wish.driver not in ("", "bridge", *wires.DRIVERS):
        raise Unsupported(f'network driver "{wish.driver}" is not supported: bridge, macvlan and ipvlan are')
    refused = {
        "EnableIPv4=false": not wish.enable_ipv4,
        "Ingress": wish.ingress,
        "ConfigOnly": wish.config_only,
        "ConfigFrom": bool(wish.config_from),
        f"Scope={wish.scope}": wish.scope not in ("", "local"),
        f"IPAM.Driver={wish.ipam_driver}": wish.ipam_driver not in ("", "default"),
        "IPAM.Options": bool(wish.ipam_options),
    }
    for name, asked in refused.items():
        if asked:
            raise Unsupported(f"networks with {name} are not supported")
    if wish.driver in wires.DRIVERS:
        wires.check_options(wish.driver, dict(wish.options))
        _check_mtu(wish.options)
    else:
        check_options(wish.options)


def check_options(options: Mapping[str, str]) -> None:
    """Raise for options of a bridge that would be ignored, or that have no meaning."""
    for name in options:
        if name not in _BRIDGE_OPTIONS and name.startswith("com.docker.network."):
            raise Unsupported(f"the option {name} is not supported: {', '.join(_BRIDGE_OPTIONS)} are")
    _check_mtu(options)
    for name in _BOOLEANS:
        value = options.get(name, "true")
        if not model.is_off(value) and value not in ("1", "t", "T", "true", "TRUE", "True"):
            raise InvalidArgument(f"invalid value for {name}: {value!r}: expected true or false")
    binding = options.get(model.OPTION_HOST_BINDING)
    if binding is not None:
        ipam.parse_address(binding, model.OPTION_HOST_BINDING)
    for name, pattern in ((model.OPTION_BRIDGE_NAME, _DEVICE), (model.OPTION_INTERFACE_PREFIX, _PREFIX)):
        value = options.get(name, "")
        if value and (not pattern.match(value) or value in (".", "..", "lo", "all", "default")):
            raise InvalidArgument(f"invalid value for {name}: {value!r}")


def _check_mtu(options: Mapping[str, str]) -> None:
    mtu = options.get(model.OPTION_MTU, "0")
    if not (mtu.isascii() and mtu.isdigit()) or (int(mtu) and not 68 <= int(mtu) <= 65535):
        raise InvalidArgument(f"invalid value for {model.OPTION_MTU}: {mtu!r}")


def plan_addresses(wish: NetworkWish, existing: Iterable[Network]) -> Addresses:
    """Return the address plan that a user's IPAM configuration means; Docker's texts where it contradicts itself."""
    existing = list(existing)
    plans: dict[int, Range] = {}
    for entry in wish.ipam:
        if not entry.subnet:
            if entry.gateway or entry.ip_range or entry.auxiliary:
                raise InvalidArgument("invalid network config: IPAM.Config needs a Subnet")
            continue
        subnet = ipam.parse_subnet(entry.subnet)
        if subnet.version in plans:
            raise InvalidArgument(f"{wish.driver or 'bridge'} driver doesn't support multiple subnets")
        if subnet.version == 6 and not wish.enable_ipv6:
            raise InvalidArgument(f"invalid network config: Subnet {entry.subnet} needs EnableIPv6")
        plans[subnet.version] = _plan(entry, subnet, existing)
    return Addresses(plans.get(4), plans.get(6))


def _plan(wish: IpamWish, subnet: Subnet, existing: Iterable[Network]) -> Range:
    if subnet.num_addresses < 4:
        raise InvalidArgument(f"invalid Subnet {wish.subnet!r}: no room for a gateway and a container")
    for network in existing:
        for other in (network.subnet, network.ipv6.subnet if network.ipv6 else ""):
            if other and _overlap(ipaddress.ip_network(other), subnet):
                raise Forbidden("invalid pool request: Pool overlaps with other one on this address space")
    gateway = _address(wish.gateway, subnet, "Gateway") if wish.gateway else subnet.network_address + 1
    if gateway not in subnet:
        raise InvalidArgument(f"no matching subnet for gateway {gateway}")
    ip_range = ipam.parse_subnet(wish.ip_range, "IPRange") if wish.ip_range else None
    if ip_range is not None and not _overlap(ip_range, subnet, inside=True):
        raise InvalidArgument(f"no matching subnet for range {wish.ip_range}")
    for name, text in wish.auxiliary.items():
        if _address(text, subnet, f"AuxiliaryAddresses[{name}]") not in subnet:
            raise InvalidArgument(f"no matching subnet for aux-address {text}")
    return Range(str(subnet), str(gateway), str(ip_range or ""), dict(wish.auxiliary), user_subnet=True)


def _address(text: str, subnet: Subnet, field: str) -> ipam.Address:
    parse = ipam.parse_address if subnet.version == 4 else ipam.parse_address6
    return parse(text, field)


def _overlap(one: Subnet, other: Subnet, *, inside: bool = False) -> bool:
    """Say whether two networks share addresses, or (`inside`) whether the first is part of the other."""
    if isinstance(one, ipaddress.IPv4Network) and isinstance(other, ipaddress.IPv4Network):
        return one.subnet_of(other) if inside else one.overlaps(other)
    if isinstance(one, ipaddress.IPv6Network) and isinstance(other, ipaddress.IPv6Network):
        return one.subnet_of(other) if inside else one.overlaps(other)
    return False


def check_host_config(host: HostConfig) -> None:
    """Raise for network values of a container that can't be, or that contradict its mode."""
    if host.links and (host.network_mode == model.HOST or host.network_mode.startswith(CONTAINER_MODE)):
        kind = "host type networking" if host.network_mode == model.HOST else "container type network"
        raise InvalidArgument(
            f"conflicting options: {kind} can't be used with links. This would result in undefined behavior"
        )
    check_bindings(host.port_bindings)
    files.parse_extra_hosts(host.extra_hosts, "")
    if not host.network_mode.startswith(CONTAINER_MODE):
        return
    if not host.network_mode.removeprefix(CONTAINER_MODE):
        raise InvalidArgument("Invalid network mode: invalid container format container:<name|id>")
    clashes = {
        "port publishing and the container type network mode": host.port_bindings or host.publish_all_ports,
        "dns and the network mode": host.dns,
        "custom host-to-IP mapping and the network mode": host.extra_hosts,
    }
    for what, asked in clashes.items():
        if asked:
            raise InvalidArgument(f"conflicting options: {what}")


def check_endpoint(config: EndpointConfig, network: Network) -> None:
    """Raise, with Docker's text, for a place in this network that can't be."""
    if config.links and network.is_predefined:
        raise InvalidArgument("network-scoped links are only supported for user-defined networks")
    endpoint_options.parse(config)
    wanted = [("IPv4Address", config.ipv4_address, network.ipv4), ("IPv6Address", config.ipv6_address, network.ipv6)]
    if network.is_predefined:
        if config.ipv4_address or config.ipv6_address:
            raise InvalidArgument("user specified IP address is supported on user defined networks only")
        if config.aliases:
            raise InvalidArgument("network-scoped aliases are only supported for user-defined networks")
        return
    for field, text, addresses in wanted:
        if text:
            _check_address(field, text, addresses)


def _check_address(field: str, text: str, addresses: Range | None) -> None:
    if addresses is None or not addresses.user_subnet:
        raise InvalidArgument(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
        )
    parse = ipam.parse_address6 if field == "IPv6Address" else ipam.parse_address
    if parse(text, field) not in ipaddress.ip_network(addresses.subnet):
        raise InvalidArgument(f"invalid endpoint settings: no configured subnet contains IP address {text}")


def check_attachable(mode: str, network: Network) -> None:
    """Raise, with Docker's text, where a container of this network mode can't join one more network."""
    if mode == model.HOST or network.driver == "host":
        raise Forbidden("container cannot be disconnected from host network or connected to host network")
    if mode.startswith(CONTAINER_MODE):
        raise Forbidden(
            "container sharing network namespace with another container or host "
            "cannot be connected to any other network"
        )
    if mode == model.NONE or network.driver == "null":
        raise Conflict(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        )
