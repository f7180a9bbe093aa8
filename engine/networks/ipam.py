"""Addresses: which subnet a network gets, and which address a container. Pure; no kernel, no lock of its own.

A freed address is the last to be given again: what still holds it (an old veth, a neighbour's ARP entry) has time
to go.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable

from engine.errors import Conflict, Exhausted, InvalidArgument

DEFAULT_BRIDGE_PREFIX = 21
"""2,045 containers: more than the 1,023 ports that a Linux bridge has."""
USER_PREFIX = 24
IPV6_PREFIX = 64

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


def choose_subnet(pool: Subnet, prefix: int, taken: Iterable[Subnet]) -> Subnet:
    """Return the first block of `prefix` bits in `pool` that overlaps nothing in `taken`; Exhausted if none does."""
    first, last = int(pool.network_address), int(pool.broadcast_address)
    spans = [(int(t.network_address), int(t.broadcast_address)) for t in taken if t.version == pool.version]
    occupied = sorted((begin, end) for begin, end in spans if begin <= last and end >= first)
    size = 1 << (pool.max_prefixlen - prefix)
    candidate = first
    for begin, end in occupied:
        if candidate + size <= begin:
            break
        candidate = max(candidate, -(-(end + 1) // size) * size)
    if prefix < pool.prefixlen or candidate + size - 1 > last:
        raise Exhausted("all predefined address pools have been fully subnetted")
    return (
        ipaddress.ip_network((candidate, prefix)) if pool.version == 4 else ipaddress.IPv6Network((candidate, prefix))
    )


def unique_local_pool(seed: str) -> ipaddress.IPv6Network:
    """Return a /48 of our own (RFC 4193): the same for the same seed, and nobody else's but by chance."""
    chosen = b"\xfd" + hashlib.sha256(seed.encode()).digest()[:5]
    return ipaddress.IPv6Network((chosen.ljust(16, b"\0"), 48))


class AddressSpace:
    """The addresses of one network, of one family. Gateway: the first of the subnet, unless another is given."""

    def __init__(
        self,
        subnet: Subnet,
        *,
        gateway: Address | None = None,
        ip_range: Subnet | None = None,
        reserved: Iterable[Address] = (),
    ) -> None:
        self.subnet = subnet
        self.gateway: Address = gateway or subnet.network_address + 1
        span = ip_range or subnet
        self._first = int(span.network_address)
        self._last = int(span.broadcast_address)
        self._next = self._first
        self._closed = {int(subnet.network_address), int(subnet.broadcast_address), int(self.gateway)}
        self._closed |= {int(address) for address in reserved}
        self._taken: set[int] = set()

    def take(self) -> Address:
        """Take the next free address; Exhausted with Docker's text when there is none."""
        for _ in range(min(self._last - self._first, len(self._taken) + len(self._closed)) + 1):
            candidate = self._next
            self._next = candidate + 1 if candidate < self._last else self._first
            if candidate not in self._taken and candidate not in self._closed:
                self._taken.add(candidate)
                return self._address(candidate)
        raise Exhausted(f"no available IPv{self.subnet.version} addresses on this network's address pools")

    def take_this(self, address: Address) -> Address:
        """Take the address that the user names; Conflict if it is in use, InvalidArgument outside of the subnet."""
        if address not in self.subnet:
            raise InvalidArgument(f"invalid address {address}: It does not belong to any of this network's subnets")
        if int(address) in self._taken or int(address) in self._closed:
            raise Conflict("Address already in use")
        self._taken.add(int(address))
        return address

    def give_back(self, address: Address) -> None:
        """Free an address; idempotent."""
        self._taken.discard(int(address))

    def interface(self, address: Address) -> Interface:
        """Return an address with the subnet's prefix length."""
        return ipaddress.ip_interface((address, self.subnet.prefixlen))

    @property
    def used(self) -> int:
        """How many addresses are taken, gateway not counted."""
        return len(self._taken)

    def _address(self, number: int) -> Address:
        return ipaddress.IPv4Address(number) if self.subnet.version == 4 else ipaddress.IPv6Address(number)


def parse_subnet(text: str, field: str = "Subnet") -> Subnet:
    """Parse a user's subnet; host bits are cut off, as Docker does."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidArgument(f"invalid {field} {text!r}: expected a network in CIDR notation") from error


def parse_address(text: str, field: str) -> ipaddress.IPv4Address:
    """Parse a user's IPv4 address; InvalidArgument names the field."""
    try:
        return ipaddress.IPv4Address(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid {field} {text!r}: expected an IPv4 address") from error


def parse_address6(text: str, field: str) -> ipaddress.IPv6Address:
    """Parse a user's IPv6 address; InvalidArgument names the field."""
    try:
        return ipaddress.IPv6Address(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid {field} {text!r}: expected an IPv6 address") from error
