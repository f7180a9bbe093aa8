"""Forgetting UDP flows: the kernel applies NAT to a flow once, so that a flow outlives what made its NAT.

A client that goes on sending from one port would reach a dead container's address for ever, or never reach a port that
was published after its first packet. TCP needs nothing of this: a new connection is a new flow.

ctnetlink (nfnetlink_conntrack.h): a dump which the kernel filters (5.8 and later; earlier ones send everything, and
the filter here decides alone), then one delete for each flow found.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.kernel import nlattr

_GET, _DELETE = 0x0101, 0x0102
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_ORIG, _REPLY, _STATUS, _FILTER = 1, 2, 3, 25
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_V4_SRC, _V6_SRC = 1, 3
_PROTO_NUM, _SRC_PORT, _DST_PORT = 1, 2, 3
_FILTER_ORIG_FLAGS, _FILTER_REPLY_FLAGS = 1, 2
_BY_IP_SRC, _BY_PROTO, _BY_DST_PORT = 1 << 0, 1 << 3, 1 << 5
_NESTED, _TYPE_MASK = 0x8000, 0x3FFF
_STATUS_DST_NAT = 1 << 5
_UDP = socket.IPPROTO_UDP


@dataclass(frozen=True, slots=True)
class _Flow:
    original: bytes
    """The packed tuple, by which the kernel finds the flow again."""
    port: int
    reply_source: bytes
    is_rewritten: bool


def forget_udp_to(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """Forget UDP flows that end at a container's address; return how many there were."""
    source = _V4_SRC if address.version == 4 else _V6_SRC
    wanted = _nest(_TUPLE_IP, _attribute(source, address.packed)) + _proto()
    request = _nest(_REPLY, wanted) + _filter(0, _BY_IP_SRC | _BY_PROTO)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return _forget(request, lambda flow: flow.reply_source == address.packed, family)


def forget_udp_port(port: int) -> int:
    """Forget UDP flows to a port of the host which were seen before it was published; return how many there were."""
    wanted = _proto(_attribute(_DST_PORT, struct.pack("!H", port)))
    request = _nest(_ORIG, wanted) + _filter(_BY_PROTO | _BY_DST_PORT, 0)
    return sum(
        _forget(request, lambda flow: flow.port == port and not flow.is_rewritten, family)
        for family in (socket.AF_INET, socket.AF_INET6)
    )


def _forget(request: bytes, matches: Callable[[_Flow], bool], family: int) -> int:
    with contextlib.closing(
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 12)  # NETLINK_NETFILTER
    ) as channel:
        _send(channel, _GET, _REQUEST | _DUMP, request, family)
        found = [flow for flow in _flows(channel) if matches(flow)]
        for flow in found:
            _send(channel, _DELETE, _REQUEST | _ACK, _nest(_ORIG, flow.original), family)
            channel.recv(65536)  # an error means that the flow has ended by itself
    return len(found)


def _send(channel: socket.socket, kind: int, flags: int, attributes: bytes, family: int) -> None:
    payload = struct.pack("=BBH", family, 0, 0) + attributes
    channel.send(struct.pack("=IHHII", 16 + len(payload), kind, flags, 1, 0) + payload)


def _flows(channel: socket.socket) -> Iterator[_Flow]:
    while True:
        data = channel.recv(1 << 18)
        offset = 0
        while offset + 16 <= len(data):
            size, kind = struct.unpack_from("=IH", data, offset)
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -struct.unpack_from("=i", data, offset + 16)[0]
                raise OSError(code, "list connection tracking")
            flow = _parse(data[offset + 20 : offset + size])
            if flow is not None:
                yield flow
            offset += (size + 3) & ~3


def _parse(data: bytes) -> _Flow | None:
    attributes = dict(nlattr.parse(data))
    original = attributes.get(_ORIG, b"")
    proto = dict(nlattr.parse(dict(nlattr.parse(original)).get(_TUPLE_PROTO, b"")))
    reply = dict(nlattr.parse(dict(nlattr.parse(attributes.get(_REPLY, b""))).get(_TUPLE_IP, b"")))
    if proto.get(_PROTO_NUM) != bytes([_UDP]) or _DST_PORT not in proto:
        return None
    status = int.from_bytes(attributes.get(_STATUS, b"\0\0\0\0"), "big")
    port = int.from_bytes(proto[_DST_PORT], "big")
    return _Flow(original, port, reply.get(_V4_SRC) or reply.get(_V6_SRC, b""), bool(status & _STATUS_DST_NAT))


def _proto(more: bytes = b"") -> bytes:
    return _nest(_TUPLE_PROTO, _attribute(_PROTO_NUM, bytes([_UDP])) + more)


def _filter(original: int, reply: int) -> bytes:
    flags = _attribute(_FILTER_ORIG_FLAGS, struct.pack("=I", original))
    return _nest(_FILTER, flags + _attribute(_FILTER_REPLY_FLAGS, struct.pack("=I", reply)))


def _nest(kind: int, data: bytes) -> bytes:
    return _attribute(kind | _NESTED, data)


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)
