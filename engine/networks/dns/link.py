"""The engine's end of the resolver's process: starts it, tells it what changes, starts it again should it die.

What it was told is kept here too, so that a new process can be told all of it. The process is started with the first
container that is answered, and found again by its socket after a restart of the engine.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import BerthError
from engine.kernel import command
from engine.networks.dns import server
from engine.networks.dns.zone import Entry
from engine.networks.sandboxes import Sandbox

_log = logging.getLogger(__name__)

_ROOT = Path(__file__).parents[3]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from engine.networks.dns import server; server.main()"
_PATIENCE_SECONDS = 5.0
_LARGEST = 1 << 18

Sockets = tuple[socket.socket, socket.socket]


@dataclass(frozen=True, slots=True)
class _Client:
    sandbox: Sandbox
    networks: tuple[str, ...]
    servers: tuple[str, ...]


class ResolverLink:
    """The resolver of this instance. `open_sockets` opens a container's sockets inside of its network."""

    def __init__(self, path: Path, open_sockets: Callable[[Sandbox], Sockets]) -> None:
        self._path = path
        self._open_sockets = open_sockets
        self._lock = threading.RLock()
        self._clients: dict[str, _Client] = {}
        self._entries: dict[tuple[str, str], Entry] = {}
        self._answered: set[str] = set()
        self._connection: socket.socket | None = None
        self._pid = 0
        self._child = 0
        self._closed = False

    def begin(self) -> None:
        """Take over the process of an engine before, if there is one; then say all that runs, then `settle`."""
        with self._lock:
            found = self._connect()
            if found is None:
                return
            connection, hello = found
            if hello["version"] == server.version():
                self._answered = set(hello["clients"])
                self._use(connection, hello["pid"])
            else:  # of another version: it ends, and is made anew by the first that is to be answered
                with suppress(OSError):
                    connection.send(json.dumps({"do": "quit"}).encode())
                connection.close()
                self._path.unlink(missing_ok=True)

    def settle(self) -> None:
        """All that runs has been said: what else the process knows it may forget."""
        with self._lock:
            self._answered &= set(self._clients)
            self._say({"do": "settle"})

    def warm(self) -> None:
        """Have the process started soon, so that the first container does not wait for it."""

        def start() -> None:
            with self._lock:
                if self._connection is None and not self._closed:
                    self._start()

        if self._connection is None:
            threading.Thread(target=start, name="names-start", daemon=True).start()

    def serve(self, container_id: str, sandbox: Sandbox, networks: Sequence[str], servers: Sequence[str]) -> None:
        """Answer a container, which is in these networks, or note that it is in other ones now."""
        client = _Client(sandbox, tuple(networks), tuple(servers))
        with self._lock:
            self._clients[container_id] = client
            if self._connection is None and self._start():
                return  # with all that is to be said
            if container_id in self._answered:
                self._say({"do": "networks", **_fields(container_id, client)})
            else:
                self._open(container_id, client)

    def drop(self, container_id: str) -> None:
        """Stop answering a container; idempotent."""
        with self._lock:
            if self._clients.pop(container_id, None) is not None:
                self._answered.discard(container_id)
                self._say({"do": "close", "id": container_id})

    def add(self, entry: Entry) -> None:
        """Make a container known in a network; what it was known by there goes."""
        with self._lock:
            self._entries[entry.network_id, entry.container_id] = entry
            self._say({"do": "add", "entry": asdict(entry)})

    def remove(self, network_id: str, container_id: str) -> None:
        """Forget a container in a network; idempotent."""
        with self._lock:
            if self._entries.pop((network_id, container_id), None) is not None:
                self._say({"do": "remove", "network": network_id, "container": container_id})

    def close(self) -> None:
        """Hang up; the process goes on answering running containers, and ends where there are none."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.shutdown(socket.SHUT_RDWR)
                self._connection.close()
                self._connection = None
            is_idle, child = not self._clients, self._child
        if is_idle and child:
            _reap(child, _PATIENCE_SECONDS)

    # -- the process -----------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        """Start a process and tell it everything; say whether that worked. Names fail rather than containers."""
        try:
            self._answered.clear()
            self._path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as listener:
                listener.bind(str(self._path))
                self._path.chmod(0o600)
                listener.listen(1)
                arguments = (*command.PYTHON, "-c", _START, str(_ROOT), "berth names", str(self._path))
                self._child = command.launch(arguments, fds={server.LISTENER: listener.fileno()})
            found = self._connect()
            if found is None:
                _log.error("the resolver of containers' names does not answer")
                return False
            self._use(found[0], found[1]["pid"])
            for container_id, client in self._clients.items():
                try:
                    self._open(container_id, client)
                except (OSError, BerthError):
                    _log.warning("a container is not answered: its network is gone container=%s", container_id)
            for entry in self._entries.values():
                self._say({"do": "add", "entry": asdict(entry)})
        except (OSError, BerthError) as error:
            _log.error("the resolver of containers' names can't be started error=%s", error)
            return False
        return True

    def _connect(self) -> tuple[socket.socket, dict[str, Any]] | None:
        """Return a connection to a running process and what it says of itself."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        connection.settimeout(_PATIENCE_SECONDS)
        try:
            connection.connect(str(self._path))
            hello: dict[str, Any] = {"clients": [], "last": False}
            while not hello["last"]:
                part = json.loads(connection.recv(_LARGEST))
                hello = {**part, "clients": [*hello["clients"], *part["clients"]]}
        except (OSError, ValueError):
            connection.close()
            return None
        return connection, hello

    def _use(self, connection: socket.socket, pid: int) -> None:
        self._connection, self._pid = connection, pid
        waiting = connection.dup()  # here: the thread's own, since its number is another file's once we have closed it
        threading.Thread(target=self._watch, args=(connection, waiting), name="names", daemon=True).start()

    def _watch(self, connection: socket.socket, waiting: socket.socket) -> None:
        """Wait for the connection's end; if it was not us, the process has died."""
        with waiting, suppress(OSError):
            poll = select.poll()
            poll.register(waiting, select.POLLHUP)  # it says nothing more after its hello
            poll.poll()
        with self._lock:
            if self._connection is not connection or self._closed:
                return
            self._lost()
            if self._clients:
                _log.warning("the resolver of containers' names has ended: it is started again")
                self._start()

    def _lost(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._child:
            _reap(self._child, 1.0)
            self._child = 0

    def _open(self, container_id: str, client: _Client) -> None:
        udp, tcp = self._open_sockets(client.sandbox)
        with udp, tcp:
            self._answered.add(container_id)
            self._say({"do": "open", **_fields(container_id, client)}, [udp.fileno(), tcp.fileno()])

    def _say(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        if self._connection is None:
            return  # nobody is answered yet: all is said at the start
        try:
            socket.send_fds(self._connection, [json.dumps(message).encode()], list(fds))
        except OSError:
            _log.debug("the resolver's process takes nothing", exc_info=True)  # `_watch` sees its end
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


def _fields(container_id: str, client: _Client) -> dict[str, Any]:
    return {"id": container_id, "networks": client.networks, "servers": client.servers}


def _reap(pid: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
                continue
        return
