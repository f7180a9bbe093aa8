"""Values that several nouns share: who asks, endpoints, port bindings.

Frozen: a change is `dataclasses.replace`. Times are nanoseconds since the epoch, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from config.contract import ALL_NAMESPACES, DEFAULT_NAMESPACE


class Surface(Enum):
    """Which of the engine's sockets a request came in by."""

    ADMIN = "admin"
    WEB = "web"


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks, and what they can see: made by the API from the socket and the Berth-* headers."""

    namespace: str = DEFAULT_NAMESPACE
    actor: str = "root"
    grants: frozenset[str] = frozenset()
    surface: Surface = Surface.ADMIN

    def sees(self, namespace: str) -> bool:
        """Say whether an object of `namespace` exists for this caller."""
        return self.namespace in (namespace, ALL_NAMESPACES)

    @property
    def home(self) -> str:
        """The namespace in which this caller creates things."""
        return DEFAULT_NAMESPACE if self.namespace == ALL_NAMESPACES else self.namespace


@dataclass(frozen=True, slots=True)
class PortBinding:
    """One published port. `host_port` 0 asks for a free one; `host_ip` "" means every address."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_end: int = 0
    """Last port of a range to choose from; 0: no range."""
    host_port_text: str = field(default="", compare=False)
    """HostPort as it was asked for: Docker tells "0" from ""."""

    @property
    def key(self) -> str:
        """Docker's name of the container's side: `80/tcp`."""
        return f"{self.container_port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What a user asks of a container's place in one network (Docker: EndpointSettings of a request)."""

    network: str
    """Network name or id as the user gave it."""
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""
    mac_address: str = ""
    driver_opts: Mapping[str, str] | None = None
    gw_priority: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place in one network, as it is (Docker: EndpointSettings of an answer)."""

    config: EndpointConfig
    network_id: str
    network_name: str
    endpoint_id: str = ""
    gateway: str = ""
    ip_address: str = ""
    ip_prefix_len: int = 0
    ipv6_gateway: str = ""
    global_ipv6_address: str = ""
    global_ipv6_prefix_len: int = 0
    mac_address: str = ""
    dns_names: tuple[str, ...] = ()
    interface: str = ""
    """What its interface is called inside; "" where there is none (or the record is of an older engine)."""


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """Docker's HealthcheckConfig; times in nanoseconds, 0: default or the image's."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    retries: int = 0
    start_period: int = 0
    start_interval: int = 0


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's configuration: what a container takes over, and what a build lets grow."""

    user: str = ""
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    healthcheck: HealthConfig | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] | None = None
    args_escaped: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a long job, in the shape that Docker's JSON progress stream has."""

    status: str
    id: str = ""
    current: int = 0
    total: int = 0
    aux: Mapping[str, object] = field(default_factory=dict)
