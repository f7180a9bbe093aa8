"""Published ports of containers: held on the host, and rewritten to a container's address while it runs."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from engine.containers.model import Container
from engine.errors import Internal
from engine.kernel import conntrack
from engine.networks.bridges import Bridges
from engine.networks.model import Network
from engine.networks.ports import PortTable, PortTaken
from engine.networks.rules import Published
from engine.services import placement
from engine.values import Endpoint, PortBinding

_log = logging.getLogger(__name__)


class Publishing:
    """The host ports of this instance, and where they lead."""

    def __init__(self, bridges: Bridges) -> None:
        self._rules = bridges.rules
        self._ports = PortTable()
        self._flows = ThreadPoolExecutor(max_workers=1, thread_name_prefix="udp-flows")

    def publish(self, container: Container, endpoint: Endpoint, network: Network) -> list[Published]:
        """Take the ports that the container wants and send them to its place in a network; all or none."""
        wanted = placement.wanted_ports(container)
        if not wanted:
            return []
        try:
            taken = self._ports.take(wanted, network.host_binding, ipv6=bool(endpoint.global_ipv6_address))
        except PortTaken as error:
            raise Internal(
                f"driver failed programming external connectivity on endpoint {container.name} "
                f"({endpoint.endpoint_id}): {error}"
            ) from error
        published = placement.published(taken, endpoint)
        self._ports.give_back([b for b in taken if b not in {p.binding for p in published}])
        try:
            self._rules.publish(published)
        except BaseException:
            self._ports.give_back(taken)
            raise
        for port in {p.binding.host_port for p in published if p.binding.protocol == "udp"}:
            self._flows.submit(conntrack.forget_udp_port, port)
        return published

    def adopt(self, container: Container, endpoint: Endpoint) -> list[Published]:
        """Hold the ports of a container that runs already; its rules are written with everybody's."""
        for lost in self._ports.adopt(container.ports):
            _log.warning("a published port is held by another program too container=%s port=%s", container.id, lost)
        return placement.published(container.ports, endpoint)

    def move(self, published: Sequence[Published], endpoint: Endpoint) -> list[Published]:
        """Send ports to a container's place in another network; what it has no address for is given up."""
        moved = placement.published([p.binding for p in published], endpoint)
        self._rules.withdraw(published)
        self._rules.publish(moved)
        kept = {p.binding for p in moved}
        self._ports.give_back([p.binding for p in published if p.binding not in kept])
        self._forget_flows(published)
        return moved

    def withdraw(self, published: Sequence[Published]) -> None:
        """Give ports up."""
        if published:
            self._rules.withdraw(published)
            self._ports.give_back([p.binding for p in published])
            self._forget_flows(published)

    def close(self) -> None:
        """Let go of the ports; what is published goes on leading to its containers."""
        self._ports.close()
        self._flows.shutdown()

    def _forget_flows(self, published: Iterable[Published]) -> None:
        for address in {p.address for p in published if p.binding.protocol == "udp"}:
            self._flows.submit(conntrack.forget_udp_to, ipaddress.ip_address(address))


def bindings(published: Iterable[Published]) -> tuple[PortBinding, ...]:
    """Return the host's ports of what is published."""
    return tuple(port.binding for port in published)
