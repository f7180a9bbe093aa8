"""A network as a value, and the rules of its names.

Three networks are predefined in every namespace: `bridge` (each namespace has its own, made when first needed),
`host` and `none`. Their ids are derived, so that they are stable without a record.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import InvalidArgument

DEFAULT_BRIDGE = "bridge"
HOST = "host"
NONE = "none"
PREDEFINED = (DEFAULT_BRIDGE, HOST, NONE)
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
_DEVICE_PART = 8


@dataclass(frozen=True, slots=True)
class Range:
    """The addresses of a network of one family."""

    subnet: str
    gateway: str = ""
    ip_range: str = ""
    auxiliary: Mapping[str, str] = field(default_factory=dict)
    user_subnet: bool = False
    """The subnet was given by the user: only then may an endpoint ask for an address."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network. `subnet` is "" for host, none and a default bridge that nobody has used yet."""

    id: str
    namespace: str
    name: str
    driver: str = "bridge"
    """`bridge`, `macvlan`, `ipvlan`, `host` or `null` (the network `none`)."""
    created_ns: int = 0
    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    auxiliary: Mapping[str, str] = field(default_factory=dict)
    user_subnet: bool = False
    """The subnet was given by the user: only then may an endpoint ask for an address."""
    internal: bool = False
    attachable: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    created_by: str = ""
    ipv6: Range | None = None
    """Its IPv6 addresses, where it has any."""

    @property
    def ipv4(self) -> Range:
        """Its IPv4 addresses; the subnet is "" where there are none."""
        return Range(self.subnet, self.gateway, self.ip_range, self.auxiliary, self.user_subnet)

    @property
    def is_predefined(self) -> bool:
        """Whether it is one of `bridge`, `host`, `none`."""
        return self.name in PREDEFINED

    @property
    def has_bridge(self) -> bool:
        """Whether it is a bridge of this host; else its containers are on another link's wire (macvlan, ipvlan)."""
        return self.driver == "bridge"

    @property
    def mtu(self) -> int:
        """The MTU asked for, 0 for the uplink's."""
        return int(self.options.get(OPTION_MTU, "0"))

    @property
    def masquerades(self) -> bool:
        """Whether its containers reach other machines under the host's address."""
        return not is_off(self.options.get(OPTION_MASQUERADE, "true")) and not self.internal

    @property
    def is_open_inside(self) -> bool:
        """Whether its containers may talk to each other beside published ports."""
        return not is_off(self.options.get(OPTION_ICC, "true"))

    @property
    def host_binding(self) -> str:
        """The host address on which ports are published where the user names none."""
        return self.options.get(OPTION_HOST_BINDING, "0.0.0.0")  # noqa: S104 - Docker's default

    @property
    def interface_prefix(self) -> str:
        """What its interfaces are called inside of containers, before their number."""
        return self.options.get(OPTION_INTERFACE_PREFIX) or "eth"


@dataclass(frozen=True, slots=True)
class IpamWish:
    """One entry of IPAM.Config."""

    subnet: str = ""
    ip_range: str = ""
    gateway: str = ""
    auxiliary: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NetworkWish:
    """A network as asked for (Docker: NetworkCreateRequest)."""

    name: str
    driver: str = "bridge"
    internal: bool = False
    attachable: bool = False
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    scope: str = ""
    ingress: bool = False
    config_only: bool = False
    config_from: str = ""
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] = field(default_factory=dict)
    ipam: tuple[IpamWish, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


OPTION_MTU = "com.docker.network.driver.mtu"
OPTION_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
OPTION_HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
OPTION_ICC = "com.docker.network.bridge.enable_icc"
OPTION_DEFAULT_BRIDGE = "com.docker.network.bridge.default_bridge"
OPTION_BRIDGE_NAME = "com.docker.network.bridge.name"
OPTION_INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"
OPTION_PARENT = "parent"
OPTION_MACVLAN_MODE = "macvlan_mode"
OPTION_IPVLAN_MODE = "ipvlan_mode"


def is_off(value: str) -> bool:
    """Say whether an option's value means no, as Go's ParseBool reads it."""
    return value in ("0", "f", "F", "false", "FALSE", "False")


def predefined_id(instance: str, namespace: str, name: str) -> str:
    """Return the id of a predefined network."""
    return hashlib.sha256(f"{instance}/{namespace}/{name}".encode()).hexdigest()


def device_prefix(kind: str, instance: str) -> str:
    """Return what every device of this kind (one letter) and instance begins with; names are 15 bytes at most."""
    part = instance if len(instance) <= _DEVICE_PART else hashlib.sha256(instance.encode()).hexdigest()[:_DEVICE_PART]
    return f"{kind}{part}-" if len(part) < _DEVICE_PART else f"{kind}{part}"


def device_name(kind: str, instance: str, identity: str) -> str:
    """Return the name of a bridge (`b`) or veth (`v`) for a network or endpoint id."""
    prefix = device_prefix(kind, instance)
    return prefix + identity[: min(8, 15 - len(prefix))]


def mac_for(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return Docker's MAC for an IPv4 address: `02:42` and its four bytes."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in address.packed[-4:])


def check_name(name: str) -> str:
    """Return a network name that may be used; InvalidArgument with Docker's text otherwise."""
    if not _NAME.match(name):
        raise InvalidArgument(
            f"invalid network name: {name!r}: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            if name
            else "invalid network name: name is empty"
        )
    return name
