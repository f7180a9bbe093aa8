"""How containers find names: /etc/hosts, /etc/resolv.conf, and the resolver of those on user networks.

On the default bridge, host and none a container gets the host's resolvers. As soon as it is in a network of a user's
it gets 127.0.0.11, which knows the containers of its networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.containers.model import Container
from engine.networks import files, model
from engine.networks.dns.link import ResolverLink
from engine.networks.dns.zone import Entry
from engine.networks.model import Network
from engine.networks.sandboxes import Sandbox, SandboxMaker
from engine.values import Endpoint, EndpointConfig

EMBEDDED = "127.0.0.11"
_HOSTS = Path("/etc/hosts")
_RESOLV_CONF = Path("/etc/resolv.conf")


class Naming:
    """Renders containers' files, and keeps the resolver's knowledge up to date."""

    def __init__(self, maker: SandboxMaker, socket_path: Path) -> None:
        self._resolver = ResolverLink(socket_path, lambda sandbox: maker.open_resolver(sandbox, EMBEDDED))
        self.links: Callable[[Container, Sequence[Endpoint]], list[tuple[str, str]]] = lambda container, endpoints: []
        """Tells (names, address) of the containers that one is linked to."""

    def render(self, container: Container, endpoints: Sequence[Endpoint]) -> tuple[str, str]:
        """Return hosts and resolv.conf of a container with a network of its own."""
        gateway = next((e.gateway for e in endpoints if e.gateway), "")
        hosts = files.render_hosts(
            addresses=[a for e in endpoints for a in (e.ip_address, e.global_ipv6_address) if a],
            hostname=container.config.hostname or container.id[:12],
            domainname=container.config.domainname,
            extra=[
                *files.parse_extra_hosts(container.host_config.extra_hosts, gateway or "127.0.0.1"),
                *self.links(container, endpoints),
            ],
        )
        host = container.host_config
        embedded = any(_is_named(endpoint) for endpoint in endpoints)
        resolv_conf = files.render_resolv_conf(
            _read(_RESOLV_CONF),
            servers=[EMBEDDED] if embedded else host.dns,
            search=host.dns_search,
            options=[*host.dns_options, *(["ndots:0"] if embedded and not _has_ndots(host.dns_options) else [])],
        )
        return hosts, resolv_conf

    def render_host(self, container: Container) -> tuple[str, str]:
        """Return hosts and resolv.conf of a container in the host's network."""
        host = container.host_config
        hosts = files.render_hosts(
            addresses=(),
            hostname="",
            domainname="",
            extra=files.parse_extra_hosts(host.extra_hosts, "127.0.0.1"),
            base=_read(_HOSTS),
        )
        resolv_conf = files.render_resolv_conf(
            _read(_RESOLV_CONF), servers=host.dns, search=host.dns_search, options=host.dns_options, own=False
        )
        return hosts, resolv_conf

    def serve(
        self, container: Container, sandbox: Sandbox, endpoints: Sequence[Endpoint], networks: Sequence[Network]
    ) -> None:
        """Make the container known in its user networks, and answer it where it is in one. Again after each change."""
        named = [endpoint for endpoint in endpoints if _is_named(endpoint)]
        if named:
            self._answer(container, sandbox, named, self._outside_servers(container, networks))
        for endpoint in named:
            self._resolver.add(
                Entry(
                    container.id,
                    endpoint.network_id,
                    endpoint.network_name,
                    endpoint.ip_address,
                    endpoint.dns_names,
                    endpoint.global_ipv6_address,
                )
            )

    def forget(self, container_id: str, endpoints: Sequence[Endpoint]) -> None:
        """Take the container's names out of these networks; idempotent."""
        for endpoint in endpoints:
            self._resolver.remove(endpoint.network_id, container_id)

    def end(self, container_id: str, endpoints: Sequence[Endpoint]) -> None:
        """Forget the container and stop answering it; idempotent."""
        self.forget(container_id, endpoints)
        self._resolver.drop(container_id)

    def begin(self) -> None:
        """Find the resolver that an engine before has left; `serve` all that runs, then `settle`."""
        self._resolver.begin()

    def warm(self) -> None:
        """A network of a user's has come: be ready to answer in it."""
        self._resolver.warm()

    def settle(self) -> None:
        """Let the resolver forget what was not served since `begin`."""
        self._resolver.settle()

    def close(self) -> None:
        """Hang up; running containers go on being answered."""
        self._resolver.close()

    def _answer(
        self, container: Container, sandbox: Sandbox, named: Sequence[Endpoint], servers: tuple[str, ...]
    ) -> None:
        self._resolver.serve(container.id, sandbox, [endpoint.network_id for endpoint in named], servers)

    def _outside_servers(self, container: Container, networks: Sequence[Network]) -> tuple[str, ...]:
        if all(network.internal for network in networks):
            return ()
        return tuple(container.host_config.dns) or files.parse_servers(_read(_RESOLV_CONF))


def dns_names(container: Container, config: EndpointConfig, network: Network) -> tuple[str, ...]:
    """Return a container's names in a user's network: its own, aliases, short id, host name; none elsewhere."""
    if network.is_predefined:
        return ()
    names = (container.name, *config.aliases, container.id[:12], container.config.hostname)
    return tuple(dict.fromkeys(name for name in names if name))


def _is_named(endpoint: Endpoint) -> bool:
    return bool(endpoint.ip_address) and endpoint.network_name not in model.PREDEFINED


def _has_ndots(options: Sequence[str]) -> bool:
    return any(option.startswith("ndots:") for option in options)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
