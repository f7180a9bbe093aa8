"""Ports: `80/tcp`, PortBindings, and what is published."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from engine.api.codec import Fields
from engine.errors import InvalidArgument
from engine.values import PortBinding

_PROTOCOLS = ("tcp", "udp", "sctp")
_ANY = "0.0.0.0"  # noqa: S104  # how Docker writes "every address", not a bind of ours


def parse_port(text: str) -> tuple[int, str]:
    """Return (port, protocol) of `80`, `80/tcp`, `53/udp`."""
    number, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in _PROTOCOLS:
        raise InvalidArgument(f"invalid port specification: {text!r}: the protocol is tcp, udp or sctp")
    return _number(number, text, lowest=1), protocol


def parse_exposed(keys: Iterable[str]) -> tuple[str, ...]:
    """Return ExposedPorts as `80/tcp` each."""
    found = []
    for key in keys:
        port, protocol = parse_port(key)
        found.append(f"{port}/{protocol}")
    return tuple(dict.fromkeys(found))


def parse_bindings(fields: Fields, name: str) -> tuple[PortBinding, ...]:
    """Return HostConfig.PortBindings: `{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}`."""
    bindings = []
    table = fields.table(name)
    for key in fields.raw(name) or {}:
        port, protocol = parse_port(key)
        for entry in table.tables(key):
            text = entry.text("HostPort")
            first, last = _host_ports(text)
            bindings.append(
                PortBinding(
                    container_port=port,
                    protocol=protocol,
                    host_ip=_address(entry.text("HostIp"), entry.name_of("HostIp")),
                    host_port=first,
                    host_port_end=last,
                    host_port_text=text,
                )
            )
    return tuple(bindings)


def _host_ports(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    first, dash, last = text.partition("-")
    low = _number(first, text, lowest=0)
    high = _number(last, text, lowest=0) if dash else 0
    if dash and high < low:
        raise InvalidArgument(f"invalid port range: {text!r}")
    return low, (high if high != low else 0)


def _number(text: str, whole: str, lowest: int) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= 65535:
        raise InvalidArgument(f"invalid port specification: {whole!r}")
    return int(text)


def _address(text: str, name: str) -> str:
    if text:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise InvalidArgument(f"{name}: invalid IP address: {text}") from None
    return text


def render_bindings(bindings: Iterable[PortBinding]) -> dict[str, Any]:
    """Return PortBindings as asked for."""
    found: dict[str, Any] = {}
    for binding in bindings:
        port = binding.host_port_text or (str(binding.host_port) if binding.host_port else "")
        if binding.host_port_end and not binding.host_port_text:
            port = f"{binding.host_port}-{binding.host_port_end}"
        found.setdefault(binding.key, []).append({"HostIp": binding.host_ip, "HostPort": port})
    return found


def render_published(exposed: Iterable[str], ports: Iterable[PortBinding]) -> dict[str, Any]:
    """Return NetworkSettings.Ports: exposed ones null, published ones with their host ports."""
    found: dict[str, Any] = dict.fromkeys(exposed)
    for port in ports:
        entry = {"HostIp": port.host_ip or _ANY, "HostPort": str(port.host_port)}
        found[port.key] = [*(found.get(port.key) or ()), entry]
    return found


def render_summary(exposed: Iterable[str], ports: Iterable[PortBinding]) -> list[dict[str, Any]]:
    """Return the Ports of a list's row."""
    rows: list[dict[str, Any]] = [
        {
            "IP": port.host_ip or _ANY,
            "PrivatePort": port.container_port,
            "PublicPort": port.host_port,
            "Type": port.protocol,
        }
        for port in ports
    ]
    published = {port.key for port in ports}
    for key in exposed:
        if key not in published:
            number, protocol = parse_port(key)
            rows.append({"PrivatePort": number, "Type": protocol})
    return rows
