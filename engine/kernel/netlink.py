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


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface: `master` is its bridge's index, `peer` its other end's (in whichever namespace), else 0."""

    index: int
    name: str
    kind: str
    master: int
    peer: int
    is_up: bool


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

    def make_bridge(self, name: str, mac: str, mtu: int = 0) -> int:
        """Make a bridge (down) and return its index; EEXIST where the name is taken."""
        options: dict[str, Any] = {"mtu": mtu} if mtu else {}
        self._dump(lambda ip: ip.link("add", ifname=name, kind="bridge", address=mac, **options))
        found = self.find_link(name)
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

    def addresses(self, index: int = 0) -> list[ipaddress.IPv4Interface]:
        """Return the IPv4 addresses of link `index`, or of all links for 0."""
        options: dict[str, Any] = {"index": index} if index else {}
        messages = self._dump(lambda ip: ip.get_addr(family=socket.AF_INET, **options))
        found = []
        for message in messages:
            local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            found.append(ipaddress.IPv4Interface(f"{local}/{message['prefixlen']}"))
        return found

    def add_address(self, index: int, interface: ipaddress.IPv4Interface) -> None:
        """Give link `index` an address; idempotent."""
        try:
            self._dump(
                lambda ip: ip.addr("add", index=index, address=str(interface.ip), prefixlen=interface.network.prefixlen)
            )
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise

    def routes(self) -> list[tuple[ipaddress.IPv4Network, int]]:
        """Return destination and link index of every IPv4 route but the default ones and the local table's."""
        found = []
        for message in self._dump(lambda ip: ip.get_routes(family=socket.AF_INET)):
            target = message.get_attr("RTA_DST")
            if target is None or message["type"] != 1:
                continue
            network = ipaddress.IPv4Network(f"{target}/{message['dst_len']}", strict=False)
            found.append((network, int(message.get_attr("RTA_OIF") or 0)))
        return found

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
    )


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
