"""Attributes of netlink messages, read. Layout: linux/netlink.h (struct nlattr)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER


def parse(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and payload of each attribute, up to the first that is none."""
    offset = 0
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, offset)
        if size < 4:
            return
        yield kind & _TYPE, data[offset + 4 : offset + size]
        offset += (size + 3) & ~3
