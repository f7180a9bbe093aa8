"""Links: names by which one container finds others (`--link name:alias`), as Docker has had them before networks.

On the default bridge a link is an entry in /etc/hosts and variables that tell of the other's ports and environment; the
other must run first. On a network of a user it is a name in that network alone. Targets are kept by id, so that a
rename doesn't cut a link, and entries follow the target's address when it starts again.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from engine.containers.model import Container, HostConfig
from engine.containers.store import ContainerStore
from engine.errors import Conflict, InvalidArgument, NotFound
from engine.locks import NamedLocks
from engine.values import Endpoint, EndpointConfig, Scope

_log = logging.getLogger(__name__)
_BRIDGE = "bridge"
_NOT_TOLD = frozenset(("HOME", "PATH"))


def parse_link(text: str) -> tuple[str, str]:
    """Return (container, alias) of `name`, `name:alias` or Docker's own `/name:/self/alias`; InvalidArgument."""
    parts = text.split(":")
    if not text or len(parts) > 2 or not parts[0]:
        raise InvalidArgument(f"bad format for links: {text}")
    name = parts[0].removeprefix("/")
    alias = (parts[1] if len(parts) == 2 else name).rpartition("/")[2]
    if not alias:
        raise InvalidArgument(f"bad format for links: {text}")
    return name, alias


class Links:
    """Who is linked to whom. `refresh` writes a running container's hosts file anew."""

    def __init__(self, store: ContainerStore, locks: NamedLocks) -> None:
        self._store = store
        self._locks = locks
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="links")
        self._linkers: dict[str, set[str]] = {}
        self._refresh: Callable[[Container], None] = lambda container: None
        for container in store.all():
            self.note(container)

    def close(self) -> None:
        """Stop; what is on its way is done."""
        self._pool.shutdown(wait=True)

    def set_refresh(self, refresh: Callable[[Container], None]) -> None:
        """Say who writes hosts files."""
        self._refresh = refresh

    def resolve(
        self, scope: Scope, host: HostConfig, networks: Sequence[EndpointConfig]
    ) -> tuple[HostConfig, tuple[EndpointConfig, ...]]:
        """Return both with the targets of links named by their ids. InvalidArgument where one is not there."""
        return (
            replace(host, links=tuple(self._resolved(scope, link) for link in host.links)),
            tuple(self.resolve_endpoint(scope, config) for config in networks),
        )

    def resolve_endpoint(self, scope: Scope, config: EndpointConfig) -> EndpointConfig:
        """Return a place in a network with the targets of its links named by their ids."""
        if not config.links:
            return config
        return replace(config, links=tuple(self._resolved(scope, link) for link in config.links))

    def _resolved(self, scope: Scope, text: str) -> str:
        name, alias = parse_link(text)
        try:
            return f"{self._store.get(scope, name).id}:{alias}"
        except NotFound as error:
            raise InvalidArgument(f"could not get container for {name}: {error}") from None

    def note(self, container: Container) -> None:
        """Remember whom a new container is linked to."""
        for target, _ in _all_links(container):
            with self._lock:
                self._linkers.setdefault(target, set()).add(container.id)

    def shown(self, container: Container) -> Container:
        """Return the record with links as Docker's inspection shows them: `/name:/self/alias`, `name:alias`."""
        if not _all_links(container):
            return container
        host = tuple(
            f"/{target.name}:/{container.name}/{alias}"
            for target, alias in self._targets(container.host_config.links)
        )
        networks = tuple(self._shown(config) for config in container.networks)
        endpoints = tuple(replace(e, config=self._shown(e.config)) for e in container.endpoints)
        changed = replace(container.host_config, links=host)
        return replace(container, host_config=changed, networks=networks, endpoints=endpoints)

    def _shown(self, config: EndpointConfig) -> EndpointConfig:
        return replace(config, links=tuple(f"{t.name}:{alias}" for t, alias in self._targets(config.links)))

    def _targets(self, links: Sequence[str]) -> list[tuple[Container, str]]:
        found = [(self._store.find(target), alias) for target, _, alias in (link.partition(":") for link in links)]
        return [(target, alias) for target, alias in found if target is not None]

    def hosts(self, container: Container, endpoints: Sequence[Endpoint]) -> list[tuple[str, str]]:
        """Return (names, address) for the container's hosts file: of the targets that run in a network of its own."""
        found = []
        for endpoint in endpoints:
            for target, alias in self._targets(_links_in(container, endpoint)):
                address = _address(target, endpoint.network_id)
                names = [alias, target.config.hostname or target.id[:12], target.name]
                if address:
                    found.append((" ".join(dict.fromkeys(names)), address))
        return found

    def environment(self, container: Container, *, starting: bool = True) -> tuple[str, ...]:
        """Return the variables of links on the default bridge; Conflict at a start where a target doesn't run."""
        found: list[str] = []
        if container.host_config.network_mode != _BRIDGE:
            return ()
        for target, alias in self._targets(container.host_config.links):
            if not target.state.is_running and not starting:
                continue
            if not target.state.is_running:
                raise Conflict(
                    f"Cannot link to a non running container: /{target.name} AS /{container.name}/{alias}"
                )
            network = next((e.network_id for e in target.endpoints if e.network_name == _BRIDGE), "")
            found += render_environment(container.name, alias, _address(target, network), target)
        return tuple(found)

    def on_change(self, container: Container) -> None:
        """Follow a container that has started: those linked to it find it at its new address."""
        if not self._linkers or not container.state.is_running:
            return
        with self._lock:
            linkers = list(self._linkers.get(container.id, ()))
        for linker in linkers:
            self._pool.submit(self._follow, linker)

    def _follow(self, linker: str) -> None:
        try:
            with self._locks.hold(linker):
                found = self._store.find(linker)
                if found is not None and found.state.is_running:
                    self._refresh(found)
        except Exception:
            _log.exception("hosts of a linked container not renewed container=%s", linker)

    def without(self, container: Container, alias: str) -> Container:
        """Return the record without the link of this alias; NotFound if it has none."""
        links = container.host_config.links
        rest = tuple(link for link in links if link.partition(":")[2] != alias)
        if len(rest) == len(links):
            raise NotFound(f"Cannot get parent /{container.name} for link: /{container.name}/{alias}")
        return replace(container, host_config=replace(container.host_config, links=rest))


