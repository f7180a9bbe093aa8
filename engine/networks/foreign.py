"""Other programs' rules on the way of our containers' packets: which of them would drop those. Pure; reads nft's JSON.

Every chain on the forward hook sees each packet, and one `drop` is enough: rules of ours can't let pass what a
firewall's `policy drop` stops. They are left alone, and named to the user. Three packets are walked through each
foreign chain: a container's to another machine, another machine's to a published port, and (where the host filters
what is bridged) one from container to container. A match that is not understood counts as not matching, and makes the
finding a `may drop` where its rule accepts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_OURS = "berth_"
_FAMILIES = ("ip", "ip6", "inet")
_DEEPEST = 16
_ELSEWHERE = "\0"
"""The name of a link that no rule names: the way out."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection, as far as rules ask."""

    what: str
    came_by: str
    goes_by: str
    source: str
    target: str
    is_published: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A chain that stops packets of ours."""

    chain: str
    """Family, table and chain."""
    reason: str
    stopped: tuple[str, ...]
    is_certain: bool

    def __str__(self) -> str:
        verb = "drops" if self.is_certain else "may drop"
        return f"the firewall chain {self.chain!r} ({self.reason}) {verb} {' and '.join(self.stopped)}"


def packets(device: str, subnet: str, *, bridged: bool) -> list[Packet]:
    """Return the packets of a network that must pass."""
    address = str(ipaddress.ip_network(subnet).network_address + 2)
    outside = "203.0.113.1" if ":" not in subnet else "2001:db8::1"
    found = [
        Packet("what containers send to other machines", device, _ELSEWHERE, address, outside),
        Packet("what comes to published ports", _ELSEWHERE, device, outside, address, is_published=True),
    ]
    if bridged:
        found.append(Packet("what containers send to each other", device, device, address, address))
    return found


def base_chains(listed: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return family, table and name of foreign chains on the forward hook, of `list chains`."""
    return [
        (chain["family"], chain["table"], chain["name"])
        for chain in _parts(listed, "chain")
        if chain.get("hook") == "forward" and chain["family"] in _FAMILIES and not chain["table"].startswith(_OURS)
    ]


def judge(table: Mapping[str, Any], chain: str, ours: Iterable[Packet]) -> Finding | None:
    """Return what a base chain of a table (of `list table`) does to our packets, None where all pass."""
    walk = _Walk(table)
    base = walk.chains[chain]
    stopped: dict[str, bool] = {}
    reason = ""
    for packet in ours:
        if not _is_of(base["family"], packet):
            continue
        verdict = walk.verdict(chain, packet)
        if verdict is None and base.get("policy") == "drop":
            verdict = "policy drop"
        if verdict not in (None, "accept"):
            stopped[packet.what] = stopped.get(packet.what, True) and not walk.is_unsure
            reason = reason or str(verdict)
    if not stopped:
        return None
    name = f"{base['family']} {base['table']} {chain}"
    return Finding(name, reason, tuple(stopped), all(stopped.values()))


def judge_legacy(listed: str, ours: Iterable[Packet]) -> Finding | None:
    """Return what the chain of `iptables-legacy -S FORWARD` does: only its policy and plain accepts are read."""
    lines = [line.split() for line in listed.splitlines()]
    if ["-P", "FORWARD", "DROP"] not in lines or ["-A", "FORWARD", "-j", "ACCEPT"] in lines:
        return None
    devices = {packet.came_by for packet in ours} | {packet.goes_by for packet in ours}
    if any(line[-2:] == ["-j", "ACCEPT"] and devices.intersection(line) for line in lines):
        return None
    stopped = tuple(dict.fromkeys(packet.what for packet in ours))
    return Finding("iptables-legacy filter FORWARD", "policy DROP", stopped, is_certain=False) if stopped else None


