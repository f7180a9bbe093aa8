"""Addresses: which subnet a network gets, and which address a container. Pure; no kernel, no lock of its own.

A freed address is the last to be given again: what still holds it (an old veth, a neighbour's ARP entry) has time
to go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from engine.errors import Conflict, Exhausted, InvalidArgument

DEFAULT_BRIDGE_PREFIX = 21
"""2,045 containers: more than the 1,023 ports that a Linux bridge has."""
USER_PREFIX = 24


def choose_subnet(
    pool: ipaddress.IPv4Network, prefix: int, taken: Iterable[ipaddress.IPv4Network]
) -> ipaddress.IPv4Network:
    """Return the first block of `prefix` bits in `pool` that overlaps nothing in `taken`; Exhausted if none does."""
    occupied = sorted((t for t in taken if t.overlaps(pool)), key=lambda t: t.network_address)
    size = 1 << (32 - prefix)
    candidate = int(pool.network_address)
    last = int(pool.broadcast_address)
    for block in occupied:
        if candidate + size <= int(block.network_address):
            break
        candidate = max(candidate, -(-(int(block.broadcast_address) + 1) // size) * size)
    if prefix < pool.prefixlen or candidate + size - 1 > last:
        raise Exhausted("all predefined address pools have been fully subnetted")
    return ipaddress.IPv4Network((candidate, prefix))


class AddressSpace:
    """The addresses of one network. Gateway: the first of the subnet, unless another is given."""

    def __init__(
        self,
        subnet: ipaddress.IPv4Network,
        *,
        gateway: ipaddress.IPv4Address | None = None,
        ip_range: ipaddress.IPv4Network | None = None,
        reserved: Iterable[ipaddress.IPv4Address] = (),
    ) -> None:
        self.subnet = subnet
        self.gateway = gateway or subnet.network_address + 1
        span = ip_range or subnet
        self._first = int(span.network_address)
        self._last = int(span.broadcast_address)
        self._next = self._first
        self._closed = {int(subnet.network_address), int(subnet.broadcast_address), int(self.gateway)}
        self._closed |= {int(address) for address in reserved}
        self._taken: set[int] = set()

    def take(self) -> ipaddress.IPv4Address:
        """Take the next free address; Exhausted with Docker's text when there is none."""
        for _ in range(self._last - self._first + 1):
            candidate = self._next
            self._next = candidate + 1 if candidate < self._last else self._first
            if candidate not in self._taken and candidate not in self._closed:
                self._taken.add(candidate)
                return ipaddress.IPv4Address(candidate)
        raise Exhausted("no available IPv4 addresses on this network's address pools")

    def take_this(self, address: ipaddress.IPv4Address) -> ipaddress.IPv4Address:
        """Take the address that the user names; Conflict if it is in use, InvalidArgument outside of the subnet."""
        if address not in self.subnet:
            raise InvalidArgument(f"invalid address {address}: It does not belong to any of this network's subnets")
        if int(address) in self._taken or int(address) in self._closed:
            raise Conflict("Address already in use")
        self._taken.add(int(address))
        return address

    def give_back(self, address: ipaddress.IPv4Address) -> None:
        """Free an address; idempotent."""
        self._taken.discard(int(address))

    @property
    def used(self) -> int:
        """How many addresses are taken, gateway not counted."""
        return len(self._taken)


def parse_subnet(text: str, field: str = "Subnet") -> ipaddress.IPv4Network:
    """Parse a user's IPv4 subnet; host bits are cut off, as Docker does."""
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise InvalidArgument(f"invalid {field} {text!r}: expected an IPv4 network in CIDR notation") from error


def parse_address(text: str, field: str) -> ipaddress.IPv4Address:
    """Parse a user's IPv4 address; InvalidArgument names the field."""
    try:
        return ipaddress.IPv4Address(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid {field} {text!r}: expected an IPv4 address") from error
