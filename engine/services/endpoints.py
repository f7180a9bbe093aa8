"""Containers' places in networks while they run: joining, leaving, published ports, and taking over after a restart.

What a join took is one `_Live` record in memory; the container's own record (sandbox, endpoints, ports) is what an
engine that starts again rebuilds it from. Freeing addresses and ports is at once, taking the sandbox down is later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.containers.model import Container
from engine.errors import BerthError, Conflict, Internal
from engine.ids import new_id
from engine.kernel import netns
from engine.networks import model
from engine.networks.bridges import Bridge, Bridges
from engine.networks.model import Network
from engine.networks.pool import SandboxPool
from engine.networks.rules import Published
from engine.networks.sandboxes import Plug, Route, Sandbox, SandboxMaker
from engine.services import placement, plugs, publishing
from engine.services.naming import Naming, dns_names
from engine.services.placement import Wish
from engine.services.plugs import Plugs
from engine.services.publishing import Publishing
from engine.values import Endpoint, EndpointConfig, PortBinding

_log = logging.getLogger(__name__)

_NO_INTERFACE = ""
"""The pool's key for sandboxes with nothing but lo."""
_BUSY_POOL = 2
"""Sandboxes kept ready for a namespace that is not the default one, once it has started a container."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a start gets: `netns_path` None is the host's own network; hosts and resolv_conf are file contents."""

    sandbox: str
    netns_path: Path | None
    endpoints: tuple[Endpoint, ...]
    ports: tuple[PortBinding, ...]
    hosts: str
    resolv_conf: str


@dataclass(frozen=True, slots=True)
class Member:
    """A running container in a network."""

    container_id: str
    container_name: str
    endpoint: Endpoint


@dataclass(slots=True)
class _Live:
    container_id: str
    name: str
    joined: Joined
    sandbox: Sandbox | None = None
    published: list[Published] = field(default_factory=list)
    published_on: str = ""
    routes: tuple[Route, ...] = ()
    sharers: set[str] = field(default_factory=set)