def _all_links(container: Container) -> list[tuple[str, str]]:
    links = [*container.host_config.links, *(link for config in container.networks for link in config.links)]
    return [(target, alias) for target, _, alias in (link.partition(":") for link in links)]


def _links_in(container: Container, endpoint: Endpoint) -> tuple[str, ...]:
    main = container.host_config.network_mode
    own = container.host_config.links if endpoint.network_name == main else ()
    return (*own, *endpoint.config.links)


def _address(target: Container, network_id: str) -> str:
    return next((e.ip_address for e in target.endpoints if e.network_id == network_id), "")


def render_environment(name: str, alias: str, address: str, target: Container) -> list[str]:
    """Return Docker's variables of a link: `DB_PORT=tcp://…`, one set for each port, `DB_NAME`, `DB_ENV_…`. Pure."""
    prefix = re.sub(r"[^A-Z0-9_]", "_", alias.upper())
    keys = {*target.config.exposed_ports, *(binding.key for binding in target.host_config.port_bindings)}
    ports = sorted((protocol or "tcp", int(port)) for port, _, protocol in (key.partition("/") for key in keys))
    found = []
    for index, (protocol, port) in enumerate(ports):
        url, one = f"{protocol}://{address}:{port}", f"{prefix}_PORT_{port}_{protocol.upper()}"
        found += [f"{prefix}_PORT={url}"] if index == 0 else []
        found += [f"{one}={url}", f"{one}_ADDR={address}", f"{one}_PORT={port}", f"{one}_PROTO={protocol}"]
    found.append(f"{prefix}_NAME=/{name}/{alias}")
    for entry in target.config.env:
        key, equals, value = entry.partition("=")
        if equals and key not in _NOT_TOLD:
            found.append(f"{prefix}_ENV_{key}={value}")
    return found
