"""Terminals: an exec in a container that outlives its browser's connection by two minutes.

The last 256 KiB of output are kept for whoever attaches again (the same user only). A browser that is slow holds the
upstream back, as a terminal does.
"""

from __future__ import annotations

import codecs
import logging
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import gevent
from gevent import Greenlet

from webui import secrets
from webui.access import Actor, Resource
from webui.client.engine import Engine
from webui.client.wire import Response
from webui.errors import NotFound, TooMany, WebError
from webui.realtime.hub import Emit

_LOG = logging.getLogger(__name__)
_REPLAY_BYTES = 256 * 1024
_ORPHAN_S = 120.0
_MAX_QUEUED = 64
_MAX_PER_USER = 32
_SHELL = ["/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"]
_END_OF_INPUT = b"\x04"


class Terminal:
    """One exec with a TTY."""

    def __init__(self, actor: Actor, resource: Resource, sid: str, engine: Engine) -> None:
        self.id = secrets.new_id()
        self.actor, self.resource, self.sid = actor, resource, sid
        self.engine = engine
        self.exec_id = ""
        self.stream: Response | None = None
        self.exit_code: int | None = None
        self.closed = False
        self.orphan: Any = None
        self.reader: Greenlet | None = None
        self._kept: deque[bytes] = deque()
        self._size = 0

    def keep(self, data: bytes) -> None:
        """Add output to what is replayed."""
        self._kept.append(data)
        self._size += len(data)
        while self._size > _REPLAY_BYTES and len(self._kept) > 1:
            self._size -= len(self._kept.popleft())

    def replay(self) -> str:
        """Return the kept output, from the beginning of a character."""
        data = b"".join(self._kept)[-_REPLAY_BYTES:]
        while data and data[0] & 0xC0 == 0x80:
            data = data[1:]
        return data.decode("utf-8", "replace")


class Terminals:
    """All open terminals."""

    def __init__(self, emit: Emit, queued: Callable[[str], int]) -> None:
        self._emit, self._queued = emit, queued
        self._open: dict[str, Terminal] = {}

    def open(self, actor: Actor, resource: Resource, sid: str, engine: Engine, request: dict[str, Any]) -> Terminal:
        """Start a shell (or `cmd`) in a container; the caller spawns `follow` once the client knows the id."""
        if sum(t.actor.id == actor.id for t in self._open.values()) >= _MAX_PER_USER:
            raise TooMany(f"{_MAX_PER_USER} terminals are open already; close one first")
        terminal = Terminal(actor, resource, sid, engine)
        columns, rows = request["cols"], request["rows"]
        body = {
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": True,
            "Cmd": request["cmd"] or _SHELL,
            "Env": ["TERM=xterm-256color"],
            "ConsoleSize": [rows, columns],
            **({"User": request["user"]} if request["user"] else {}),
        }
        container = quote(request["id"], safe="")
        terminal.exec_id = engine.call("POST", f"/containers/{container}/exec", body=body)["Id"]
        terminal.stream = engine.hijack(f"/exec/{terminal.exec_id}/start", {"Detach": False, "Tty": True})
        self._open[terminal.id] = terminal
        self._resize(terminal, columns, rows)
        return terminal

    def follow(self, terminal: Terminal) -> None:
        """Send output until the end, then the exit code. Runs in a greenlet."""
        if terminal.stream is None:
            return
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            for data in terminal.stream.raw():
                terminal.keep(data)
                self._send(terminal, decoder.decode(data))
                while terminal.sid and self._queued(terminal.sid) > _MAX_QUEUED:
                    gevent.sleep(0.02)
        except OSError:
            pass
        terminal.exit_code = self._exit_code(terminal)
        if terminal.sid:
            self._emit("terminal.exit", {"term": terminal.id, "code": terminal.exit_code}, [terminal.sid])
            self._forget(terminal)

    def input(self, actor: Actor, term: str, data: str) -> None:
        """Type."""
        terminal = self._mine(actor, term)
        if terminal.stream:
            try:
                terminal.stream.socket.sendall(data.encode("utf-8", "surrogatepass"))
            except OSError:
                raise NotFound("the terminal has ended") from None

    def resize(self, actor: Actor, term: str, columns: int, rows: int) -> None:
        """Tell the new size of the window."""
        self._resize(self._mine(actor, term), columns, rows)

    def attach(self, actor: Actor, term: str, sid: str) -> Callable[[], None]:
        """Take a terminal over after a reconnect; return what replays (after the answer)."""
        terminal = self._mine(actor, term)
        terminal.sid = ""

        def replay() -> None:
            if terminal.orphan:
                terminal.orphan.kill(block=False)
                terminal.orphan = None
            self._emit("terminal.output", {"term": term, "data": terminal.replay()}, [sid])
            terminal.sid = sid
            if terminal.exit_code is not None:
                self._emit("terminal.exit", {"term": term, "code": terminal.exit_code}, [sid])
                self._forget(terminal)

        return replay

    def close(self, actor: Actor, term: str) -> None:
        """End a terminal: its shell gets an end of input, its connection is closed."""
        self.end(self._mine(actor, term))

    def end(self, terminal: Terminal) -> None:
        """End it whoever asks."""
        if terminal.closed:
            return
        self._forget(terminal)
        if terminal.stream:
            try:
                terminal.stream.socket.sendall(_END_OF_INPUT)
            except OSError:
                pass
            terminal.stream.close()

    def left(self, sid: str) -> None:
        """Note that a browser is gone: its terminals wait two minutes for it."""
        for terminal in list(self._open.values()):
            if terminal.sid == sid:
                terminal.sid = ""
                terminal.orphan = gevent.spawn_later(_ORPHAN_S, self.end, terminal)

    def list_(self) -> list[Terminal]:
        """Return all open terminals (the check of rights)."""
        return list(self._open.values())

    def _mine(self, actor: Actor, term: str) -> Terminal:
        terminal = self._open.get(term)
        if terminal is None or terminal.actor.id != actor.id:
            raise NotFound("no such terminal")
        return terminal

    def _forget(self, terminal: Terminal) -> None:
        terminal.closed = True
        self._open.pop(terminal.id, None)
        if terminal.orphan and terminal.orphan is not gevent.getcurrent():
            terminal.orphan.kill(block=False)

    def _send(self, terminal: Terminal, text: str) -> None:
        if text and terminal.sid:
            self._emit("terminal.output", {"term": terminal.id, "data": text}, [terminal.sid])

    def _resize(self, terminal: Terminal, columns: int, rows: int) -> None:
        try:
            terminal.engine.call("POST", f"/exec/{terminal.exec_id}/resize", {"h": rows, "w": columns})
        except WebError as error:
            _LOG.debug("resize failed: %s", error.message)

    def _exit_code(self, terminal: Terminal) -> int | None:
        for pause in (0.02, 0.1, 0.3, 1.0):
            try:
                found = terminal.engine.call("GET", f"/exec/{terminal.exec_id}/json")
            except WebError:
                return None
            if not found.get("Running"):
                code = found.get("ExitCode")
                return int(code) if code is not None else None
            gevent.sleep(pause)
        return None
