"""What others do to the host's network: changes of nftables, and of links and addresses, as the kernel tells them.

A listener of two multicast groups. Most of what they carry is our own doing and is sorted out early: links' news by a
filter in the kernel (only what goes, or goes down, comes through), nftables' by the thread that made the change, which
the kernel names at the end of each transaction. Layouts: linux/netfilter/nf_tables.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import array
import errno
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from engine.kernel import nlattr

_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_NFTABLES_GROUP = 7
_LINK_GROUP, _IPV4_ADDRESS_GROUP, _IPV6_ADDRESS_GROUP = 1, 5, 9
_NEW_GENERATION = 15
_TABLE_NAME, _GENERATION_PID = 1, 2
_NEWLINK, _DELLINK, _DELADDR = 16, 17, 21
_SO_ATTACH_FILTER = 26
_HEADER = struct.Struct("=IHHII")
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Lost:
    """More has happened than the kernel could keep for us: look for yourself."""


@dataclass(frozen=True, slots=True)
class TablesChanged:
    """A transaction: the tables (`family name`, family a number) that it touched, and the thread that made it."""

    tables: frozenset[tuple[int, str]]
    thread: int


@dataclass(frozen=True, slots=True)
class LinkHurt:
    """A link was deleted, went down, or lost an address."""

    index: int


class NftListener:
    """Transactions of nftables in the namespace of the thread that opens it."""

    def __init__(self) -> None:
        self._socket = _listen(_NETFILTER, _NFTABLES_GROUP)
        self._touched: set[tuple[int, str]] = set()

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def read(self) -> list[TablesChanged | Lost]:
        """Return what has happened; does not wait."""
        found: list[TablesChanged | Lost] = []
        for kind, payload in _messages(self._socket):
            if kind < 0:
                self._touched.clear()
                found.append(Lost())
                continue
            attributes = dict(nlattr.parse(payload[4:]))
            if kind & 0xFF == _NEW_GENERATION:
                thread = int.from_bytes(attributes.get(_GENERATION_PID, b"\0\0\0\0"), "big")
                found.append(TablesChanged(frozenset(self._touched), thread))
                self._touched.clear()
            elif _TABLE_NAME in attributes:
                self._touched.add((payload[0], attributes[_TABLE_NAME].rstrip(b"\0").decode(errors="replace")))
        return found

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


class LinkListener:
    """Harm to links in the namespace of the thread that opens it."""

    def __init__(self) -> None:
        self._socket = _listen(socket.NETLINK_ROUTE, _LINK_GROUP, _IPV4_ADDRESS_GROUP, _IPV6_ADDRESS_GROUP)
        _attach(self._socket, _only_harm())

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def read(self) -> list[LinkHurt | Lost]:
        """Return what has happened; does not wait."""
        found: list[LinkHurt | Lost] = []
        for kind, payload in _messages(self._socket):
            if kind < 0:
                found.append(Lost())
            elif kind in (_NEWLINK, _DELLINK) and len(payload) >= 16:
                found.append(LinkHurt(struct.unpack_from("=i", payload, 4)[0]))
            elif kind == _DELADDR and len(payload) >= 8:
                found.append(LinkHurt(struct.unpack_from("=I", payload, 4)[0]))
        return found

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _listen(protocol: int, *groups: int) -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        channel.bind((0, 0))
        for group in groups:
            channel.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except BaseException:
        channel.close()
        raise
    return channel


def _messages(channel: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield type and payload of what waits; type -1 where the kernel had to drop something."""
    while True:
        try:
            data = channel.recv(1 << 17)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            yield -1, b""
            continue
        offset = 0
        while offset + _HEADER.size <= len(data):
            size, kind, _, _, _ = _HEADER.unpack_from(data, offset)
            if size < _HEADER.size:
                break
            yield kind, data[offset + _HEADER.size : offset + size]
            offset += (size + 3) & ~3


def _only_harm() -> bytes:
    """Return the filter (classic BPF): links deleted, links going down, addresses deleted."""
    load_half, load_byte, equal, any_bit, end = 0x28, 0x30, 0x15, 0x45, 0x06
    low = 0 if sys.byteorder == "little" else 3  # the byte of a word that has IFF_UP

    def kind(number: int) -> int:
        return int.from_bytes(struct.pack("=H", number), "big")  # the filter loads in network order

    program = [
        (load_half, 0, 0, 4),
        (equal, 6, 0, kind(_DELLINK)),
        (equal, 5, 0, kind(_DELADDR)),
        (equal, 0, 5, kind(_NEWLINK)),
        (load_byte, 0, 0, 28 + low),
        (any_bit, 0, 3, 1),  # what changed is IFF_UP,
        (load_byte, 0, 0, 24 + low),
        (any_bit, 1, 0, 1),  # and it is off now
        (end, 0, 0, 0xFFFFFFFF),
        (end, 0, 0, 0),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in program)


def _attach(channel: socket.socket, program: bytes) -> None:
    held = array.array("B", program)
    address, _ = held.buffer_info()
    channel.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, address))
