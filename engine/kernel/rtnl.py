"""Prepared rtnetlink messages for the hot path: one send, one answer a message, no dump, no event loop.

A network sandbox needs eight messages. Through pyroute2 they cost 4 ms of CPU, packed here 0.2 ms; what is rare or
needs parsing (bridges, listings) goes through `kernel.netlink`. Layouts: linux/rtnetlink.h, if_link.h, if_addr.h,
veth.h; rtnetlink(7).

A `Socket` belongs to the network namespace of the thread that opened it, for as long as it is open.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass

_NEWLINK, _DELLINK, _GETLINK, _SETLINK, _NEWADDR, _NEWROUTE, _DELROUTE = 16, 17, 18, 19, 20, 24, 25
_REQUEST, _ACK, _EXCL, _CREATE = 0x1, 0x4, 0x200, 0x400
_NLMSG_ERROR = 2
_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 5, 10, 18
_IFLA_AF_SPEC, _IFLA_GROUP, _IFLA_NET_NS_FD = 26, 27, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA, _VETH_PEER = 1, 2, 4, 5, 1
_BRPORT_MODE, _BRPORT_ISOLATED = 4, 33
_MACVLAN_MODE, _IPVLAN_MODE = 1, 1
_MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_ADDR_GEN_MODE, _ADDR_GEN_NONE = 8, 1
_NESTED = 0x8000
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_IFA_F_NODAD = 0x02
_RTA_OIF, _RTA_GATEWAY = 4, 5
_RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_UNICAST = 254, 3, 0, 1

_HEADER = struct.Struct("=IHHII")


@dataclass(frozen=True, slots=True)
class Message:
    """One request: its type, flags and payload, and words for it that an error shows."""

    kind: int
    flags: int
    payload: bytes
    what: str


def veth(name: str, index: int, mac: str, peer: str, peer_netns_fd: int, mtu: int = 0) -> Message:
    """Make a veth pair: `name` with its index and MAC here, `peer` in the namespace of `peer_netns_fd`; both down.

    The kernel keeps to an index only for the link that is made, never for its peer alone.
    """
    size = _attribute(_IFLA_MTU, struct.pack("=I", mtu)) if mtu else b""
    other = (
        _ifinfo(0)
        + _attribute(_IFLA_IFNAME, _text(peer))
        + _attribute(_IFLA_NET_NS_FD, struct.pack("=I", peer_netns_fd))
        + size
    )
    info = _attribute(_INFO_KIND, b"veth") + _attribute(_INFO_DATA | _NESTED, _attribute(_VETH_PEER | _NESTED, other))
    payload = (
        _ifinfo(index)
        + _attribute(_IFLA_IFNAME, _text(name))
        + _attribute(_IFLA_ADDRESS, _mac(mac))
        + size
        + _attribute(_IFLA_LINKINFO | _NESTED, info)
    )
    return Message(_NEWLINK, _CREATE | _EXCL, payload, f"make veth {name} of {peer}")


def enslave(name: str, bridge_index: int) -> Message:
    """Make link `name` a port of the bridge and bring it up, without an IPv6 address of its own."""
    spec = _attribute(socket.AF_INET6 | _NESTED, _attribute(_ADDR_GEN_MODE, struct.pack("=B", _ADDR_GEN_NONE)))
    payload = (
        _ifinfo(0, up=True)
        + _attribute(_IFLA_IFNAME, _text(name))
        + _attribute(_IFLA_MASTER, struct.pack("=I", bridge_index))
        + _attribute(_IFLA_AF_SPEC | _NESTED, spec)
    )
    return Message(_SETLINK, 0, payload, f"bring {name} up in its bridge")


def hairpin(name: str, *, isolated: bool = False) -> Message:
    """Let the bridge send a frame back by port `name`, by which it came; `isolated`: to no other isolated port.

    The way back is needed where br_netfilter is on: a container's packet to its own published port is then rewritten
    on the bridge.
    """
    data = _attribute(_BRPORT_MODE, struct.pack("=B", 1))
    data += _attribute(_BRPORT_ISOLATED, struct.pack("=B", 1)) if isolated else b""
    info = _attribute(_INFO_SLAVE_KIND, b"bridge") + _attribute(_INFO_SLAVE_DATA | _NESTED, data)
    payload = _ifinfo(0) + _attribute(_IFLA_IFNAME, _text(name)) + _attribute(_IFLA_LINKINFO | _NESTED, info)
    return Message(_NEWLINK, 0, payload, f"set hairpin mode of {name}")


def on_wire(kind: str, mode: str, name: str, index: int, mac: str, parent: int, netns_fd: int, mtu: int = 0) -> Message:
    """Make a `macvlan` or `ipvlan` link on link `parent` in the namespace of `netns_fd`, with its index; down.

    An ipvlan has its parent's MAC: `mac` is not looked at. EOPNOTSUPP: the kernel does not have the kind.
    """
    if kind == "macvlan":
        data = _attribute(_MACVLAN_MODE, struct.pack("=I", _MACVLAN_MODES[mode]))
    else:
        data = _attribute(_IPVLAN_MODE, struct.pack("=H", _IPVLAN_MODES[mode]))
    info = _attribute(_INFO_KIND, kind.encode()) + _attribute(_INFO_DATA | _NESTED, data)
    payload = (
        _ifinfo(index)
        + _attribute(_IFLA_IFNAME, _text(name))
        + (_attribute(_IFLA_ADDRESS, _mac(mac)) if kind == "macvlan" else b"")
        + _attribute(_IFLA_LINK, struct.pack("=I", parent))
        + _attribute(_IFLA_NET_NS_FD, struct.pack("=I", netns_fd))
        + (_attribute(_IFLA_MTU, struct.pack("=I", mtu)) if mtu else b"")
        + _attribute(_IFLA_LINKINFO | _NESTED, info)
    )
    return Message(_NEWLINK, _CREATE | _EXCL, payload, f"make {kind} {name}")


def probe(kind: str) -> Message:
    """Ask for a macvlan or ipvlan with all else missing: EOPNOTSUPP where the kernel lacks the kind, else EINVAL."""
    payload = _ifinfo(0) + _attribute(_IFLA_LINKINFO | _NESTED, _attribute(_INFO_KIND, kind.encode()))
    return Message(_NEWLINK, _CREATE | _EXCL, payload, f"look for {kind}")


def up(index: int) -> Message:
    """Bring link `index` up."""
    return Message(_SETLINK, 0, _ifinfo(index, up=True), f"bring link {index} up")


def settle(index: int = 0, name: str = "") -> Message:
    """Have the kernel act on a link's new carrier now.

    Until its link watch has run, a link whose other end has come up drops what is sent, and a bridge keeps the port
    closed: a first packet would be lost, and TCP sends it again after a second. RTM_GETLINK runs it (since 6.8).
    """
    attribute = _attribute(_IFLA_IFNAME, _text(name)) if name else b""
    return Message(_GETLINK, 0, _ifinfo(index) + attribute, f"settle link {name or index}")


def set_mac(index: int, mac: str) -> Message:
    """Give link `index` another MAC."""
    return Message(_SETLINK, 0, _ifinfo(index) + _attribute(_IFLA_ADDRESS, _mac(mac)), f"set MAC of link {index}")


def group(name: str, number: int) -> Message:
    """Put link `name` into a device group, so that `delete_group` takes it."""
    payload = _ifinfo(0) + _attribute(_IFLA_IFNAME, _text(name)) + _attribute(_IFLA_GROUP, struct.pack("=I", number))
    return Message(_SETLINK, 0, payload, f"group {name}")


def delete_group(number: int) -> Message:
    """Delete every link of a device group; the kernel waits one RCU grace period for all of them."""
    payload = _ifinfo(0) + _attribute(_IFLA_GROUP, struct.pack("=I", number))
    return Message(_DELLINK, 0, payload, f"delete link group {number}")


def delete(name: str) -> Message:
    """Delete link `name` (and its peer, of a veth)."""
    return Message(_DELLINK, 0, _ifinfo(0) + _attribute(_IFLA_IFNAME, _text(name)), f"delete {name}")


def address(index: int, interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> Message:
    """Give link `index` an address with its prefix: usable at once, IPv4 with its broadcast address."""
    packed = interface.ip.packed
    is_v4 = interface.version == 4
    payload = (
        struct.pack(
            "=BBBBI", _family(interface), interface.network.prefixlen, 0 if is_v4 else _IFA_F_NODAD, _RT_SCOPE_UNIVERSE,
            index,
        )
        + _attribute(_IFA_LOCAL, packed)
        + _attribute(_IFA_ADDRESS, packed)
        + (_attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed) if is_v4 else b"")
    )  # fmt: skip
    return Message(_NEWADDR, _CREATE | _EXCL, payload, f"give link {index} the address {interface}")


def default_route(gateway: ipaddress.IPv4Address | ipaddress.IPv6Address, index: int) -> Message:
    """Route everything through `gateway` on link `index`."""
    return Message(_NEWROUTE, _CREATE | _EXCL, _default(gateway, index), f"route through {gateway}")


def drop_default_route(gateway: ipaddress.IPv4Address | ipaddress.IPv6Address, index: int) -> Message:
    """Take the default route through `gateway` on link `index` away; ESRCH where there is none."""
    return Message(_DELROUTE, 0, _default(gateway, index), f"route no more through {gateway}")


def _default(gateway: ipaddress.IPv4Address | ipaddress.IPv6Address, index: int) -> bytes:
    return (
        struct.pack(
            "=BBBBBBBBI",
            _family(gateway), 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, _RT_SCOPE_UNIVERSE, _RTN_UNICAST, 0,
        )
        + _attribute(_RTA_GATEWAY, gateway.packed)
        + _attribute(_RTA_OIF, struct.pack("=I", index))
    )  # fmt: skip


def _family(value: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return socket.AF_INET if value.version == 4 else socket.AF_INET6


class Socket:
    """An rtnetlink socket of the namespace it was opened in; any thread may send."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._lock = threading.Lock()
        self._sequence = 0

    def send(self, messages: Sequence[Message], ignore: frozenset[int] = frozenset()) -> None:
        """Send all messages in one call and read their answers.

        Each is applied whatever became of the others; the first failure whose errno is not in `ignore` is raised
        as an OSError once all are answered.
        """
        if not messages:
            return
        with self._lock:
            packed = b"".join(self._pack(message) for message in messages)
            self._socket.send(packed)
            codes = self._answers(len(messages))
        for message, code in zip(messages, codes, strict=True):
            if code and code not in ignore:
                raise OSError(code, f"{message.what}: {os.strerror(code)}")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _pack(self, message: Message) -> bytes:
        self._sequence += 1
        size = _HEADER.size + len(message.payload)
        flags = message.flags | _REQUEST | _ACK
        return _HEADER.pack(size, message.kind, flags, self._sequence, 0) + message.payload

    def _answers(self, count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            data = self._socket.recv(65536)
            offset = 0
            while offset + 20 <= len(data):
                size, kind, _, _, _ = _HEADER.unpack_from(data, offset)
                if kind == _NLMSG_ERROR:
                    found.append(-struct.unpack_from("=i", data, offset + 16)[0])
                offset += (size + 3) & ~3
        return found


GONE = frozenset({errno.ENODEV})
"""For `Socket.send`: the link is not there any more."""
NO_ROUTE = frozenset({errno.ESRCH, errno.ENODEV})
"""For `Socket.send`: the route is not there any more."""
EXISTS = frozenset({errno.EEXIST})
"""For `Socket.send`: what is to be made is there."""


def _ifinfo(index: int, up: bool = False) -> bytes:
    flag = _IFF_UP if up else 0
    return struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, index, flag, flag)


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _mac(value: str) -> bytes:
    return bytes.fromhex(value.replace(":", ""))
