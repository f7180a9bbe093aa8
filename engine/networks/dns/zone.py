"""Who is called what in which network: container names, aliases and short ids, and back from addresses. Thread-safe."""

from __future__ import annotations

import ipaddress
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

_REVERSE = ".in-addr.arpa"


@dataclass(frozen=True, slots=True)
class Entry:
    """A container in a network; the first of `names` is the one that its address leads back to."""

    container_id: str
    network_id: str
    network_name: str
    address: str
    names: tuple[str, ...]


class Names:
    """The names of all user networks of an instance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._by_name: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        self._by_address: dict[tuple[str, str], Entry] = {}

    def add(self, entry: Entry) -> None:
        """Make a container known in a network; what it was known by there goes."""
        with self._lock:
            self._drop(entry.network_id, entry.container_id)
            self._entries[entry.network_id, entry.container_id] = entry
            self._by_address[entry.network_id, entry.address] = entry
            for key in _keys(entry):
                self._by_name[key][entry.container_id] = entry.address

    def remove(self, network_id: str, container_id: str) -> None:
        """Forget a container in a network; idempotent."""
        with self._lock:
            self._drop(network_id, container_id)

    def find(self, network_ids: Iterable[str], name: str) -> list[str] | None:
        """Return the addresses of a name in these networks, None where it is no name of theirs."""
        wanted = name.lower()
        found: list[str] = []
        with self._lock:
            for network_id in network_ids:
                found.extend(self._by_name.get((network_id, wanted), {}).values())
        return list(dict.fromkeys(found)) or None

    def find_reverse(self, network_ids: Iterable[str], name: str) -> str | None:
        """Return `container.network` for a name below in-addr.arpa, None where the address is nobody's there."""
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
        self._by_address.pop((network_id, old.address), None)
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
    """Return the IPv4 address in a name below in-addr.arpa, None for other names."""
    if not name.endswith(_REVERSE):
        return None
    try:
        return str(ipaddress.IPv4Address(".".join(reversed(name.removesuffix(_REVERSE).split(".")))))
    except ValueError:
        return None
