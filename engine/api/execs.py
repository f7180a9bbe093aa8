"""/containers/{id}/exec and /exec/{id}: further processes in a running container."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine import policy
from engine.api import streams, terminal
from engine.api.containers import read_size
from engine.api.router import Call, Hijacked, Reply, Route
from engine.api.wire import exec as wire
from engine.api.wire.mounts import refuse_unread
from engine.containers.exec_model import Exec, ExecConfig
from engine.errors import BerthError, Conflict
from engine.values import Scope


class Execs(Protocol):
    """What these routes need of the service."""

    def create(self, scope: Scope, reference: str, config: ExecConfig) -> str: ...
    def get(self, scope: Scope, exec_id: str) -> Exec: ...
    def start(
        self, scope: Scope, exec_id: str, *, detach: bool = False, console_size: tuple[int, int] = (0, 0)
    ) -> terminal.Streams | None: ...
    def resize(self, scope: Scope, exec_id: str, width: int, height: int) -> None: ...
    def note_detach(self, scope: Scope, exec_id: str) -> None: ...
    def ids_of(self, container_id: str) -> Sequence[str]: ...


class ExecRoutes:
    """The handlers."""

    def __init__(self, execs: Execs) -> None:
        self._execs = execs

    def create(self, call: Call) -> Reply:
        """POST /containers/{id}/exec."""
        config = wire.parse_exec(call.fields(), call.version)
        policy.check_exec(call.scope, privileged=config.privileged)
        terminal.parse_detach_keys(config.detach_keys)
        return Reply.json({"Id": self._execs.create(call.scope, call.path["id"], config)}, 201)

    def inspect(self, call: Call) -> Reply:
        """GET /exec/{id}/json."""
        return Reply.json(wire.render_exec(self._execs.get(call.scope, call.path["id"])))

    def resize(self, call: Call) -> Reply:
        """POST /exec/{id}/resize."""
        width, height = read_size(call)
        self._execs.resize(call.scope, call.path["id"], width, height)
        return Reply.empty(200)

    def start(self, call: Call) -> Reply:
        """POST /exec/{id}/start.

        The connection is taken over first, as Docker does it: what goes wrong then is said on the stream, and the
        client finds the exit code (126, 127) by inspection.
        """
        fields = call.fields()
        detach, tty = fields.flag("Detach"), fields.flag("Tty")
        size = wire.parse_console_size(fields, call.version)
        refuse_unread(fields)
        found = self._execs.get(call.scope, call.path["id"])
        if found.started:
            state = "is already running" if found.running else "has already run"
            raise Conflict(f"Error: Exec command {found.id} {state}")
        if detach:
            self._execs.start(call.scope, found.id, detach=True, console_size=size)
            return Reply.empty(200)
        pipe = call.hijack(terminal.content_type(call.version, tty=tty))
        self._join(call, pipe, found, tty=tty, size=size)
        return Reply.hijacked()

    def _join(self, call: Call, pipe: Hijacked, found: Exec, *, tty: bool, size: tuple[int, int]) -> None:
        try:
            process = self._execs.start(call.scope, found.id, console_size=size)
        except BerthError as error:
            message = f"{error}\r\n".encode()
            pipe.sendall(message if tty else streams.frame(1, message))
            return
        if process is None:
            return
        call.on_gone(process.close)
        config = found.config
        wanted = terminal.Wanted(
            stdin=config.attach_stdin,
            stdout=config.attach_stdout,
            stderr=config.attach_stderr,
            tty=tty,
            detach_keys=terminal.parse_detach_keys(config.detach_keys),
        )
        if terminal.join(pipe, process, wanted):
            self._execs.note_detach(call.scope, found.id)


def routes(execs: Execs) -> list[Route]:
    """Return the routes of execs."""
    on = ExecRoutes(execs)
    return [
        Route("POST", "/containers/{id}/exec", on.create),
        Route("GET", "/exec/{id}/json", on.inspect),
        Route("POST", "/exec/{id}/start", on.start),
        Route("POST", "/exec/{id}/resize", on.resize),
    ]
