"""The instance's nftables table: a fixed ruleset over sets and maps, as text for nft(8).

One more network or published port is one more element, never one more rule. The table is ours alone
(`inet berth_<instance>`); no other table is read or changed.

    raw         nothing that arrives from a bridge may carry a loopback address (route_localnet is on there)
    prerouting  to an address of this host: published ports
    output      the same for what the host itself sends: 127.0.0.1:PORT needs no proxy
    postrouting loopback and hairpin traffic gets the bridge's address, outbound traffic the host's
    forward     established, same bridge, or published: yes; else into a bridge: no (isolation, unpublished ports)
    loopback6   ::1 can't be rewritten (IPv6 has no route_localnet): refused at once, so that clients take 127.0.0.1
    guard       where forwarding is on for our sake only: nothing from one of the host's links to another
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.networks.model import Network
from engine.values import PortBinding

_TABLE = """\
table inet {table} {{
  set bridges {{ type ifname; {bridges} }}
  set internal {{ type ifname; {internal} }}
  set same {{ type ifname . ifname; {same} }}
  set own {{ type ipv4_addr . ifname; flags interval; {own} }}
  set own6 {{ type ipv6_addr . ifname; flags interval; {own6} }}
  set masqueraded {{ type ipv4_addr; flags interval; {masqueraded} }}
  set masqueraded6 {{ type ipv6_addr; flags interval; {masqueraded6} }}
  set open6 {{ type inet_proto . inet_service; {open6} }}
  map ports {{ type inet_proto . inet_service : ipv4_addr . inet_service; {ports} }}
  map ports6 {{ type inet_proto . inet_service : ipv6_addr . inet_service; {ports6} }}
  map bound_ports {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; {bound_ports} }}
  map bound_ports6 {{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; {bound_ports6} }}

  chain raw {{
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
    iifname @bridges ip saddr 127.0.0.0/8 drop
    iifname @bridges ip6 daddr ::1 drop
    iifname @bridges ip6 saddr ::1 drop
  }}
  chain publish {{
    dnat ip to ip daddr . meta l4proto . th dport map @bound_ports
    dnat ip to meta l4proto . th dport map @ports
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @bound_ports6
    dnat ip6 to meta l4proto . th dport map @ports6
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 return
    meta l4proto {{ tcp, udp, sctp }} fib daddr type local jump publish
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    meta l4proto {{ tcp, udp, sctp }} fib daddr type local jump publish
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    ct status dnat ip saddr . oifname @own masquerade
    ct status dnat ip6 saddr . oifname @own6 masquerade
    ip saddr . oifname @own accept
    ip6 saddr . oifname @own6 accept
    ip saddr @masqueraded masquerade
    ip6 saddr @masqueraded6 masquerade
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname . oifname @same accept
    oifname @bridges ct status dnat accept
    oifname @bridges drop
    iifname @internal drop
  }}
  chain loopback6 {{
    type filter hook output priority filter; policy accept;
    ip6 daddr ::1 meta l4proto tcp meta l4proto . th dport @open6 reject with tcp reset
    ip6 daddr ::1 meta l4proto . th dport @open6 reject
  }}
  chain guard {{
    type filter hook forward priority filter; policy accept;
    {guard}
  }}
}}
"""
_GUARD = 'meta nfproto {family} meta iifkind != "bridge" meta oifkind != "bridge" drop'
"""Bridges are ours, Docker's, libvirt's: who has one has rules for it."""

_DNS = """\
add table ip berth
delete table ip berth
table ip berth {{
  chain dns {{
    type nat hook output priority -100; policy accept;
    ip daddr {address} udp dport 53 dnat to {address}:{udp}
    ip daddr {address} tcp dport 53 dnat to {address}:{tcp}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Published:
    """A host port and the container's address behind it."""

    binding: PortBinding
    address: str


def table_name(instance: str) -> str:
    """Return the name of an instance's table."""
    return "berth_" + "".join(c if c.isalnum() else "_" for c in instance)


def replace_table(
    table: str,
    bridges: Iterable[tuple[str, Network]] = (),
    ports: Iterable[Published] = (),
    *,
    guarded: Iterable[str] = (),
) -> str:
    """Return the transaction that makes the table anew with these bridges (device, network) and ports.

    `guarded`: the families (`ipv4`, `ipv6`) whose forwarding is on for our sake only.
    """
    elements: dict[str, list[str]] = {name: [] for name in _SETS}
    for device, network in bridges:
        for name, element in _bridge_elements(device, network):
            elements[name].append(element)
    for port in ports:
        for name, key, target in _port_elements(port):
            elements[name].append(key + target)
    text = _TABLE.format(
        table=table,
        guard="\n    ".join(_GUARD.format(family=family) for family in guarded),
        **{name: f"elements = {{ {', '.join(found)} }};" if found else "" for name, found in elements.items()},
    )
    return f"{remove_table(table)}{text}"


def remove_table(table: str) -> str:
    """Return the transaction that removes the table, if it is there."""
    return f"add table inet {table}\ndelete table inet {table}\n"


def redirect_dns(address: str, udp_port: int, tcp_port: int) -> str:
    """Return the transaction that, inside of a sandbox, sends port 53 of an address to these ports of it."""
    return _DNS.format(address=address, udp=udp_port, tcp=tcp_port)


def add_bridge(table: str, device: str, network: Network) -> str:
    """Return the transaction that takes a bridge in."""
    found = _bridge_elements(device, network)
    return "".join(f"add element inet {table} {name} {{ {element} }}\n" for name, element in found)


def remove_bridge(table: str, device: str, network: Network) -> str:
    """Return the transaction that takes a bridge out."""
    found = _bridge_elements(device, network)
    return "".join(f"delete element inet {table} {name} {{ {element} }}\n" for name, element in found)


def add_ports(table: str, ports: Iterable[Published]) -> str:
    """Return the transaction that publishes ports."""
    found = [element for port in ports for element in _port_elements(port)]
    return "".join(f"add element inet {table} {name} {{ {key}{target} }}\n" for name, key, target in found)


def remove_ports(table: str, ports: Iterable[Published]) -> str:
    """Return the transaction that withdraws ports."""
    found = [element for port in ports for element in _port_elements(port)]
    return "".join(f"delete element inet {table} {name} {{ {key} }}\n" for name, key, _ in found)


def is_everywhere(host_ip: str) -> bool:
    """Say whether a binding is for every address of the host (of its family)."""
    return host_ip in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


_SETS = (
    "bridges",
    "internal",
    "same",
    "own",
    "own6",
    "masqueraded",
    "masqueraded6",
    "open6",
    "ports",
    "ports6",
    "bound_ports",
    "bound_ports6",
)


def _bridge_elements(device: str, network: Network) -> list[tuple[str, str]]:
    name = f'"{device}"'
    items = [("bridges", name)]
    if network.is_open_inside:
        items.append(("same", f"{name} . {name}"))
    if network.internal:
        items.append(("internal", name))
    for suffix, subnet in (("", network.subnet), ("6", network.ipv6.subnet if network.ipv6 else "")):
        if subnet:
            items.append((f"own{suffix}", f"{subnet} . {name}"))
        if subnet and network.masquerades:
            items.append((f"masqueraded{suffix}", subnet))
    return items


def _port_elements(port: Published) -> list[tuple[str, str, str]]:
    """Return (set or map, key, ` : target`) of a published port."""
    key = f"{port.binding.protocol} . {port.binding.host_port}"
    target = f" : {port.address} . {port.binding.container_port}"
    suffix = "6" if ":" in port.address else ""
    if not is_everywhere(port.binding.host_ip):
        return [(f"bound_ports{suffix}", f"{port.binding.host_ip} . {key}", target)]
    found = [(f"ports{suffix}", key, target)]
    return [*found, ("open6", key, "")] if suffix else found
