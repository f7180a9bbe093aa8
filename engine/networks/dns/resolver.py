"""The resolver of every container on a user network: 127.0.0.11 inside, one thread here (of the process `server`).

Each container's sockets are opened in its network namespace by `sandboxes` (on ports of their own, port 53 is
rewritten to them, so that a container may serve DNS itself) and answered from `Names`; what is not a name of the
container's networks is asked of the outside resolvers, from the host's own network. UDP is served by the one thread,
TCP (rare: long answers) by a thread for each connection, bounded.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.networks.dns import message
from engine.networks.dns.message import Code, Kind, Malformed, Query
from engine.networks.dns.zone import Names

_log = logging.getLogger(__name__)

TTL_SECONDS = 5
"""Short: a container that starts again has another address."""
_PATIENCE_SECONDS = 2.0
"""How long one outside resolver is waited for before the next is asked."""
_MOST_PENDING = 512
_MOST_CONNECTIONS = 32
_TCP_SECONDS = 10.0
_PORT = 53
_FAMILIES: dict[int, int] = {Kind.A: socket.AF_INET, Kind.AAAA: socket.AF_INET6}


@dataclass(slots=True)
class Client:
    """A container that asks: its sockets, its networks, the outside resolvers for it (none: no outside names)."""

    udp: socket.socket
    tcp: socket.socket
    network_ids: tuple[str, ...]
    servers: tuple[str, ...]


@dataclass(slots=True)
class _Pending:
    client: Client
    peer: tuple[str, int]
    data: bytes
    servers: list[str]
    outside: socket.socket
    identity: int
    deadline: float = 0.0


@dataclass(slots=True)
class _State:
    clients: dict[str, Client] = field(default_factory=dict)
    pending: dict[socket.socket, _Pending] = field(default_factory=dict)


class Resolver:
    """Answers containers' questions. `open`, `set_networks` and `close_client` may be called from any thread.

    `catch_up` is called before each answer: it brings the names, and what was called here, up to date.
    """

    def __init__(self, names: Names, catch_up: Callable[[], None] = lambda: None) -> None:
        self._catch_up = catch_up
        self._names = names
        self._selector = selectors.DefaultSelector()
        self._state = _State()
        self._work: deque[Callable[[], None]] = deque()
        self._wake_in, self._wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_in, selectors.EVENT_READ, self._on_wake)
        self._connections = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="dns", daemon=True)
        self._thread.start()

    def open(self, container_id: str, client: Client) -> None:
        """Begin to answer a container; its sockets are the resolver's from now on."""
        client.udp.setblocking(False)
        client.tcp.setblocking(False)

        def add() -> None:
            self._state.clients[container_id] = client
            self._selector.register(client.udp, selectors.EVENT_READ, lambda: self._on_datagram(client))
            self._selector.register(client.tcp, selectors.EVENT_READ, lambda: self._on_connection(client))

        self._do(add)

    def set_networks(self, container_id: str, network_ids: Sequence[str], servers: Sequence[str]) -> None:
        """Say which networks a container is in now."""

        def change() -> None:
            client = self._state.clients.get(container_id)
            if client is not None:
                client.network_ids = tuple(network_ids)
                client.servers = tuple(servers)

        self._do(change)

    def close_client(self, container_id: str) -> None:
        """Stop answering a container and close its sockets; idempotent."""

        def drop() -> None:
            client = self._state.clients.pop(container_id, None)
            if client is not None:
                self._drop_client(client)

        self._do(drop)

    def close(self) -> None:
        """Stop answering everybody."""
        self._closed = True
        self._do(lambda: None)
        self._thread.join()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _do(self, action: Callable[[], None]) -> None:
        self._work.append(action)
        try:
            os.write(self._wake_out, b"x")
        except BlockingIOError:
            return  # it is awake already

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(self._patience()):
                try:
                    key.data()
                except Exception:
                    _log.exception("a DNS question could not be answered")
            self._expire()
        self._end()

    def _patience(self) -> float | None:
        if not self._state.pending:
            return None
        oldest = next(iter(self._state.pending.values()))  # all wait equally long
        return max(0.0, oldest.deadline - time.monotonic())

    def _on_wake(self) -> None:
        try:
            os.read(self._wake_in, 4096)
        except BlockingIOError:
            pass
        self._work_off()

    def _refresh(self) -> None:
        self._catch_up()
        self._work_off()

    def _work_off(self) -> None:
        while self._work:
            self._work.popleft()()

    def _on_datagram(self, client: Client) -> None:
        try:
            data, peer = client.udp.recvfrom(4096)
        except OSError:
            return
        self._refresh()
        answer = self._local(client, data)
        if answer is not None:
            _send(client, answer, peer)
        elif not client.servers or len(self._state.pending) >= _MOST_PENDING:
            _send(client, message.render_error(data, Code.SERVER_FAILURE), peer)
        else:
            self._forward(client, peer, data, list(client.servers))

    def _local(self, client: Client, data: bytes, limit: int = 0) -> bytes | None:
        """Return the answer that we know ourselves (b"": none is due), None for a question to the outside."""
        try:
            query = message.parse_query(data)
        except Malformed as problem:
            return message.render_error(data, problem.code) if problem.code is not None else b""
        values = self._values(client, query)
        return None if values is None else message.render_answer(query, values, TTL_SECONDS, limit or query.room)

    def _values(self, client: Client, query: Query) -> list[bytes] | None:
        if query.kind == Kind.PTR:
            host = self._names.find_reverse(client.network_ids, query.name)
            return None if host is None else _packed(host)
        addresses = self._names.find(client.network_ids, query.name)
        if addresses is None:
            return None
        family = _FAMILIES.get(query.kind)
        if family is None:
            return []  # the name is there, it has nothing of this type
        found = [address for address in addresses if (":" in address) == (family == socket.AF_INET6)]
        random.shuffle(found)
        return [socket.inet_pton(family, address) for address in found]

    # -- asking outside --------------------------------------------------------------------------------------------

    def _forward(self, client: Client, peer: tuple[str, int], data: bytes, servers: list[str]) -> None:
        while servers:
            server = servers.pop(0)
            identity = secrets.randbits(16)
            outside = _outside(server, socket.SOCK_DGRAM)
            if outside is None:
                continue
            try:
                outside.send(message.with_id(data, identity))
            except OSError:
                outside.close()
                continue
            deadline = time.monotonic() + _PATIENCE_SECONDS
            self._await(_Pending(client, peer, data, servers, outside, identity, deadline))
            return
        _send(client, message.render_error(data, Code.SERVER_FAILURE), peer)

    def _await(self, pending: _Pending) -> None:
        self._state.pending[pending.outside] = pending
        self._selector.register(pending.outside, selectors.EVENT_READ, lambda: self._on_outside(pending))

    def _on_outside(self, pending: _Pending) -> None:
        if pending.outside not in self._state.pending:
            return  # dropped earlier in this round
        try:
            answer = pending.outside.recv(65535)
        except OSError:
            self._next_server(pending)
            return
        if len(answer) < message.HEADER_SIZE or answer[:2] != struct.pack("!H", pending.identity):
            return  # not ours: somebody guesses
        self._drop_pending(pending)
        _send(pending.client, message.for_asker(answer, pending.data), pending.peer)

    def _expire(self) -> None:
        now = time.monotonic()
        for pending in [p for p in self._state.pending.values() if p.deadline <= now]:
            self._next_server(pending)

    def _next_server(self, pending: _Pending) -> None:
        self._drop_pending(pending)
        self._forward(pending.client, pending.peer, pending.data, pending.servers)

    def _drop_pending(self, pending: _Pending) -> None:
        if self._state.pending.pop(pending.outside, None) is not None:
            self._selector.unregister(pending.outside)
            pending.outside.close()

    # -- TCP -------------------------------------------------------------------------------------------------------

    def _on_connection(self, client: Client) -> None:
        try:
            connection, _ = client.tcp.accept()
        except OSError:
            return
        self._refresh()
        if not self._connections.acquire(blocking=False):
            connection.close()
            return
        threading.Thread(target=self._serve, args=(client, connection), name="dns-tcp", daemon=True).start()

    def _serve(self, client: Client, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_TCP_SECONDS)
                while (data := _receive(connection)) is not None:
                    answer = self._local(client, data, 0xFFFF)
                    if answer is None:
                        answer = message.for_asker(_ask_by_tcp(client.servers, data), data)
                    if not answer:
                        return
                    connection.sendall(struct.pack("!H", len(answer)) + answer)
        except OSError:
            return  # the container hung up
        finally:
            self._connections.release()

    # -- the end ---------------------------------------------------------------------------------------------------

    def _drop_client(self, client: Client) -> None:
        for pending in [p for p in self._state.pending.values() if p.client is client]:
            self._drop_pending(pending)
        for listener in (client.udp, client.tcp):
            self._selector.unregister(listener)
            listener.close()

    def _end(self) -> None:
        self._on_wake()
        for client in list(self._state.clients.values()):
            self._drop_client(client)
        self._selector.close()
        os.close(self._wake_in)
        os.close(self._wake_out)


