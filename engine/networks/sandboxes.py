"""Network sandboxes: a pinned namespace with its interfaces; a pool of ready ones; their end in batches.

    name        12 hex digits; the file of that name in the folder pins the namespace
    plug        one interface: a veth whose host side is a bridge's port, named after the endpoint
    ready       made, addressed and up, waiting in the pool under a key (a network id, or "" for lo only)

Taking a ready one is a list's `pop`. Deleting a veth or a namespace costs 15 to 60 ms of RCU grace, and holds the
kernel's network lock for it: `discard` hands both to a thread that does what has gathered at once. Addresses are the
caller's: a plug brings one, and its caller frees it.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import socket
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from engine.kernel import netns, rtnl
from engine.kernel.nft import Nft
from engine.networks import rules
from engine.networks.ipam import Address

_log = logging.getLogger(__name__)

_DYING_GROUP = 0x62_65_72_74
"""The device group of veths about to be deleted; ours by the number ("bert") and by what we put there."""
_FIRST_INDEX = 2
"""eth0's index in its namespace, after lo."""
_GATHER_SECONDS = 0.05
Route = tuple[Address, int]
"""A gateway, and the index of the link that it is on."""
_SYSCTLS = (
    ("net/ipv6/conf/default/disable_ipv6", "1"),
    ("net/ipv4/ip_unprivileged_port_start", "0"),
    ("net/ipv4/ping_group_range", "0 2147483647"),
)
"""Docker's defaults for a container's own network; no IPv6 on interfaces without an IPv6 address."""


