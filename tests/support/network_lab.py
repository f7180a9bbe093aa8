"""Networks of a test's own, with servers and clients in any network namespace, and another machine on a cable.

Sockets are opened on a thread inside of the namespace and used from the test: no process is made for them.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from config.settings import load
from engine.containers.model import Config, Container, HostConfig, State, Status
from engine.events import Bus, Subscription
from engine.ids import new_id
from engine.kernel import netns, rtnl
from engine.services.networks import Joined, Networks
from engine.storage.db import Database
from engine.storage.models import METADATA
from engine.storage.paths import Paths
from engine.values import Endpoint, EndpointConfig, PortBinding, Scope
from tests.support import leaks


class NetworkLab:
    """An instance's networks without its containers: the records are the test's, the kernel is real."""

    def __init__(self, pool: int = 2) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bn-", dir="/tmp"))
        self.instance = f"n{uuid.uuid4().hex[:5]}"
        self.paths = Paths(self.folder / "data", self.folder / "run")
        self.paths.ensure()
        self.settings = load({"BERTH_BRIDGE_POOL": "10.61.0.0/16", "BERTH_SANDBOX_POOL": str(pool)})
        self.bus = Bus()
        self.database = Database(self.paths.database, self.bus)
        METADATA.create_all(self.database.engine)
        self.records: dict[str, Container] = {}
        self.networks = self._networks()
        self._abandoned: list[Networks] = []
        self._sockets: list[socket.socket] = []
        self._machines: list[OtherMachine] = []

    def _networks(self) -> Networks:
        networks = Networks(self.database, self.paths, self.settings, self.instance)
        networks.set_containers(self)
        networks.reconcile([c for c in self.records.values() if c.state.is_running])
        networks.start()
        return networks

    # What Networks needs of the containers (ContainerAccess).

    def get(self, scope: Scope, reference: str) -> Container:
        """Find a container by id or name."""
        return next(c for c in self.records.values() if reference in (c.id, c.name) and scope.sees(c.namespace))

    def change(self, container_id: str, change: Callable[[Container], Container]) -> Container:
        """Change a record."""
        self.records[container_id] = change(self.records[container_id])
        return self.records[container_id]

    # Containers and their sockets.

    def container(
        self,
        *,
        mode: str = "bridge",
        namespace: str = "default",
        requested: Sequence[EndpointConfig] = (),
        **host: object,
    ) -> Container:
        """Make the record of a container that does not run."""
        container_id = new_id()
        container = Container(
            id=container_id,
            namespace=namespace,
            name=f"c{container_id[:6]}",
            created_ns=1,
            image_id="",
            chain=(),
            config=Config(hostname=container_id[:12]),
            host_config=HostConfig(network_mode=mode, **host),  # type: ignore[arg-type]
        )
        planned = self.networks.plan(Scope(namespace), container.host_config, requested)
        self.records[container_id] = replace(container, networks=planned)
        return self.records[container_id]

    def run(self, container: Container) -> Joined:
        """Join the container's networks and note it as running."""
        joined = self.networks.join(container)
        self.records[container.id] = replace(
            container,
            sandbox=joined.sandbox,
            endpoints=joined.endpoints,
            ports=joined.ports,
            state=State(status=Status.RUNNING, pid=1),
        )
        return joined

    def started(
        self, *, mode: str = "bridge", namespace: str = "default", ports: tuple[PortBinding, ...] = ()
    ) -> tuple[Container, Joined]:
        """Make and run a container."""
        container = self.container(mode=mode, namespace=namespace, port_bindings=ports)
        joined = self.run(container)
        return self.records[container.id], joined

    def serve(self, where: Path | None, port: int, address: str = "0.0.0.0", kind: str = "tcp") -> socket.socket:
        """Answer each TCP connection or UDP datagram on `port` in the namespace with the sender's address.

        Returns the server's socket; closing it ends the service.
        """
        server = inside(where, lambda: _listening(address, port, kind))
        self._sockets.append(server)
        work = _serve_tcp if kind == "tcp" else _serve_udp
        threading.Thread(target=work, args=(server,), daemon=True).start()
        return server

    def other_machine(self) -> OtherMachine:
        """Put another machine beside the host."""
        number = len(self._machines)
        machine = OtherMachine(self.folder / f"other{number}", self.instance, number)
        self._machines.append(machine)
        return machine

    def events(self) -> Subscription:
        """Subscribe to the journal."""
        return self.bus.subscribe()

    def crash(self) -> None:
        """Lose the networks' memory as kill -9 of the engine does, and start again from the records."""
        abandoned = self.networks
        abandoned._endpoints._naming.close()  # and its connections end
        abandoned._watch.close()  # a killed process watches nothing
        abandoned._endpoints._pool._closed = True  # a killed process makes no sandboxes any more
        abandoned._endpoints._publishing._ports.close()  # and holds no sockets
        self._abandoned.append(abandoned)
        self.networks = self._networks()

    def destroy(self) -> list[str]:
        """Remove all; return what was left on the machine."""
        for server in self._sockets:
            server.close()
        self.networks.destroy()
        for abandoned in self._abandoned:
            abandoned.close()
            child = abandoned._endpoints._naming._resolver._child
            if child:
                os.waitpid(child, 0)  # it has ended with its last container
        for machine in self._machines:
            machine.remove()
        self.database.close()
        deadline = time.monotonic() + 5
        while (left := leaks.left_by(self.instance, self.folder)) and time.monotonic() < deadline:
            time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)
        return left


