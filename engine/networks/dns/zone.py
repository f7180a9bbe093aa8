"""Who is called what in which network: container names, aliases and short ids, and back from addresses. Thread-safe."""

from __future__ import annotations

import ipaddress
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

_REVERSE, _REVERSE6 = ".in-addr.arpa", ".ip6.arpa"


@dataclass(frozen=True, slots=True)
class Entry:
    """A container in a network; the first of `names` is the one that its address leads back to."""

    container_id: str
    network_id: str
    network_name: str
    address: str
    names: tuple[str, ...]
    address6: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses, of either family."""
        return tuple(address for address in (self.address, self.address6) if address)


class Names:
    """The names of all user networks of an instance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._by_name: defaultdict[tuple[str, str], dict[str, tuple[str, ...]]] = defaultdict(dict)
        self._by_address: dict[tuple[str, str], Entry] = {}

    def add(self, entry: Entry) -> None:
        """Make a container known in a network; what it was known by there goes."""
        with self._lock:
            self._drop(entry.network_id, entry.container_id)
            self._entries[entry.network_id, entry.container_id] = entry
            for address in entry.addresses:
                self._by_address[entry.network_id, address] = entry
            for key in _keys(entry):
                self._by_name[key][entry.container_id] = entry.addresses

    def remove(self, network_id: str, container_id: str) -> None:
        """Forget a container in a network; idempotent."""
        with self._lock:
            self._drop(network_id, container_id)

    def find(self, network_ids: Iterable[str], name: str) -> list[str] | None:
        """Return the addresses of a name in these networks, of both families; None where it is no name of theirs."""
        wanted = name.lower()
        found: list[str] = []
        with self._lock:
            for network_id in network_ids:
                for addresses in self._by_name.get((network_id, wanted), {}).values():
                    found.extend(addresses)
        return list(dict.fromkeys(found)) or None

    def find_reverse(self, network_ids: Iterable[str], name: str) -> str | None:
        """Return `container.network` for a name below in-addr.arpa or ip6.arpa, None where it is nobody's there."""
        address = reverse_address(name)
        if address is None:
            return None
        with self._lock:
            for network_id in network_ids:
                entry = self._by_address.get((network_id, address))
                if entry is not None:
                    return f"{entry.names[0]}.{entry.network_name}"
        return None

    def _drop(self, network_id: str, container_id: str) -> None:
        old = self._entries.pop((network_id, container_id), None)
        if old is None:
            return
        for address in old.addresses:
            if self._by_address.get((network_id, address)) is old:
                del self._by_address[network_id, address]
        for key in _keys(old):
            owners = self._by_name.get(key)
            if owners is not None:
                owners.pop(container_id, None)
                if not owners:
                    del self._by_name[key]


def _keys(entry: Entry) -> list[tuple[str, str]]:
    plain = [name.lower() for name in entry.names]
    qualified = [f"{name}.{entry.network_name.lower()}" for name in plain]
    return [(entry.network_id, name) for name in (*plain, *qualified)]


def reverse_address(name: str) -> str | None:
    """Return the address in a name below in-addr.arpa or ip6.arpa, None for other names."""
    try:
        if name.endswith(_REVERSE):
            return str(ipaddress.IPv4Address(".".join(reversed(name.removesuffix(_REVERSE).split(".")))))
        digits = name.removesuffix(_REVERSE6).split(".")
        if name.endswith(_REVERSE6) and len(digits) == 32 and all(len(digit) == 1 for digit in digits):
            return str(ipaddress.IPv6Address(int("".join(reversed(digits)), 16)))
    except ValueError:
        pass
    return None