class _Walk:
    """A table's chains and rules, and a packet's way through them."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.chains: dict[str, Any] = {chain["name"]: chain for chain in _parts(table, "chain")}
        self.rules: dict[str, list[Any]] = {name: [] for name in self.chains}
        for rule in _parts(table, "rule"):
            self.rules.setdefault(rule["chain"], []).append(rule["expr"])
        self.is_unsure = False

    def verdict(self, chain: str, packet: Packet) -> str | None:
        """Return `accept`, or what drops the packet, or None at the chain's end."""
        self.is_unsure = False
        found = self._through(chain, packet, 0)
        return None if found == "return" else found

    def _through(self, chain: str, packet: Packet, depth: int) -> str | None:
        if depth > _DEEPEST:
            return None
        for expressions in self.rules.get(chain, ()):
            matches = [_matches(e["match"], packet) for e in expressions if "match" in e]
            has_unknown = None in matches or any(set(e) & {"xt", "lookup", "limit", "vmap"} for e in expressions)
            if False in matches:
                continue
            found = self._act(expressions, packet, depth)
            if has_unknown:
                self.is_unsure = self.is_unsure or found == "accept"
                continue
            if found is not None:
                return found
        return None

    def _act(self, expressions: Sequence[Mapping[str, Any]], packet: Packet, depth: int) -> str | None:
        for expression in expressions:
            if "accept" in expression:
                return "accept"
            if "drop" in expression or "reject" in expression:
                return "a rule that drops" if "drop" in expression else "a rule that rejects"
            if "return" in expression:
                return "return"
            if "goto" in expression:
                return self._through(expression["goto"]["target"], packet, depth + 1) or "return"
            if "jump" in expression:
                found = self._through(expression["jump"]["target"], packet, depth + 1)
                return None if found == "return" else found
        return None


def _matches(match: Mapping[str, Any], packet: Packet) -> bool | None:
    """Say whether a match holds for the packet, None where it is not understood."""
    left, right, operator = match["left"], match["right"], match["op"]
    found: bool | None = None
    if "meta" in left:
        found = _by_meta(left["meta"].get("key", ""), right, packet)
    elif "ct" in left:
        value = {"state": ["new"], "status": ["dnat"] if packet.is_published else []}.get(left["ct"].get("key", ""))
        found = None if value is None else any(word in value for word in _values(right))
    elif "payload" in left and left["payload"].get("protocol") in ("ip", "ip6"):
        field = left["payload"].get("field")
        address = {"saddr": packet.source, "daddr": packet.target}.get(field)
        found = None if address is None else _has_address(right, address)
    if found is None or operator not in ("==", "in", "!="):
        return None
    return not found if operator == "!=" else found


def _by_meta(key: str, right: Any, packet: Packet) -> bool | None:
    names = {"iifname": packet.came_by, "iif": packet.came_by, "oifname": packet.goes_by, "oif": packet.goes_by}
    if key in names:
        values = _values(right)
        if any(isinstance(value, str) and value.startswith("@") for value in values):
            return None
        return any(_is_named(names[key], str(value)) for value in values)
    if key == "nfproto":
        return ("ipv6" if ":" in packet.source else "ipv4") in _values(right)
    return None


def _is_named(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _has_address(right: Any, address: str) -> bool | None:
    found = False
    for value in _values(right):
        try:
            prefix = value["prefix"] if isinstance(value, dict) else {"addr": value, "len": None}
            text = prefix["addr"] if prefix["len"] is None else f"{prefix['addr']}/{prefix['len']}"
            network = ipaddress.ip_network(text, strict=False)
        except (KeyError, TypeError, ValueError):
            return None
        found = found or ipaddress.ip_address(address) in network
    return found


def _values(right: Any) -> list[Any]:
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    return right if isinstance(right, list) else [right]


def _is_of(family: str, packet: Packet) -> bool:
    return family == "inet" or (family == "ip6") == (":" in packet.source)


def _parts(listed: Mapping[str, Any], kind: str) -> list[Any]:
    return [entry[kind] for entry in listed.get("nftables", ()) if kind in entry]
