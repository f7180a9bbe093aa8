"""What is asked of a new network or a container's place in one, checked: pure, with Docker's texts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.containers.model import HostConfig
from engine.errors import Conflict, Forbidden, InvalidArgument, Unsupported
from engine.networks import files, ipam, model
from engine.networks.model import IpamWish, Network, NetworkWish
from engine.networks.ports import check_bindings
from engine.values import EndpointConfig

CONTAINER_MODE = "container:"
_UNSUPPORTED_ENDPOINT_OPTIONS = "com.docker.network.endpoint.sysctls"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The address plan of a new network; `subnet` None: choose one."""

    subnet: ipaddress.IPv4Network | None = None
    gateway: ipaddress.IPv4Address | None = None
    ip_range: ipaddress.IPv4Network | None = None
    auxiliary: Mapping[str, str] = field(default_factory=dict)


def check_wish(wish: NetworkWish) -> None:
    """Raise for a network that can't be: what Docker refuses, and by name what Berth does not do."""
    model.check_name(wish.name)
    if wish.name in (*model.PREDEFINED, "default"):
        raise Forbidden(f"operation is not permitted on predefined {wish.name} network")
    if wish.driver in ("host", "null", "none"):
        raise Forbidden(f'only one instance of "{wish.driver}" network is allowed')
    if wish.driver not in ("", "bridge"):
        raise Unsupported(f'network driver "{wish.driver}" is not supported: bridge is')
    refused = {
        "EnableIPv6": wish.enable_ipv6,
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
    check_options(wish.options)


def check_options(options: Mapping[str, str]) -> None:
    """Raise for bridge options that would be ignored, or that have no meaning."""
    if options.get(model.OPTION_BRIDGE_NAME):
        raise Unsupported(f"the option {model.OPTION_BRIDGE_NAME} is not supported: bridges are named by the engine")
    if options.get(model.OPTION_ICC, "true").lower() in ("false", "0"):
        raise Unsupported(f"the option {model.OPTION_ICC}=false is not supported")
    mtu = options.get(model.OPTION_MTU, "0")
    if not mtu.isdigit() or (int(mtu) and not 68 <= int(mtu) <= 65535):
        raise InvalidArgument(f"invalid value for {model.OPTION_MTU}: {mtu!r}")
    binding = options.get(model.OPTION_HOST_BINDING)
    if binding is not None:
        ipam.parse_address(binding, model.OPTION_HOST_BINDING)


def plan_addresses(wishes: Sequence[IpamWish], existing: Iterable[Network]) -> Addresses:
    """Return the address plan that a user's IPAM configuration means; Docker's texts where it contradicts itself."""
    if len(wishes) > 1:
        raise InvalidArgument("bridge driver doesn't support multiple subnets")
    if not wishes or not wishes[0].subnet:
        if wishes and (wishes[0].gateway or wishes[0].ip_range or wishes[0].auxiliary):
            raise InvalidArgument("invalid network config: IPAM.Config needs a Subnet")
        return Addresses()
    wish = wishes[0]
    subnet = ipam.parse_subnet(wish.subnet)
    if subnet.prefixlen > 30:
        raise InvalidArgument(f"invalid Subnet {wish.subnet!r}: no room for a gateway and a container")
    for network in existing:
        if network.subnet and ipaddress.IPv4Network(network.subnet).overlaps(subnet):
            raise Forbidden("invalid pool request: Pool overlaps with other one on this address space")
    gateway = ipam.parse_address(wish.gateway, "Gateway") if wish.gateway else None
    if gateway is not None and gateway not in subnet:
        raise InvalidArgument(f"no matching subnet for gateway {gateway}")
    ip_range = ipam.parse_subnet(wish.ip_range, "IPRange") if wish.ip_range else None
    if ip_range is not None and not ip_range.subnet_of(subnet):
        raise InvalidArgument(f"no matching subnet for range {wish.ip_range}")
    for name, text in wish.auxiliary.items():
        if ipam.parse_address(text, f"AuxiliaryAddresses[{name}]") not in subnet:
            raise InvalidArgument(f"no matching subnet for aux-address {text}")
    return Addresses(subnet, gateway, ip_range, dict(wish.auxiliary))


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
    if config.ipv6_address:
        raise Unsupported("EndpointConfig.IPAMConfig.IPv6Address is not supported")
    if config.driver_opts and _UNSUPPORTED_ENDPOINT_OPTIONS in config.driver_opts:
        raise Unsupported(f"the endpoint option {_UNSUPPORTED_ENDPOINT_OPTIONS} is not supported")
    if network.is_predefined:
        if config.ipv4_address:
            raise InvalidArgument("user specified IP address is supported on user defined networks only")
        if config.aliases:
            raise InvalidArgument("network-scoped aliases are only supported for user-defined networks")
    elif config.ipv4_address:
        if not network.user_subnet:
            raise InvalidArgument(
                "user specified IP address is supported only when connecting to networks with user configured subnets"
            )
        address = ipam.parse_address(config.ipv4_address, "IPv4Address")
        if address not in ipaddress.IPv4Network(network.subnet):
            raise InvalidArgument(
                f"invalid endpoint settings: no configured subnet contains IP address {config.ipv4_address}"
            )


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
