"""Keeps watch over the networks in the kernel: what somebody destroys is made again, what stops our traffic is named.

A flush of the ruleset, a deleted table, a bridge that was deleted, shut or robbed of its address: seen as the kernel
tells of it, put right within a tenth of a second, logged and in the journal. Rules of other programs are never touched:
where they drop what our containers send or get, `warnings` (Docker's `info`) and the log say which.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.errors import BerthError
from engine.kernel import command, netns, watch
from engine.kernel.nft import Nft, NftError
from engine.networks import foreign
from engine.networks.bridges import Bridge, Bridges
from engine.networks.foreign import Finding, Packet
from engine.networks.model import Network
from engine.networks.rules import table_name

_log = logging.getLogger(__name__)

_QUIET_SECONDS = 0.05
"""A flush is many messages: we act when none has come for so long,"""
_LONGEST_SECONDS = 0.5
"""or after so long in any case."""
_INET = 1
_LEGACY_TABLES = Path("/proc/net/ip_tables_names")
_SHOWN_NETWORKS = 32
_PLAIN = re.compile(r"[a-zA-Z][a-zA-Z0-9/\\_.]*\Z")
"""A table's name in nft's language."""


class NetworkWatch:
    """One thread that listens. `mend` puts containers' links back into a bridge; `record` writes the journal."""

    def __init__(
        self,
        bridges: Bridges,
        instance: str,
        mend: Callable[[Bridge], None],
        record: Callable[[str, Iterable[Network]], None],
    ) -> None:
        self._bridges = bridges
        self._table = (_INET, table_name(instance))
        self._mend = mend
        self._record = record
        self._findings: tuple[Finding, ...] = ()
        self._judged_for: tuple[object, ...] | None = None
        self._judging = threading.Lock()
        self._closed = False
        self._nft = Nft(as_json=True)
        self._tables = watch.NftListener()
        self._links = watch.LinkListener()
        self._end_in, self._end_out = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="network-watch", daemon=True)

    def start(self) -> None:
        """Begin; what happens from the constructor on is not missed."""
        self._thread.start()

    def warnings(self) -> tuple[str, ...]:
        """Return a line for each chain of another program that stops our traffic."""
        return tuple(f"WARNING: {finding}" for finding in self._judge())

    def close(self) -> None:
        """Stop; what is in the kernel stays. Idempotent."""
        if self._closed:
            return
        self._closed = True
        os.write(self._end_out, b"x")
        if self._thread.is_alive():
            self._thread.join()
        for part in (self._tables, self._links, self._nft):
            part.close()
        os.close(self._end_in)
        os.close(self._end_out)

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        poll = select.poll()
        for part in (self._tables.fileno(), self._links.fileno(), self._end_in):
            poll.register(part, select.POLLIN)
        self._guarded(self._tell)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._end_in in ready:
                return
            changes, hurt = self._gather(poll)
            if any(isinstance(change, watch.Lost) or self._table in change.tables for change in changes):
                self._guarded(self._mend_table)
            if hurt:
                self._guarded(self._mend_links, hurt)
            if changes:
                self._judged_for = None
                self._guarded(self._tell)

    def _gather(self, poll: select.poll) -> tuple[list[watch.TablesChanged | watch.Lost], set[int]]:
        """Return others' transactions and the links hurt (-1: all are to be looked at), once it has become quiet."""
        changes: list[watch.TablesChanged | watch.Lost] = []
        hurt: set[int] = set()
        until = time.monotonic() + _LONGEST_SECONDS
        while True:
            ours = self._bridges.rules.writers
            changes += [c for c in self._tables.read() if isinstance(c, watch.Lost) or c.thread not in ours]
            hurt |= {link.index if isinstance(link, watch.LinkHurt) else -1 for link in self._links.read()}
            if not changes and not hurt & {-1, *(bridge.index for bridge in self._bridges.up())}:
                return [], set()
            if time.monotonic() > until or not poll.poll(_QUIET_SECONDS * 1000):
                return changes, hurt

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except (BerthError, OSError):
            _log.exception("the networks could not be looked after")

    def _mend_table(self) -> None:
        if self._bridges.rules.rewrite():
            _log.warning(
                "the nftables table %s had been changed by another program: it is written again", self._table[1]
            )
            self._record("nftables table", [bridge.network for bridge in self._bridges.up()])

    def _mend_links(self, hurt: set[int]) -> None:
        for bridge in self._bridges.up():
            if not hurt & {bridge.index, -1} or not bridge.network.has_bridge or self._bridges.is_whole(bridge):
                continue
            restored = self._bridges.restore(bridge.network.id)
            if restored is None:
                continue
            self._mend(restored)
            _log.warning("the bridge %s of network %s is up again", restored.device, restored.network.name)
            self._record("bridge", [restored.network])

    # -- other programs' rules -------------------------------------------------------------------------------------

    def _tell(self) -> None:
        before = self._findings
        for finding in self._judge():
            if finding not in before:
                _log.warning("%s", finding)

    def _judge(self) -> tuple[Finding, ...]:
        networks = [bridge for bridge in self._bridges.up() if bridge.network.has_bridge][:_SHOWN_NETWORKS]
        known = tuple((bridge.device, bridge.network.subnet) for bridge in networks)
        with self._judging:
            if self._judged_for != known:
                self._findings = self._look([p for bridge in networks for p in _packets(bridge)])
                self._judged_for = known
            return self._findings

    def _look(self, packets: list[Packet]) -> tuple[Finding, ...]:
        found = []
        for family, table, chain in foreign.base_chains(self._list("chains")):
            if not _PLAIN.match(table):
                continue  # nft has no way to write such a name
            try:
                finding = foreign.judge(self._list(f"table {family} {table}"), chain, packets)
            except (KeyError, TypeError, ValueError):
                _log.debug("rules of another program are not understood chain=%s %s", table, chain, exc_info=True)
                continue
            if finding is not None:
                found.append(finding)
        return (*found, *_legacy(packets))

    def _list(self, what: str) -> dict[str, object]:
        try:
            listed: dict[str, object] = json.loads(self._nft.run(f"list {what}") or "{}")
        except (NftError, ValueError):
            return {}  # gone meanwhile, or a rule that this nft can't show
        return listed


def _legacy(packets: list[Packet]) -> list[Finding]:
    """Return what the older iptables do, whose rules nftables does not list."""
    try:
        if "filter" not in _LEGACY_TABLES.read_text().split():
            return []
        listed = command.run(["iptables-legacy", "-S", "FORWARD"], timeout=5).text
    except (OSError, command.CommandError):
        return []  # the kernel has none, or there is no program to ask
    finding = foreign.judge_legacy(listed, packets)
    return [finding] if finding else []


def _packets(bridge: Bridge) -> list[Packet]:
    found = []
    for family, addresses in ((4, bridge.network.ipv4), (6, bridge.network.ipv6)):
        if addresses is not None:
            found += foreign.packets(bridge.device, addresses.subnet, bridged=netns.filters_bridged(family))
    return found
