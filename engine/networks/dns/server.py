"""The resolver as a process of its own, so that names are answered while the engine is down, restarting or upgraded.

    engine ──SOCK_SEQPACKET (names.sock)──▶ resolver ◀──UDP, TCP── containers
           one JSON object a packet; the sockets of a container ride along

The engine opens a container's sockets inside its network and hands them over; the process has no other privileges and
no files: it becomes nobody before it reads a byte. It outlives the engine for as long as it has containers to answer,
and ends when it has none and no engine. An engine that comes back says all it knows (`begin` … `settle`): what it does
not mention is dropped. Only the standard library and this package are imported.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import resource
import select
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Any

from engine.networks.dns.resolver import Client, Resolver
from engine.networks.dns.zone import Entry, Names

_log = logging.getLogger(__name__)

LISTENER = 3
"""The descriptor by which the process gets its listening socket."""
_NOBODY = 65534
_LARGEST = 1 << 18
_IDS_A_PACKET = 500
_FIRST_SECONDS, _LATER_SECONDS = 15.0, 60.0
"""How long the first engine is waited for; how often it is looked at in any case whether anybody is left."""


def version() -> str:
    """Return what tells this code from another version's: an engine that finds another one replaces it."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Server:
    """Does what the engine says, one connection at a time."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._version = version()
        self._names = Names()
        self._lock = threading.RLock()
        self._engine: socket.socket | None = None
        self._clients: set[str] = set()
        self._entries: set[tuple[str, str]] = set()
        self._mentioned: set[object] = set()
        self._has_begun = False
        self._resolver = Resolver(self._names, self.catch_up)

    def run(self) -> None:
        """Serve until there is neither an engine nor a container."""
        patience = _FIRST_SECONDS
        while True:
            ready = self._wait(patience)
            if ready is None or (not ready and patience == _FIRST_SECONDS):
                break
            patience = _LATER_SECONDS
            with self._lock:
                if self._listener.fileno() in ready:
                    self._accept()
                self.catch_up()
                self._has_begun = True
        self._resolver.close()

    def _wait(self, seconds: float) -> set[int] | None:
        """Wait for the engine; None: there is nobody to wait for. The resolver's thread reads what it says as well."""
        poll = select.poll()  # select(2) knows 1,024 descriptors
        with self._lock:
            if self._has_begun and self._engine is None and not self._clients:
                return None
            for source in (self._listener, self._engine):
                if source is not None:
                    poll.register(source, select.POLLIN)
        return {fd for fd, _ in poll.poll(seconds * 1000)}

    def catch_up(self) -> None:
        """Do what the engine has said and was not read yet: before each answer, so that none is older than a call."""
        with self._lock:
            while self._engine is not None:
                try:
                    data, fds, _, _ = socket.recv_fds(self._engine, _LARGEST, 2, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    return
                except OSError:
                    data, fds = b"", []
                if not data:
                    self._engine.close()
                    self._engine = None
                    return
                try:
                    self._do(json.loads(data), fds)
                except (KeyError, TypeError, ValueError):
                    _log.exception("a message of the engine is not understood")

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        peer = struct.unpack("=iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if peer[1] != 0:
            connection.close()
            return
        if self._engine is not None:
            self._engine.close()
        self._engine = connection
        self._mentioned.clear()
        known = sorted(self._clients)
        connection.settimeout(5)
        for begin in range(0, len(known) + 1, _IDS_A_PACKET):
            part = known[begin : begin + _IDS_A_PACKET]
            is_last = begin + _IDS_A_PACKET > len(known)
            hello = {"version": self._version, "pid": os.getpid(), "clients": part, "last": is_last}
            try:
                connection.send(json.dumps(hello).encode())
            except OSError:
                break  # it has gone again: seen by the next read
        connection.setblocking(False)

    def _do(self, message: dict[str, Any], fds: list[int]) -> None:
        what = message["do"]
        if what == "open":
            self._open(message, fds)
        elif what == "networks":
            self._mentioned.add(message["id"])
            self._resolver.set_networks(message["id"], message["networks"], message["servers"])
        elif what == "close":
            self._drop(message["id"])
        elif what == "add":
            self._add(message["entry"])
        elif what == "remove":
            self._forget((message["network"], message["container"]))
        elif what == "settle":
            self._settle()
        elif what == "quit":
            for container_id in list(self._clients):
                self._drop(container_id)

    def _open(self, message: dict[str, Any], fds: list[int]) -> None:
        udp, tcp = (socket.socket(fileno=fd) for fd in fds)
        if message["id"] in self._clients:
            self._resolver.close_client(message["id"])
        self._clients.add(message["id"])
        self._mentioned.add(message["id"])
        client = Client(udp, tcp, tuple(message["networks"]), tuple(message["servers"]))
        self._resolver.open(message["id"], client)

    def _drop(self, container_id: str) -> None:
        if container_id in self._clients:
            self._clients.discard(container_id)
            self._resolver.close_client(container_id)

    def _add(self, fields: dict[str, Any]) -> None:
        entry = Entry(**{**fields, "names": tuple(fields["names"])})
        key = (entry.network_id, entry.container_id)
        self._entries.add(key)
        self._mentioned.add(key)
        self._names.add(entry)

    def _forget(self, key: tuple[str, str]) -> None:
        self._entries.discard(key)
        self._names.remove(*key)

    def _settle(self) -> None:
        for container_id in self._clients - self._mentioned:
            self._drop(container_id)
        for key in self._entries - self._mentioned:
            self._forget(key)


def main() -> None:
    """Be the resolver's process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if os.geteuid() == 0:
        os.setgroups(())
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    Server(socket.socket(fileno=LISTENER)).run()
