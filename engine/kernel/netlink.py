"""Links, bridges, addresses and routes of the engine's own network namespace, through pyroute2.

The only module that knows pyroute2. Failures are `OSError` with the kernel's errno. All calls run on one thread:
pyroute2 keeps an event loop and a socket for each thread that calls it, for as long as the process lives.
Sandboxes go through `kernel.rtnl`, which is cheaper.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

_NO_DAD = 0x02
_LOCAL_TABLE = 255


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface: `master` is its bridge's index, `peer` its other end's (in whichever namespace), else 0."""

    index: int
    name: str
    kind: str
    master: int
    peer: int
    is_up: bool
    alias: str = ""
    mtu: int = 0


class Netlink:
    """A netlink socket of the namespace that it was opened in, for any thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="netlink")
        self._ip: Any = self._thread.submit(IPRoute).result()

    def links(self) -> list[Link]:
        """Return all interfaces."""
        return [_link(message) for message in self._dump(lambda ip: ip.get_links())]

    def find_link(self, name: str) -> Link | None:
        """Return the interface called `name`, or None."""
        try:
            found = self._dump(lambda ip: ip.link("get", ifname=name))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return _link(found[0]) if found else None

    def make_bridge(self, name: str, mac: str, mtu: int = 0, alias: str = "") -> int:
        """Make a bridge (down) and return its index; EEXIST where the name is taken."""
        options: dict[str, Any] = {"mtu": mtu} if mtu else {}
        self._dump(lambda ip: ip.link("add", ifname=name, kind="bridge", address=mac, **options))
        found = self.find_link(name)
        if found is not None and alias:
            self._dump(lambda ip: ip.link("set", index=found.index, ifalias=alias))
        return self._index(found, name)

    def make_vlan(self, name: str, parent: int, number: int, alias: str) -> int:
        """Make a link for VLAN `number` of link `parent` (down); its index. EOPNOTSUPP: the kernel has no VLANs."""
        self._dump(lambda ip: ip.link("add", ifname=name, kind="vlan", link=parent, vlan_id=number))
        found = self.find_link(name)
        if found is not None:
            self._dump(lambda ip: ip.link("set", index=found.index, ifalias=alias))
        return self._index(found, name)

    def _index(self, found: Link | None, name: str) -> int:
        if found is None:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name)
        return found.index

    def bring_up(self, index: int) -> None:
        """Bring link `index` up."""
        self._dump(lambda ip: ip.link("set", index=index, state="up"))

    def delete_link(self, name: str) -> None:
        """Delete the interface called `name`; idempotent."""
        found = self.find_link(name)
        if found is None:
            return
        with _gone_is_fine():
            self._dump(lambda ip: ip.link("del", index=found.index))

    def addresses(self, index: int = 0) -> list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]:
        """Return the addresses of link `index`, or of all links for 0."""
        found = []
        for message in self._dump(lambda ip: ip.get_addr(**({"index": index} if index else {}))):
            local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            found.append(ipaddress.ip_interface(f"{local}/{message['prefixlen']}"))
        return found

    def add_address(self, index: int, interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> None:
        """Give link `index` an address, usable at once; idempotent."""
        options = {"flags": _NO_DAD} if interface.version == 6 else {}
        prefix = interface.network.prefixlen
        try:
            self._dump(lambda ip: ip.addr("add", index=index, address=str(interface.ip), prefixlen=prefix, **options))
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise

    def routes(self) -> list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int]]:
        """Return destination and link index of every route but the default ones and the local table's."""
        found: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int]] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for message in self._routes(family):
                target = message.get_attr("RTA_DST")
                if target is None or message["type"] != 1 or message["table"] == _LOCAL_TABLE:
                    continue
                network = ipaddress.ip_network(f"{target}/{message['dst_len']}", strict=False)
                found.append((network, int(message.get_attr("RTA_OIF") or 0)))
        return found

    def uplink(self) -> int:
        """Return the index of the link of the default route (IPv6's where IPv4 has none), 0 where there is none."""
        for family in (socket.AF_INET, socket.AF_INET6):
            found = [m for m in self._routes(family) if m["dst_len"] == 0 and m["type"] == 1 and m.get_attr("RTA_OIF")]
            if found:
                best = min(found, key=lambda message: message.get_attr("RTA_PRIORITY") or 0)
                return int(best.get_attr("RTA_OIF"))
        return 0

    def mtu(self, index: int) -> int:
        """Return the MTU of link `index`, 0 where it is gone."""
        with _gone_is_fine():
            found = self._dump(lambda ip: ip.link("get", index=index))
            return int(found[0].get_attr("IFLA_MTU") or 0) if found else 0
        return 0

    def _routes(self, family: int) -> list[Any]:
        try:
            return self._dump(lambda ip: ip.get_routes(family=family))
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
                return []  # a kernel without IPv6
            raise

    def close(self) -> None:
        """Close the socket."""
        self._thread.submit(self._ip.close).result()
        self._thread.shutdown()

    def _dump(self, call: Callable[[Any], Any]) -> list[Any]:
        try:
            return self._thread.submit(lambda: list(call(self._ip))).result()
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error


def _link(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    return Link(
        index=int(message["index"]),
        name=str(message.get_attr("IFLA_IFNAME")),
        kind=str(info.get_attr("IFLA_INFO_KIND") or "") if info else "",
        master=int(message.get_attr("IFLA_MASTER") or 0),
        peer=int(message.get_attr("IFLA_LINK") or 0),
        is_up=bool(message["flags"] & 1),
        alias=str(message.get_attr("IFLA_IFALIAS") or ""),
        mtu=int(message.get_attr("IFLA_MTU") or 0),
    )


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