@dataclass(frozen=True, slots=True)
class Plug:
    """One interface of a sandbox; `gateway` None leaves the default route alone.

    Its host side is `veth`, a port of the bridge `link`; or it has none (`veth` ""), and is a macvlan or ipvlan
    (`kind`, `mode`) on the wire of the host's link `link`.
    """

    endpoint_id: str
    network_id: str
    veth: str
    link: int
    number: int
    interface: ipaddress.IPv4Interface
    mac: str
    gateway: Address | None = None
    mtu: int = 0
    interface6: ipaddress.IPv6Interface | None = None
    gateway6: Address | None = None
    is_isolated: bool = False
    """It may send to the bridge itself, not to its other ports."""
    kind: str = "veth"
    mode: str = ""
    name: str = ""
    """What it is called inside; "": `eth` and its number."""
    sysctls: tuple[tuple[str, str], ...] = ()
    """Values of the interface's own sysctls (slashes for dots)."""

    @property
    def index(self) -> int:
        """Its link index inside."""
        return _FIRST_INDEX + self.number

    @property
    def inside(self) -> str:
        """Its name inside."""
        return self.name or f"eth{self.number}"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pinned network namespace and its interfaces."""

    name: str
    path: Path
    plugs: tuple[Plug, ...] = ()


class SandboxMaker:
    """Makes, changes and discards sandboxes in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._host = rtnl.Socket()
        self._dying: deque[tuple[Sandbox, bool]] = deque()
        self._wake = threading.Condition()
        self._busy = False
        self._closed = False
        self._reaper = threading.Thread(target=self._reap, name="sandbox-reaper", daemon=True)
        self._reaper.start()

    def path(self, name: str) -> Path:
        """Return where the sandbox of this name is pinned."""
        return self._folder / name

    def make(self, plugs: Sequence[Plug] = ()) -> Sandbox:
        """Make a sandbox with these interfaces, all up; nothing is left where a step fails."""
        sandbox = Sandbox(secrets.token_hex(6), Path(), tuple(plugs))
        sandbox = replace(sandbox, path=self.path(sandbox.name))

        def prepare() -> None:
            for name, value in _SYSCTLS:
                netns.write_sysctl(name, value)
            self._configure(plugs, [rtnl.up(1)])

        netns.pin(sandbox.path, prepare)
        return sandbox

    def plug(self, sandbox: Sandbox, plug: Plug) -> Sandbox:
        """Add an interface to a sandbox in use."""
        netns.run_in(sandbox.path, lambda: self._configure([plug], []))
        return replace(sandbox, plugs=(*sandbox.plugs, plug))

    def unplug(self, sandbox: Sandbox, endpoint_id: str) -> Sandbox:
        """Remove an interface from a sandbox in use; idempotent."""
        for plug in sandbox.plugs:
            if plug.endpoint_id == endpoint_id and plug.veth:
                self._host.send([rtnl.delete(plug.veth)], ignore=rtnl.GONE)
            elif plug.endpoint_id == endpoint_id:
                self._send_inside(sandbox, [rtnl.delete(plug.inside)], ignore=rtnl.GONE)
        return replace(sandbox, plugs=tuple(p for p in sandbox.plugs if p.endpoint_id != endpoint_id))

    def set_mac(self, sandbox: Sandbox, mac: str) -> Sandbox:
        """Give the first interface another MAC."""
        plug = sandbox.plugs[0]
        self._send_inside(sandbox, [rtnl.set_mac(plug.index, mac)])
        return replace(sandbox, plugs=(replace(plug, mac=mac), *sandbox.plugs[1:]))

    def reroute(self, sandbox: Sandbox, old: Sequence[Route], new: Sequence[Route]) -> None:
        """Give a sandbox in use its default routes in place of others: each a gateway and a link's index inside."""
        self._send_inside(sandbox, [rtnl.drop_default_route(*route) for route in old], ignore=rtnl.NO_ROUTE)
        self._send_inside(sandbox, [rtnl.default_route(*route) for route in new], ignore=rtnl.EXISTS)

    def put_back(self, plugs: Sequence[Plug], bridge_index: int) -> None:
        """Make the host's sides of plugs ports of a bridge that was made again; those gone are ignored."""
        moved = [replace(plug, link=bridge_index) for plug in plugs if plug.veth]
        if moved:
            self._host.send([message for plug in moved for message in _outside(plug)], ignore=rtnl.GONE)
            self._host.send([rtnl.settle(name=plug.veth) for plug in moved], ignore=rtnl.GONE)

    def index_inside(self, name: str, interface: str) -> int:
        """Return the index of an interface inside of the sandbox of this name, 0 where it has none."""
        try:
            return netns.run_in(self.path(name), lambda: socket.if_nametoindex(interface))
        except OSError:
            return 0

    def open_resolver(self, sandbox: Sandbox, address: str) -> tuple[socket.socket, socket.socket]:
        """Return UDP and TCP sockets that get what the sandbox sends to port 53 of a loopback address.

        They are on ports of their own: port 53 stays free for a container that serves DNS itself.
        """

        def make() -> tuple[socket.socket, socket.socket]:
            with ExitStack() as undo:
                udp = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC))
                tcp = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC))
                udp.bind((address, 0))
                tcp.bind((address, 0))
                tcp.listen()
                rewriting = undo.enter_context(closing(Nft()))
                rewriting.run(rules.redirect_dns(address, udp.getsockname()[1], tcp.getsockname()[1]))
                rewriting.close()
                undo.pop_all()
            return udp, tcp

        return netns.run_in(sandbox.path, make)

    def discard(self, sandbox: Sandbox, *, shared: bool = False) -> None:
        """Have a sandbox taken down soon. `shared`: others may still be inside, so its interfaces go by themselves."""
        with self._wake:
            self._dying.append((sandbox, shared))
            self._wake.notify()

    def delete_links(self, names: Sequence[str]) -> None:
        """Delete host-side links by name, at once; those gone are ignored."""
        if names:
            self._host.send([rtnl.group(name, _DYING_GROUP) for name in names], ignore=rtnl.GONE)
            self._host.send([rtnl.delete_group(_DYING_GROUP)], ignore=rtnl.GONE)

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is left to discard; False when that took longer than `timeout` seconds."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._dying and not self._busy, timeout)

    def close(self) -> None:
        """Finish what was to be discarded and stop; sandboxes in use stay."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._reaper.join()
        self._host.close()

    def _send_inside(
        self, sandbox: Sandbox, messages: list[rtnl.Message], ignore: frozenset[int] = frozenset()
    ) -> None:
        def send() -> None:
            inside = rtnl.Socket()
            try:
                inside.send(messages, ignore)
            finally:
                inside.close()

        netns.run_in(sandbox.path, send)

    def _configure(self, plugs: Sequence[Plug], first: list[rtnl.Message]) -> None:
        """Run on a thread inside of the sandbox: give it its interfaces."""
        inside = rtnl.Socket()
        host = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)  # the main thread's
        try:
            veths = [plug for plug in plugs if plug.veth]
            inside.send([*first, *(_pair(plug, host) for plug in veths)])
            if len(veths) < len(plugs):
                self._make_on_wire([plug for plug in plugs if not plug.veth])
            if plugs:
                self._host.send([message for plug in veths for message in _outside(plug)])
                for plug in plugs:
                    _prepare_link(plug)
                inside.send([message for plug in plugs for message in _inside(plug)])
                inside.send([rtnl.settle(plug.index) for plug in plugs])
                self._host.send([rtnl.settle(name=plug.veth) for plug in veths])
        finally:
            os.close(host)
            inside.close()

    def _make_on_wire(self, plugs: Sequence[Plug]) -> None:
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._host.send(
                [
                    rtnl.on_wire(plug.kind, plug.mode, plug.inside, plug.index, plug.mac, plug.link, here, plug.mtu)
                    for plug in plugs
                ]
            )
        finally:
            os.close(here)

    def _reap(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._dying or self._closed)
                if not self._dying:
                    return
                if not self._closed:
                    self._wake.wait_for(lambda: self._closed, _GATHER_SECONDS)
                batch = list(self._dying)
                self._dying.clear()
                self._busy = True
            try:
                self._take_down(batch)
            except Exception:
                _log.exception("network sandboxes could not be taken down")
            with self._wake:
                self._busy = False
                self._wake.notify_all()

    def _take_down(self, batch: Sequence[tuple[Sandbox, bool]]) -> None:
        for sandbox, _ in batch:
            netns.unpin(sandbox.path)
        self.delete_links([plug.veth for sandbox, shared in batch if shared for plug in sandbox.plugs if plug.veth])


def number_of(index: int) -> int:
    """Return n of `eth<n>` for a link index inside of a sandbox; 0 where the index is not known."""
    return max(0, index - _FIRST_INDEX)


def _pair(plug: Plug, host_fd: int) -> rtnl.Message:
    return rtnl.veth(plug.inside, plug.index, plug.mac, plug.veth, host_fd, plug.mtu)


def _outside(plug: Plug) -> list[rtnl.Message]:
    return [
        rtnl.enslave(plug.veth, plug.link),
        rtnl.hairpin(plug.veth, isolated=plug.is_isolated),
    ]


def _prepare_link(plug: Plug) -> None:
    """Write what must hold before the link is up."""
    if plug.interface6 is not None:
        for name, value in (("accept_dad", "0"), ("accept_ra", "0"), ("disable_ipv6", "0")):
            netns.write_sysctl(f"net/ipv6/conf/{plug.inside}/{name}", value)
    for name, value in plug.sysctls:
        netns.write_sysctl(name, value)


def _inside(plug: Plug) -> list[rtnl.Message]:
    messages = [rtnl.address(plug.index, plug.interface)]
    if plug.interface6 is not None:
        messages.append(rtnl.address(plug.index, plug.interface6))
    messages.append(rtnl.up(plug.index))
    messages.extend(rtnl.default_route(gateway, plug.index) for gateway in (plug.gateway, plug.gateway6) if gateway)
    return messages
