"""Networks: their records, which of them a container joins, and (in `endpoints`) their containers while they run.

Every namespace has `bridge`, `host` and `none`; its `bridge` gets a subnet when first joined. Names are unique within
a namespace, addresses on the whole machine; traffic between any two bridges is dropped.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from config.contract import DEFAULT_NAMESPACE
from config.settings import Settings
from engine import faults, policy
from engine.clock import now_ns, parse_when
from engine.containers.model import Container, HostConfig, Status
from engine.errors import Conflict, Forbidden, InvalidArgument, NotFound
from engine.events import Event
from engine.ids import new_id
from engine.locks import NamedLocks
from engine.networks import filters as network_filters
from engine.networks import ipam, model
from engine.networks.bridges import Bridges
from engine.networks.filters import Filters
from engine.networks.ipam import Subnet
from engine.networks.model import Network, NetworkWish, Range
from engine.networks.store import NetworkStore
from engine.services import network_checks
from engine.services.endpoints import Endpoints, Joined, Member
from engine.services.links import Links
from engine.services.network_checks import CONTAINER_MODE
from engine.services.network_watch import NetworkWatch
from engine.storage.db import Database
from engine.storage.paths import Paths
from engine.values import Endpoint, EndpointConfig, Scope

__all__ = ["ContainerAccess", "Joined", "Member", "Networks"]

_log = logging.getLogger(__name__)


class ContainerAccess(Protocol):
    """What the networks need of the containers: finding one, and changing its record under its lock."""

    def get(self, scope: Scope, reference: str) -> Container: ...
    def change(self, container_id: str, change: Callable[[Container], Container]) -> Container: ...


class Networks:
    """All networks of this instance. `reconcile`, then `start`, before the first join."""

    def __init__(self, database: Database, paths: Paths, settings: Settings, instance: str) -> None:
        self._database = database
        self._pool = ipaddress.IPv4Network(settings.bridge_pool)
        self._store = NetworkStore(database, instance, now_ns())
        self._pool6 = ipam.unique_local_pool(f"{_machine()}/{instance}")
        self._bridges = Bridges(instance, paths.forwarding)
        self._endpoints = Endpoints(self._bridges, paths.netns, paths.names_socket, settings.sandbox_pool)
        self._watch = NetworkWatch(self._bridges, instance, self._endpoints.mend, self._record_repair)
        self._paths = paths
        self._choosing = threading.RLock()
        self._locks = NamedLocks()
        self._containers: ContainerAccess | None = None
        self._links: Links | None = None

    def set_containers(self, containers: ContainerAccess) -> None:
        """Say who knows the containers: needed by `container:<id>`, `connect` and `disconnect`."""
        self._containers = containers

    def set_links(self, links: Links) -> None:
        """Say who knows what containers are linked to."""
        self._links = links
        self._endpoints.set_links(links.hosts)

    # -- records ---------------------------------------------------------------------------------------------------

    def get(self, scope: Scope, reference: str) -> Network:
        """Return the network of this name, id or id prefix."""
        return self._store.get(scope, reference)

    def list_(self, scope: Scope, filters: Filters | None = None) -> list[Network]:
        """Return the networks that the caller sees and that pass Docker's filters."""
        return [
            network
            for network in self._store.list_(scope)
            if network_filters.matches(network, filters or {}, lambda n: bool(self.members(n)))
        ]

    def members(self, network: Network) -> list[Member]:
        """Return the running containers of a network."""
        return self._endpoints.members(network.id)

    def create(self, scope: Scope, wish: NetworkWish) -> Network:
        """Make a network and return it."""
        network_checks.check_wish(wish)
        policy.check_network(scope, wish.driver, wish.options)
        with self._choosing, self._bridges.choosing() as foreign:
            if self._store.named(scope.home, wish.name) is not None:
                raise Conflict(f"network with name {wish.name} already exists")
            plan = network_checks.plan_addresses(wish, self._store.all())
            ipv4 = plan.ipv4 or self._chosen(self._pool, ipam.USER_PREFIX, foreign)
            network = Network(
                id=new_id(),
                namespace=scope.home,
                name=wish.name,
                driver=wish.driver or "bridge",
                created_ns=now_ns(),
                subnet=ipv4.subnet,
                gateway=ipv4.gateway,
                ip_range=ipv4.ip_range,
                auxiliary=ipv4.auxiliary,
                user_subnet=ipv4.user_subnet,
                ipv6=plan.ipv6 or (self._chosen(self._pool6, ipam.IPV6_PREFIX, foreign) if wish.enable_ipv6 else None),
                internal=wish.internal,
                attachable=wish.attachable,
                labels=dict(wish.labels),
                options=dict(wish.options),
                created_by=scope.actor,
            )
            self._bridges.check_new(network)
            self._bring_up_and_record(network, scope.actor)
        self._endpoints.warm_names()
        return network

    def remove(self, scope: Scope, reference: str) -> None:
        """Remove a user's network that no running container is in."""
        network = self._store.get(scope, reference)
        if network.is_predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        with self._locks.hold(network.id):
            members = self.members(network)
            if members:
                named = ", ".join(f'name:"{m.container_name}" id:"{m.endpoint.endpoint_id[:12]}"' for m in members)
                raise Forbidden(f"error while removing network: network {network.name} has active endpoints ({named})")
            self._delete(network, scope.actor)

    def prune(self, scope: Scope, filters: Filters) -> list[str]:
        """Remove the caller's networks without a running container; return their names."""
        until = [_when(text) for text in filters.get("until", ())]
        removed = []
        for network in self._store.list_(scope):
            if not network_filters.may_prune(network, filters, until):
                continue
            with self._locks.hold(network.id):
                if self.members(network):
                    continue
                self._delete(network, scope.actor)
            removed.append(network.name)
        return removed

    # -- containers ------------------------------------------------------------------------------------------------

    def plan(
        self, scope: Scope, host_config: HostConfig, requested: Sequence[EndpointConfig]
    ) -> tuple[EndpointConfig, ...]:
        """Return the networks that a new container is to join at each start; none for host, none and container modes.

        Raises for networks that are not there, and for wishes that its mode or network contradicts.
        """
        network_checks.check_host_config(host_config)
        mode = host_config.network_mode or model.DEFAULT_BRIDGE
        if mode in (model.HOST, model.NONE) or mode.startswith(CONTAINER_MODE):
            return ()
        found: dict[str, EndpointConfig] = {}
        primary = self._store.get(scope, mode)
        if not primary.is_predefined or not requested:
            found[primary.id] = EndpointConfig(primary.name)
        for config in requested:
            network = self._store.get(scope, config.network)
            if network.driver in ("host", "null"):
                network_checks.check_attachable(mode, network)
            network_checks.check_endpoint(config, network)
            policy.check_endpoint(scope, config.driver_opts)
            found[network.id] = replace(config, network=network.name)
        return tuple(found.values())

    def join(self, container: Container) -> Joined:
        """Give a starting container its network by its mode; a failure leaves nothing. The caller holds its lock."""
        mode = container.host_config.network_mode
        if mode == model.HOST:
            joined = self._endpoints.join_host(container, self._store.predefined(container.namespace, model.HOST))
        elif mode == model.NONE or container.config.network_disabled:
            joined = self._endpoints.join_none(container, self._store.predefined(container.namespace, model.NONE))
        elif mode.startswith(CONTAINER_MODE):
            joined = self._endpoints.join_container(container, self._shared_target(container, mode))
        else:
            joined = self._join_bridges(container)
        self._record("connect", container, joined.endpoints)
        return joined

    def leave(self, container: Container) -> None:
        """Free addresses and ports at once, and have the sandbox taken down. Idempotent."""
        joined = self._endpoints.leave(container.id)
        if joined is not None:
            self._record("disconnect", container, joined.endpoints)

    def connect(self, scope: Scope, reference: str, container_reference: str, config: EndpointConfig) -> None:
        """Put a container into one more network, at once if it runs."""
        network = self._store.get(scope, reference)
        containers = self._access()
        container = containers.get(scope, container_reference)
        network_checks.check_attachable(container.host_config.network_mode, network)
        network_checks.check_endpoint(config, network)
        policy.check_endpoint(scope, config.driver_opts)
        config = replace(config, network=network.name)
        if self._links is not None:
            config = self._links.resolve_endpoint(scope, config)

        def change(current: Container) -> Container:
            if any(self._means(current, other, network) for other in current.networks):
                raise Forbidden(f"endpoint with name {current.name} already exists in network {network.name}")
            changed = replace(current, networks=(*current.networks, config))
            if not current.state.is_running:
                return changed
            with self._locks.hold(network.id), self._rewritten(current.id):
                endpoint, ports = self._endpoints.connect(current, config, self._usable(network))
            self._record("connect", current, (endpoint,), by=scope.actor)
            return replace(changed, endpoints=(*current.endpoints, endpoint), ports=ports)

        containers.change(container.id, change)
        if self._links is not None and config.links:
            self._links.note(containers.get(scope, container.id))

    def disconnect(self, scope: Scope, reference: str, container_reference: str) -> None:
        """Take a container out of a network, at once if it runs."""
        network = self._store.get(scope, reference)
        containers = self._access()
        container = containers.get(scope, container_reference)
        if container.host_config.network_mode == model.HOST:
            raise Forbidden("container cannot be disconnected from host network or connected to host network")

        def change(current: Container) -> Container:
            rest = tuple(c for c in current.networks if not self._means(current, c, network))
            if len(rest) == len(current.networks):
                raise NotFound(f"container {current.id} is not connected to network {network.name}")
            gone = [e for e in current.endpoints if e.network_id == network.id]
            endpoints = tuple(e for e in current.endpoints if e.network_id != network.id)
            ports = current.ports
            if current.state.is_running and gone:
                with self._rewritten(current.id):
                    ports = self._endpoints.disconnect(current, network)
                self._record("disconnect", current, gone, by=scope.actor)
            return replace(current, networks=rest, endpoints=endpoints, ports=ports)

        containers.change(container.id, change)

    def rename(self, container: Container) -> Container:
        """Let the names in its networks follow a container's new name; return its record with them."""
        with self._rewritten(container.id):
            return replace(container, endpoints=self._endpoints.rename(container))

    def refresh(self, container: Container) -> None:
        """Write a running container's hosts anew: what it is linked to has another address. Its lock is held."""
        with self._rewritten(container.id):
            self._endpoints.refresh(container)

    @contextmanager
    def _rewritten(self, container_id: str) -> Iterator[None]:
        """Bring a running container's hosts and resolv.conf to what the block made of them, unless it changed them."""
        before = self._endpoints.files(container_id)
        yield
        after = self._endpoints.files(container_id)
        if before is None or after is None:
            return  # it does not run: they are written at its next start
        folder = self._paths.container(container_id)
        for name, old, new in zip(("hosts", "resolv.conf"), before, after, strict=True):
            path = folder / name
            if old != new and path.exists() and path.read_text() == old:
                path.write_text(new)  # in place: the container has the file itself mounted

    # -- life ------------------------------------------------------------------------------------------------------

    def reconcile(self, running: Sequence[Container]) -> None:
        """Take over what running containers have, write the ruleset, remove what else an earlier engine left."""
        used = {endpoint.network_id for container in running for endpoint in container.endpoints if endpoint.ip_address}
        networks = [n for n in self._store.all() if n.id in used or self._bridges.exists(n)]
        self._bridges.take_over(networks)
        by_id = {network.id: network for network in networks}
        published = []
        self._endpoints.begin_adoption()
        for container in running:
            joined = [by_id[e.network_id] for e in container.endpoints if e.network_id in by_id]
            published.extend(self._endpoints.adopt(container, joined))
        for container in running:
            mode = container.host_config.network_mode
            if mode.startswith(CONTAINER_MODE):
                self._endpoints.share(container.id, self._shared_target(container, mode))
        self._bridges.write_rules(published)
        self._endpoints.end_adoption()
        self._bridges.delete_stray(self._store.all())

    def start(self) -> None:
        """Make the default namespace's bridge and begin to keep sandboxes ready; after `reconcile`."""
        self._endpoints.start(self._usable(self._store.predefined(DEFAULT_NAMESPACE, model.DEFAULT_BRIDGE)))
        self._watch.start()

    def warnings(self) -> tuple[str, ...]:
        """Return what other programs' firewall rules do to our containers' traffic, a line for each chain."""
        return self._watch.warnings()

    def wait_ready(self, timeout: float = 10.0) -> bool:
        """Wait until the sandbox pool is full and nothing waits to be taken down (tests, benchmarks)."""
        return self._endpoints.wait_ready(timeout)

    def close(self) -> None:
        """Stop; running containers keep their networks and published ports."""
        self._watch.close()
        self._endpoints.close()
        self._bridges.close()

    def destroy(self) -> None:
        """Close, and remove every sandbox, bridge and rule of this instance from the kernel; records stay."""
        self._watch.close()
        self._endpoints.destroy()
        self._bridges.destroy()
        self._bridges.close()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _join_bridges(self, container: Container) -> Joined:
        configs = container.networks or (EndpointConfig(model.DEFAULT_BRIDGE),)
        scope = Scope(namespace=container.namespace)
        found = [(config, self._store.get(scope, config.network)) for config in configs]
        with self._held([network for _, network in found]):
            wishes = [(config, self._usable(network)) for config, network in found]
            return self._endpoints.join(container, wishes)

    @contextmanager
    def _held(self, networks: Sequence[Network]) -> Iterator[None]:
        """Hold the networks that could be removed meanwhile."""
        with ExitStack() as held:
            for network_id in sorted(network.id for network in networks if not network.is_predefined):
                held.enter_context(self._locks.hold(network_id))
            yield

    def _usable(self, network: Network) -> Network:
        """Return the network with a subnet that no route of the host contradicts, and its bridge up."""
        if self._bridges.find(network.id) is not None:
            return network
        with self._choosing, self._bridges.choosing() as foreign:
            current = self._store.find(network.id)
            if current is None and not network.is_predefined:
                raise NotFound(f"network {network.name} not found")
            if current is None:
                current = self._with_subnet(network, ipam.DEFAULT_BRIDGE_PREFIX, foreign)
                self._bring_up_and_record(current, "engine")
            elif current.has_bridge and not self._bridges.exists(current) and _clashes(current, foreign):
                current = self._moved(current, foreign)
            self._bridges.ensure(current)
            return current

    def _moved(self, network: Network, foreign: Sequence[Subnet]) -> Network:
        """Give a network whose subnet the host now routes elsewhere another one; not where the user chose it."""
        for addresses in filter(None, (network.ipv4, network.ipv6)):
            if addresses.user_subnet and _is_taken(addresses.subnet, foreign):
                raise Conflict(f"network {network.name}: the host has another route to {addresses.subnet}")
        moved = network
        if _is_taken(network.subnet, foreign):
            prefix = ipaddress.IPv4Network(network.subnet).prefixlen
            moved = self._with_subnet(network, prefix, foreign)
        if network.ipv6 and _is_taken(network.ipv6.subnet, foreign):
            moved = replace(moved, ipv6=self._chosen(self._pool6, ipam.IPV6_PREFIX, foreign))
        with self._database.transaction() as transaction:
            self._store.save(transaction, moved)
        _log.warning("the host routes %s elsewhere: network %s moved to %s", network.subnet, network.name, moved.subnet)
        return moved

    def _with_subnet(self, network: Network, prefix: int, foreign: Sequence[Subnet]) -> Network:
        chosen = self._chosen(self._pool, prefix, foreign)
        return replace(network, subnet=chosen.subnet, gateway=chosen.gateway, created_ns=now_ns())

    def _chosen(self, pool: Subnet, prefix: int, foreign: Sequence[Subnet]) -> Range:
        """Return a block of a pool that neither a network of ours nor a route of the host has."""
        own = [
            ipaddress.ip_network(addresses.subnet)
            for network in self._store.all()
            for addresses in (network.ipv4, network.ipv6)
            if addresses and addresses.subnet
        ]
        subnet = ipam.choose_subnet(pool, prefix, [*own, *foreign])
        return Range(str(subnet), str(subnet.network_address + 1))

    def _bring_up_and_record(self, network: Network, by: str) -> None:
        """Make the bridge, then the record: a crash in between leaves a bridge that `reconcile` removes."""
        self._bridges.ensure(network)
        faults.point("network.before-record")
        try:
            with self._database.transaction() as transaction:
                self._store.insert(transaction, network)
                if not network.is_predefined:
                    transaction.record(_event("create", network, by=by))
        except BaseException:
            self._bridges.remove(network)
            raise

    def _delete(self, network: Network, by: str) -> None:
        with self._database.transaction() as transaction:
            self._store.delete(transaction, network)
            transaction.record(_event("destroy", network, by=by))
        faults.point("network.before-removal")
        self._bridges.remove(network)

    def _shared_target(self, container: Container, mode: str) -> str:
        target = self._access().get(Scope(namespace=container.namespace), mode.removeprefix(CONTAINER_MODE))
        if target.id == container.id:
            raise Conflict("cannot join own network namespace")
        if target.state.status is Status.RESTARTING:
            raise Conflict(f"container {target.id} is restarting, wait until the container is running")
        return target.id

    def _access(self) -> ContainerAccess:
        if self._containers is None:
            raise RuntimeError("Networks.set_containers was not called")
        return self._containers

    def _means(self, container: Container, config: EndpointConfig, network: Network) -> bool:
        named = self._store.named(container.namespace, config.network)
        return (named.id if named else config.network) == network.id

    def _record_repair(self, what: str, networks: Iterable[Network]) -> None:
        """Write one entry for each namespace: its users wonder what the gap in their traffic was."""
        by_namespace = {network.namespace: network for network in networks}
        with self._database.transaction() as transaction:
            for network in by_namespace.values():
                event = _event("repair", network, by="engine")
                transaction.record(replace(event, attributes={**event.attributes, "repaired": what}))

    def _record(self, action: str, container: Container, endpoints: Sequence[Endpoint], by: str = "engine") -> None:
        scope = Scope(namespace=container.namespace)
        with self._database.transaction() as transaction:
            for endpoint in endpoints:
                network = self._store.find(endpoint.network_id) or self._store.get(scope, endpoint.network_name)
                transaction.record(_event(action, network, by=by, container=container.id))


def _event(action: str, network: Network, *, by: str, container: str = "") -> Event:
    attributes = {"name": network.name, "type": network.driver}
    if container:
        attributes["container"] = container
    return Event("network", action, network.id, network.namespace, attributes, by=by)


def _when(text: str) -> int:
    try:
        return parse_when(text)
    except ValueError:
        raise InvalidArgument(f"invalid filter 'until={text}': expected a time or a duration") from None


def _clashes(network: Network, foreign: Sequence[Subnet]) -> bool:
    return any(_is_taken(a.subnet, foreign) for a in (network.ipv4, network.ipv6) if a)


def _is_taken(subnet: str, foreign: Sequence[Subnet]) -> bool:
    wanted = ipaddress.ip_network(subnet)
    return any(wanted.version == other.version and wanted.overlaps(other) for other in foreign)


def _machine() -> str:
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return socket.gethostname()
