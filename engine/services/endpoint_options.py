"""DriverOpts of a container's place in a network: each known by name, none ignored. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import InvalidArgument, Unsupported
from engine.values import EndpointConfig

INTERFACE = "com.docker.network.endpoint.ifname"
SYSCTLS = "com.docker.network.endpoint.sysctls"
_OWN = "IFNAME"
_INTERFACE = re.compile(r"[^/\s:%]{1,15}\Z")
_SYSCTL = re.compile(r"net\.(ipv4|ipv6|mpls)\.(conf|neigh)\.IFNAME\.[a-z0-9_]+\Z")


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """What the options ask for."""

    interface: str = ""
    """The interface's name inside; "": the network's prefix and a number."""
    own_sysctls: tuple[tuple[str, str], ...] = ()

    def sysctls(self, interface: str) -> tuple[tuple[str, str], ...]:
        """Return (file below /proc/sys, value) for an interface of this name."""
        return tuple((name.replace(".", "/").replace(_OWN, interface), value) for name, value in self.own_sysctls)


def parse(config: EndpointConfig) -> EndpointOptions:
    """Return the options of a place; Unsupported for one that is not known, InvalidArgument for a bad value."""
    if not config.driver_opts:
        return EndpointOptions()
    for name in config.driver_opts:
        if name not in (INTERFACE, SYSCTLS):
            raise Unsupported(f"the endpoint option {name} is not supported: {INTERFACE} and {SYSCTLS} are")
    interface = config.driver_opts.get(INTERFACE, "")
    if interface and (not _INTERFACE.match(interface) or interface in (".", "..", "lo", "all", "default")):
        raise InvalidArgument(f"invalid value for {INTERFACE}: {interface!r}")
    pairs = [entry for entry in config.driver_opts.get(SYSCTLS, "").split(",") if entry]
    return EndpointOptions(interface, tuple(_sysctl(entry) for entry in pairs))


def _sysctl(entry: str) -> tuple[str, str]:
    name, equals, value = entry.partition("=")
    if not equals or not _SYSCTL.match(name):
        raise InvalidArgument(f"invalid value for {SYSCTLS}: {entry!r}: expected net.<ipv4|ipv6|mpls>.conf.IFNAME.…=…")
    return name, value