class OtherMachine:
    """A network namespace on a cable to the host: neither of the instance's nor on one of its bridges."""

    def __init__(self, path: Path, instance: str, number: int) -> None:
        self.path = path
        # Of this instance alone: others run tests on the same machine, and two links with one address would answer.
        mine = int(instance[1:], 16)
        block = ipaddress.ip_address("198.18.0.0") + ((mine * 4 + number) % (1 << 15)) * 4
        self.host_address, self.address = str(block + 1), str(block + 2)
        self.host_address6, self.address6 = (f"fd62:{mine >> 16:x}:{mine & 0xFFFF:x}:{number + 1}::{n}" for n in (1, 2))
        self.link = f"o{instance}-{number}"
        netns.pin(path, lambda: None)
        with path.open() as file:
            host = rtnl.Socket()
            host.send([rtnl.veth(self.link, 0, "02:00:00:00:00:02", "eth0", file.fileno())])
            host.close()
        _ip("addr", "add", f"{self.host_address}/30", "dev", self.link)
        _ip("addr", "add", f"{self.host_address6}/64", "dev", self.link, "nodad")
        _ip("link", "set", self.link, "up")
        _ip("addr", "add", f"{self.address}/30", "dev", "eth0", inside=path)
        _ip("addr", "add", f"{self.address6}/64", "dev", "eth0", "nodad", inside=path)
        for link in ("lo", "eth0"):
            _ip("link", "set", link, "up", inside=path)

    def route(self, network: str) -> None:
        """Route a network to the host, as a machine that knows where the containers live."""
        gateway = self.host_address6 if ":" in network else self.host_address
        _ip("route", "add", network, "via", gateway, inside=self.path)

    def remove(self) -> None:
        """Unplug the cable."""
        _ip("link", "del", self.link)
        netns.unpin(self.path)


def inside(where: Path | None, work: Callable[[], socket.socket]) -> socket.socket:
    """Return the socket that `work` opens, run in the namespace (None: the host's)."""
    return work() if where is None else netns.run_in(where, work)


def ask(where: Path | None, address: str, port: int, kind: str = "tcp", timeout: float = 1.0) -> str:
    """Connect from the namespace; return what the server answers, or "" when nobody does."""

    def connect() -> socket.socket:
        client = socket.socket(_family(address), socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        client.settimeout(timeout)
        try:
            client.connect((address, port))
        except OSError:
            client.close()
            raise
        return client

    try:
        client = inside(where, connect)
    except OSError:
        return ""
    with client:
        try:
            client.sendall(b"who")
            return client.recv(100).decode()
        except OSError:
            return ""


def endpoint(joined: Joined, number: int = 0) -> Endpoint:
    """Return the endpoint of eth<number>."""
    return joined.endpoints[number]


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _listening(address: str, port: int, kind: str) -> socket.socket:
    server = socket.socket(_family(address), socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.settimeout(0.05)  # so that its thread sees the end of the socket
    server.bind((address, port))
    if kind == "tcp":
        server.listen()
    return server


def _serve_tcp(server: socket.socket) -> None:
    while server.fileno() >= 0:
        try:
            connection, peer = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(peer[0].encode())
        except OSError:
            continue


def _serve_udp(server: socket.socket) -> None:
    while server.fileno() >= 0:
        try:
            _, peer = server.recvfrom(100)
            server.sendto(peer[0].encode(), peer)
        except OSError:
            continue


def _ip(*arguments: str, inside: Path | None = None) -> None:
    prefix = ["nsenter", f"--net={inside}"] if inside else []
    subprocess.run([*prefix, "ip", *arguments], check=True, capture_output=True)
