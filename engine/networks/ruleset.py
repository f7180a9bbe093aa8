"""The instance's nftables table in the kernel; what belongs in it is kept here, to be written anew at any time.

Somebody else may flush the ruleset or delete the table at any moment (a firewall's reload does). A change that fails
for it writes the whole table; `rewrite` does the same when `watch` has seen it happen. Both are one transaction:
there is no moment without rules, and established connections go on.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable

from engine.kernel.nft import Nft, NftError
from engine.networks import rules
from engine.networks.model import Network
from engine.networks.rules import Published


class Ruleset:
    """One instance's table."""

    def __init__(self, instance: str) -> None:
        self.table = rules.table_name(instance)
        self._nft = Nft()
        self._lock = threading.Lock()
        self._bridges: dict[str, Network] = {}
        self._ports: dict[tuple[str, str, int], Published] = {}
        self._guarded: frozenset[str] = frozenset()

    @property
    def writers(self) -> frozenset[int]:
        """The threads of this process that have changed the table: how its own changes are told from others'."""
        return frozenset(self._nft.threads)

    def add_bridge(self, device: str, network: Network) -> None:
        """Take a bridge in; idempotent."""

        def add() -> None:
            self._bridges[device] = network

        self._change(rules.add_bridge(self.table, device, network), add, lambda: self._bridges.pop(device, None))

    def remove_bridge(self, device: str, network: Network) -> None:
        """Take a bridge out; idempotent."""
        if device in self._bridges:
            self._change(
                rules.remove_bridge(self.table, device, network), lambda: self._bridges.pop(device, None), lambda: None
            )

    def publish(self, ports: Iterable[Published]) -> None:
        """Send the host's ports to containers."""
        ports = list(ports)

        def undo() -> None:
            for port in ports:
                self._ports.pop(_key(port), None)

        self._change(rules.add_ports(self.table, ports), lambda: self._ports.update((_key(p), p) for p in ports), undo)

    def withdraw(self, ports: Iterable[Published]) -> None:
        """Stop sending the host's ports to containers."""
        ports = list(ports)

        def drop() -> None:
            for port in ports:
                self._ports.pop(_key(port), None)

        self._change(rules.remove_ports(self.table, ports), drop, lambda: None)

    def write(self, bridges: Iterable[tuple[str, Network]], ports: Iterable[Published], guarded: Iterable[str]) -> None:
        """Make the table anew for these bridges and ports; `guarded` is `ipv4`, `ipv6`: forwarded for our sake only."""
        with self._lock:
            self._bridges = dict(bridges)
            self._ports = {_key(port): port for port in ports}
            self._guarded = frozenset(guarded)
            self._write()

    def guard(self, families: Iterable[str]) -> None:
        """Close forwarding between the host's other links for these families too."""
        with self._lock:
            if not self._guarded.issuperset(families):
                self._guarded |= frozenset(families)
                self._write()

    def rewrite(self) -> bool:
        """Write the table as it should be; say whether it had been gone or had lost something."""
        with self._lock:
            before = self._listed()
            self._write()
            return self._listed() != before

    def remove(self) -> None:
        """Remove the table; idempotent."""
        with self._lock:
            self._bridges.clear()
            self._ports.clear()
            self._nft.run(rules.remove_table(self.table))

    def close(self) -> None:
        """Close the kernel's handle; the table stays."""
        self._nft.close()

    def _change(self, text: str, apply: Callable[[], object], undo: Callable[[], object]) -> None:
        with self._lock:
            apply()
            try:
                self._nft.run(text)
            except NftError:
                try:
                    self._write()
                except NftError:
                    undo()
                    raise

    def _write(self) -> None:
        self._nft.run(
            rules.replace_table(self.table, self._bridges.items(), self._ports.values(), guarded=sorted(self._guarded))
        )

    def _listed(self) -> list[str]:
        """Return the table's lines in an order of their own: the kernel's hashes give the elements in any."""
        try:
            text = self._nft.run(f"list table inet {self.table}")
        except NftError:
            return []
        return sorted(part.strip() for part in re.split(r"[,{}\n]", text))


def _key(port: Published) -> tuple[str, str, int]:
    return port.binding.host_ip, port.binding.protocol, port.binding.host_port