class Endpoints:
    """The live half of the networks. Callers hold the container's lock."""

    def __init__(self, bridges: Bridges, folder: Path, names_socket: Path, pool_size: int) -> None:
        self._bridges = bridges
        self._folder = folder
        self._pool_size = pool_size
        self._maker = SandboxMaker(folder)
        self._naming = Naming(self._maker, names_socket)
        self._pool = SandboxPool(self._make_ready, self._discard)
        self._plugs = Plugs(bridges, self._maker)
        self._publishing = Publishing(bridges)
        self._lock = threading.Lock()
        self._live: dict[str, _Live] = {}

    def set_links(self, links: Callable[[Container, Sequence[Endpoint]], list[tuple[str, str]]]) -> None:
        """Say who knows what containers are linked to."""
        self._naming.links = links

    # -- joining ---------------------------------------------------------------------------------------------------

    def join_host(self, container: Container, network: Network) -> Joined:
        """Give the container the host's own network."""
        endpoint = placement.make_endpoint(container, EndpointConfig(model.HOST), network, new_id())
        joined = Joined("", None, (endpoint,), (), *self._naming.render_host(container))
        return self._remember(_Live(container.id, container.name, joined))

    def join_none(self, container: Container, network: Network) -> Joined:
        """Give the container a network of its own with nothing but lo."""
        sandbox = self._pool.take(_NO_INTERFACE) or self._maker.make()
        endpoint = placement.make_endpoint(container, EndpointConfig(model.NONE), network, new_id())
        joined = self._joined(container, sandbox, (endpoint,), ())
        return self._remember(_Live(container.id, container.name, joined, sandbox))

    def join_container(self, container: Container, target: str) -> Joined:
        """Give the container the network of a running one."""
        with self._lock:
            live = self._live.get(target)
            if live is None:
                raise Conflict(f"cannot join network of a non running container: {target}")
            live.sharers.add(container.id)
            shared = live.joined
        joined = Joined("", shared.netns_path, (), (), shared.hosts, shared.resolv_conf)
        return self._remember(_Live(container.id, container.name, joined))

    def join(self, container: Container, wishes: Sequence[Wish]) -> Joined:
        """Give the container a network of its own with an interface in each network, and publish its ports."""
        with ExitStack() as undo:
            sandbox = self._sandbox_for(wishes, container.config.mac_address)
            undo.callback(self._discard, sandbox)
            endpoints = tuple(
                placement.make_endpoint(container, config, net, plug.endpoint_id, plug, self._bridges.find(net.id))
                for (config, net), plug in zip(wishes, sandbox.plugs, strict=True)
            )
            undo.callback(self._naming.end, container.id, endpoints)
            self._naming.serve(container, sandbox, endpoints, [network for _, network in wishes])
            published, published_on = self._publish(container, endpoints, wishes)
            joined = self._joined(container, sandbox, endpoints, publishing.bindings(published))
            undo.pop_all()
        routes = plugs.routes_of(sandbox.plugs, wishes, self._bridges)
        return self._remember(_Live(container.id, container.name, joined, sandbox, published, published_on, routes))

    def leave(self, container_id: str) -> Joined | None:
        """Free the container's addresses and ports, and have its sandbox taken down; None if it has not joined."""
        with self._lock:
            live = self._live.pop(container_id, None)
            if live is None:
                return None
            for other in self._live.values():
                other.sharers.discard(container_id)
        self._publishing.withdraw(live.published)
        self._naming.end(container_id, live.joined.endpoints)
        if live.sandbox is not None:
            self._discard(live.sandbox, shared=bool(live.sharers))
        return live.joined

    # -- changes while running -------------------------------------------------------------------------------------

    def connect(
        self, container: Container, config: EndpointConfig, network: Network
    ) -> tuple[Endpoint, tuple[PortBinding, ...]]:
        """Add an interface in another network to a running container; return it, and the ports it has now."""
        live = self._live[container.id]
        if live.sandbox is None:
            raise Internal(f"container {container.id} has no network of its own")
        bridge = self._bridges.ensure(network)
        plug = self._plugs.make(bridge, config, placement.next_number(live.sandbox))
        try:
            live.sandbox = self._maker.plug(live.sandbox, plug)
        except BaseException:
            self._plugs.give_back(plug)
            raise
        endpoint = placement.make_endpoint(container, config, network, plug.endpoint_id, plug, bridge)
        self._settle(container, live, (*live.joined.endpoints, endpoint))
        return endpoint, live.joined.ports

    def disconnect(self, container: Container, network: Network) -> tuple[PortBinding, ...]:
        """Take a running container's interface in a network away; return the ports it still has published."""
        live = self._live[container.id]
        gone = next(e for e in live.joined.endpoints if e.network_id == network.id)
        remaining = tuple(e for e in live.joined.endpoints if e is not gone)
        if live.sandbox is not None:
            taken = [plug for plug in live.sandbox.plugs if plug.endpoint_id == gone.endpoint_id]
            live.sandbox = self._maker.unplug(live.sandbox, gone.endpoint_id)
            for plug in taken:
                self._plugs.give_back(plug)
        self._naming.forget(container.id, [gone])
        self._settle(container, live, remaining)
        return live.joined.ports

    def rename(self, container: Container) -> tuple[Endpoint, ...]:
        """Follow a running container's new name; return its endpoints."""
        live = self._live.get(container.id)
        if live is None:
            return container.endpoints
        live.name = container.name
        renamed = []
        for endpoint in live.joined.endpoints:
            bridge = self._bridges.find(endpoint.network_id)
            names = dns_names(container, endpoint.config, bridge.network) if bridge else ()
            renamed.append(replace(endpoint, dns_names=names))
        self._renew(container, live, tuple(renamed))
        return live.joined.endpoints

    def refresh(self, container: Container) -> None:
        """Render a running container's files anew: what it is linked to has changed."""
        live = self._live.get(container.id)
        if live is not None:
            self._renew(container, live, live.joined.endpoints)

    def files(self, container_id: str) -> tuple[str, str] | None:
        """Return hosts and resolv.conf as a running container should have them; None if it does not run."""
        live = self._live.get(container_id)
        return (live.joined.hosts, live.joined.resolv_conf) if live else None

    def members(self, network_id: str) -> list[Member]:
        """Return the running containers of a network."""
        with self._lock:
            lives = list(self._live.values())
        return [
            Member(live.container_id, live.name, endpoint)
            for live in lives
            for endpoint in live.joined.endpoints
            if endpoint.network_id == network_id
        ]

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self, default_bridge: Network) -> None:
        """Begin to keep sandboxes ready."""
        if self._pool_size > 0:
            self._bridges.ensure(default_bridge)
            self._pool.keep(default_bridge.id, self._pool_size)
            self._pool.keep(_NO_INTERFACE, self._pool_size)

    def adopt(self, container: Container, networks: Sequence[Network]) -> list[Published]:
        """Take over what a running container has from an engine before; return its published ports."""
        sandbox = None
        if container.sandbox:
            sandbox = self._plugs.adopted(container, networks)
        joined = self._joined(container, sandbox, container.endpoints, container.ports)
        if sandbox is None and container.host_config.network_mode == model.HOST:
            joined = replace(joined, netns_path=None)
        live = _Live(container.id, container.name, joined, sandbox)
        places = self._places(container.endpoints)
        if sandbox is not None:
            live.routes = plugs.routes_of(sandbox.plugs, places, self._bridges)
            self._naming.serve(container, sandbox, container.endpoints, networks)
        leading = placement.publishing(places)
        if leading is not None and container.ports:
            endpoint = next(e for e in container.endpoints if e.network_id == places[leading][1].id)
            live.published = self._publishing.adopt(container, endpoint)
            live.published_on = endpoint.network_id
        self._remember(live)
        return live.published

    def warm_names(self) -> None:
        """Be ready to answer names in a new network."""
        self._naming.warm()

    def begin_adoption(self) -> None:
        """Before the first `adopt`."""
        self._naming.begin()

    def end_adoption(self) -> None:
        """After the last `adopt`: forget, and remove from the kernel, what no running container has."""
        self._naming.settle()
        self.sweep()
        self._mend_lost()

    def share(self, container_id: str, target: str) -> None:
        """Note that a running container is in the network of another one."""
        with self._lock:
            owner = self._live.get(target)
            sharer = self._live.get(container_id)
            if owner is not None and sharer is not None:
                owner.sharers.add(container_id)
                sharer.joined = replace(sharer.joined, netns_path=owner.joined.netns_path)

    def sweep(self) -> None:
        """Remove sandboxes and links of this instance that no running container has."""
        names = {live.sandbox.name for live in self._live.values() if live.sandbox}
        for path in self._folder.iterdir():
            if path.name not in names:
                netns.unpin(path)
        veths = {plug.veth for plug in self._all_plugs()}
        self._maker.delete_links([link.name for link in self._bridges.links("v") if link.name not in veths])

    def mend(self, bridge: Bridge) -> None:
        """Put the host's sides of the network's interfaces into its bridge, which was made again."""
        waiting = [plug for sandbox in self._pool.ready(bridge.network.id) for plug in sandbox.plugs]
        ours = [plug for plug in (*self._all_plugs(), *waiting) if plug.network_id == bridge.network.id]
        self._maker.put_back(ours, bridge.index)

    def _mend_lost(self) -> None:
        """The same for what has lost its bridge while no engine ran."""
        masters = {link.name: link.master for link in self._bridges.links("v")}
        for bridge in self._bridges.up():
            plugs = [p for p in self._all_plugs() if p.network_id == bridge.network.id and p.veth in masters]
            if any(masters[plug.veth] != bridge.index for plug in plugs):
                self._maker.put_back(plugs, bridge.index)

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the pool is full and nothing waits to be taken down (tests, benchmarks)."""
        return self._maker.wait_idle(timeout) and self._pool.wait_filled(timeout)

    def close(self) -> None:
        """Stop; running containers keep their networks."""
        self._pool.close()
        self._naming.close()
        self._maker.close()
        self._publishing.close()

    def destroy(self) -> None:
        """Take everything down, running containers' networks included, and stop."""
        for container_id in list(self._live):
            self.leave(container_id)
        self._pool.close()
        self._maker.wait_idle(10.0)
        self.sweep()
        self._naming.close()
        self._maker.close()
        self._publishing.close()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _sandbox_for(self, wishes: Sequence[Wish], mac: str) -> Sandbox:
        first, network = wishes[0]
        mac = first.mac_address or mac
        if len(wishes) == 1 and not (first.ipv4_address or first.driver_opts) and network.name == model.DEFAULT_BRIDGE:
            ready = self._pool.take(network.id)
            if ready is not None:
                return self._maker.set_mac(ready, mac) if mac else ready
            if self._pool_size > 0:
                self._bridges.ensure(network)
                self._pool.keep_at_least(network.id, min(_BUSY_POOL, self._pool_size))
        return self._make(wishes, mac)

    def _make(self, wishes: Sequence[Wish], mac: str = "") -> Sandbox:
        with ExitStack() as undo:
            made: list[Plug] = []
            for number, (config, network) in enumerate(wishes):
                plug = self._plugs.make(self._bridges.ensure(network), config, number)
                undo.callback(self._plugs.give_back, plug)
                made.append(replace(plug, mac=mac) if mac and number == 0 else plug)
            routes = plugs.routes_of(made, wishes, self._bridges)
            sandbox = self._maker.make([plugs.with_routes(plug, routes) for plug in made])
            undo.pop_all()
        return sandbox

    def _make_ready(self, key: str) -> Sandbox:
        if key == _NO_INTERFACE:
            return self._maker.make()
        bridge = self._bridges.find(key)
        if bridge is None:
            raise Internal(f"network {key} has no bridge")
        return self._make([(EndpointConfig(bridge.network.name), bridge.network)])

    def _discard(self, sandbox: Sandbox, *, shared: bool = False) -> None:
        for plug in sandbox.plugs:
            self._plugs.give_back(plug)
        self._maker.discard(sandbox, shared=shared)

    def _publish(
        self, container: Container, endpoints: Sequence[Endpoint], places: Sequence[Wish]
    ) -> tuple[list[Published], str]:
        leading = placement.publishing(places)
        if leading is None:
            return [], ""
        endpoint = endpoints[leading]
        published = self._publishing.publish(container, endpoint, places[leading][1])
        return published, endpoint.network_id if published else ""

    def _places(self, endpoints: Sequence[Endpoint]) -> list[Wish]:
        """Return the networks of endpoints that have an interface."""
        found = [(endpoint, self._bridges.find(endpoint.network_id)) for endpoint in endpoints if endpoint.ip_address]
        return [(endpoint.config, bridge.network) for endpoint, bridge in found if bridge is not None]

    def _settle(self, container: Container, live: _Live, endpoints: tuple[Endpoint, ...]) -> None:
        """After an interface came or went: routes and ports by the network that leads out now, then the names."""
        places = self._places(endpoints)
        if live.sandbox is not None:
            routes = plugs.routes_of(live.sandbox.plugs, places, self._bridges)
            if routes != live.routes:
                self._maker.reroute(live.sandbox, live.routes, routes)
                live.routes = routes
        leading = placement.publishing(places)
        network_id = places[leading][1].id if leading is not None else ""
        if network_id != live.published_on:
            self._move_ports(container, live, endpoints, network_id)
        self._renew(container, live, endpoints)

    def _move_ports(self, container: Container, live: _Live, endpoints: Sequence[Endpoint], network_id: str) -> None:
        endpoint = next((e for e in endpoints if e.network_id == network_id), None)
        bridge = self._bridges.find(network_id)
        if endpoint is None or bridge is None:
            self._publishing.withdraw(live.published)
            live.published = []
        elif live.published:
            live.published = self._publishing.move(live.published, endpoint)
        else:
            try:
                live.published = self._publishing.publish(container, endpoint, bridge.network)
            except BerthError as error:
                _log.warning("ports stay unpublished container=%s error=%s", container.id, error)
        live.published_on = network_id if live.published else ""
        live.joined = replace(live.joined, ports=publishing.bindings(live.published))

    def _all_plugs(self) -> list[Plug]:
        with self._lock:
            lives = list(self._live.values())
        return [plug for live in lives if live.sandbox for plug in live.sandbox.plugs]

    def _renew(self, container: Container, live: _Live, endpoints: tuple[Endpoint, ...]) -> None:
        """Note the endpoints that a running container has now, and what it is to find names by."""
        if live.sandbox is not None:
            networks = [b.network for p in live.sandbox.plugs if (b := self._bridges.find(p.network_id))]
            self._naming.serve(container, live.sandbox, endpoints, networks)
        hosts, resolv_conf = self._naming.render(container, endpoints)
        live.joined = replace(live.joined, endpoints=endpoints, hosts=hosts, resolv_conf=resolv_conf)

    def _joined(
        self,
        container: Container,
        sandbox: Sandbox | None,
        endpoints: tuple[Endpoint, ...],
        taken: tuple[PortBinding, ...],
    ) -> Joined:
        hosts, resolv_conf = self._naming.render(container, endpoints)
        return Joined(
            sandbox=sandbox.name if sandbox else "",
            netns_path=sandbox.path if sandbox else None,
            endpoints=endpoints,
            ports=taken,
            hosts=hosts,
            resolv_conf=resolv_conf,
        )

    def _remember(self, live: _Live) -> Joined:
        with self._lock:
            self._live[live.container_id] = live
        return live.joined
