"""The instance's nftables table: a fixed ruleset over sets and maps, as text for nft(8).

One more network or published port is one more element, never one more rule. The table is ours alone
(`inet berth_<instance>`); no other table is read or changed.

    raw         nothing that arrives from a bridge may carry a loopback address (route_localnet is on there)
    prerouting  to an address of this host: published ports
    output      the same for what the host itself sends: 127.0.0.1:PORT needs no proxy
    postrouting loopback and hairpin traffic gets the bridge's address, outbound traffic the host's
    forward     established, same bridge, or published: yes; else into a bridge: no (isolation, unpublished ports)
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
  set masqueraded {{ type ipv4_addr; flags interval; {masqueraded} }}
  map ports {{ type inet_proto . inet_service : ipv4_addr . inet_service; {ports} }}
  map bound_ports {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; {bound_ports} }}

  chain raw {{
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
    iifname @bridges ip saddr 127.0.0.0/8 drop
  }}
  chain publish {{
    dnat ip to ip daddr . meta l4proto . th dport map @bound_ports
    dnat ip to meta l4proto . th dport map @ports
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 return
    meta l4proto {{ tcp, udp }} fib daddr type local jump publish
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    meta l4proto {{ tcp, udp }} fib daddr type local jump publish
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    ct status dnat ip saddr . oifname @own masquerade
    ip saddr . oifname @own accept
    ip saddr @masqueraded masquerade
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname . oifname @same accept
    oifname @bridges ct status dnat accept
    oifname @bridges drop
    iifname @internal drop
  }}
}}
"""


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


def replace_table(table: str, bridges: Iterable[tuple[str, Network]] = (), ports: Iterable[Published] = ()) -> str:
    """Return the transaction that makes the table anew with these bridges (device, network) and ports."""
    bridges, ports = list(bridges), list(ports)
    text = _TABLE.format(
        table=table,
        bridges=_elements(_quoted(device) for device, _ in bridges),
        internal=_elements(_quoted(device) for device, network in bridges if network.internal),
        same=_elements(f"{_quoted(device)} . {_quoted(device)}" for device, _ in bridges),
        own=_elements(f"{network.subnet} . {_quoted(device)}" for device, network in bridges),
        masqueraded=_elements(network.subnet for _, network in bridges if network.masquerades),
        ports=_elements(_any(p) + _target(p) for p in ports if is_everywhere(p.binding.host_ip)),
        bound_ports=_elements(_bound(p) + _target(p) for p in ports if not is_everywhere(p.binding.host_ip)),
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
    return "".join(f"add element inet {table} {item}\n" for item in _bridge_elements(device, network))


def remove_bridge(table: str, device: str, network: Network) -> str:
    """Return the transaction that takes a bridge out."""
    return "".join(f"delete element inet {table} {item}\n" for item in _bridge_elements(device, network))


def add_ports(table: str, ports: Iterable[Published]) -> str:
    """Return the transaction that publishes ports."""
    return "".join(f"add element inet {table} {_map(p)} {{ {_key(p)}{_target(p)} }}\n" for p in ports)


def remove_ports(table: str, ports: Iterable[Published]) -> str:
    """Return the transaction that withdraws ports."""
    return "".join(f"delete element inet {table} {_map(p)} {{ {_key(p)} }}\n" for p in ports)


def is_everywhere(host_ip: str) -> bool:
    """Say whether a binding is for every address of the host."""
    return host_ip in ("", "0.0.0.0")  # noqa: S104 - compared, not bound


def _bridge_elements(device: str, network: Network) -> list[str]:
    name = _quoted(device)
    items = [
        f"bridges {{ {name} }}",
        f"same {{ {name} . {name} }}",
        f"own {{ {network.subnet} . {name} }}",
    ]
    if network.internal:
        items.append(f"internal {{ {name} }}")
    if network.masquerades:
        items.append(f"masqueraded {{ {network.subnet} }}")
    return items


def _elements(items: Iterable[str]) -> str:
    joined = ", ".join(items)
    return f"elements = {{ {joined} }};" if joined else ""


def _quoted(device: str) -> str:
    return f'"{device}"'


def _map(port: Published) -> str:
    return "ports" if is_everywhere(port.binding.host_ip) else "bound_ports"


def _key(port: Published) -> str:
    return _any(port) if is_everywhere(port.binding.host_ip) else _bound(port)


def _any(port: Published) -> str:
    return f"{port.binding.protocol} . {port.binding.host_port}"


def _bound(port: Published) -> str:
    return f"{port.binding.host_ip} . {port.binding.protocol} . {port.binding.host_port}"


def _target(port: Published) -> str:
    return f" : {port.address} . {port.binding.container_port}"