def _packed(host: str) -> list[bytes] | None:
    try:
        return [message.pack_name(host)]
    except ValueError:
        return None  # a container's name may be longer than DNS can say


def _send(client: Client, data: bytes, peer: tuple[str, int]) -> None:
    if data:
        try:
            client.udp.sendto(data, peer)
        except OSError:
            return  # the one who asked is gone


def _outside(server: str, kind: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    channel = socket.socket(family, kind | socket.SOCK_CLOEXEC)
    try:
        if kind == socket.SOCK_DGRAM:
            channel.setblocking(False)
        else:
            channel.settimeout(_PATIENCE_SECONDS)
        channel.connect((server, _PORT))
    except OSError:
        channel.close()
        return None
    return channel


def _ask_by_tcp(servers: Sequence[str], data: bytes) -> bytes:
    for server in servers:
        channel = _outside(server, socket.SOCK_STREAM)
        if channel is None:
            continue
        with channel:
            try:
                channel.sendall(struct.pack("!H", len(data)) + data)
                answer = _receive(channel)
            except OSError:
                continue
            if answer:
                return answer
    return message.render_error(data, Code.SERVER_FAILURE)


def _receive(connection: socket.socket) -> bytes | None:
    """Return the next message of a TCP connection (RFC 1035 § 4.2.2), None at its end."""
    size = _receive_exactly(connection, 2)
    return None if size is None else _receive_exactly(connection, int.from_bytes(size, "big"))


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            return None
        data += part
    return data
