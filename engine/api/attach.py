"""POST /containers/{id}/attach and its websocket variant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from engine.api import terminal, websocket
from engine.api.router import Call, Hijacked, Reply, Route
from engine.clock import now_ns
from engine.containers.model import Container
from engine.errors import InvalidArgument
from engine.logs.model import LogQuery
from engine.values import Scope


class Containers(Protocol):
    """What attaching needs of the service."""

    @property
    def get(self) -> Callable[[Scope, str], Container]: ...

    def attach(self, scope: Scope, reference: str) -> terminal.Streams: ...
    def note_detach(self, scope: Scope, container_id: str) -> None: ...


class Logs(Protocol):
    """What replaying needs of the service."""

    def open(self, container: Container, query: LogQuery, *, framed: bool) -> Iterable[bytes]: ...


_BINARY_SINCE = (1, 28)
_CHOICE_SINCE = (1, 42)


class AttachRoutes:
    """The handlers: the same joining, over a bare connection and over a websocket."""

    def __init__(self, containers: Containers, logs: Logs) -> None:
        self._containers = containers
        self._logs = logs

    def attach(self, call: Call) -> Reply:
        """POST /containers/{id}/attach."""
        container = self._containers.get(call.scope, call.path["id"])
        wanted = _wanted(call, container, raw=False)
        kind = terminal.content_type(call.version, tty=wanted.tty)
        return self._join(call, container, wanted, lambda: call.hijack(kind))

    def websocket(self, call: Call) -> Reply:
        """GET /containers/{id}/attach/ws: both streams as they come, in binary messages, without frames."""
        container = self._containers.get(call.scope, call.path["id"])
        wanted = _wanted(call, container, raw=True)
        text = call.version < _BINARY_SINCE
        return self._join(call, container, wanted, lambda: websocket.accept(call, text=text))

    def _join(
        self, call: Call, container: Container, wanted: terminal.Wanted, take: Callable[[], Hijacked]
    ) -> Reply:
        stream, earlier = call.flag("stream"), call.flag("logs")
        if not stream and not earlier:
            raise InvalidArgument("Bad parameters: at least one of logs and stream must be set")
        # The log up to here, then the live streams: opened before, so that nothing falls between.
        process = self._containers.attach(call.scope, container.id) if stream else None
        query = LogQuery(stdout=wanted.stdout, stderr=wanted.stderr, until_ns=now_ns())
        try:
            framed = not (wanted.tty or wanted.raw)
            replay = self._logs.open(container, query, framed=framed) if earlier else ()
            pipe = take()
        except BaseException:
            if process is not None:
                process.close()
            raise
        if process is None:
            for data in replay:
                pipe.sendall(data)
            pipe.shutdown_write()
            pipe.close()
            return Reply.hijacked()
        call.on_gone(process.close)
        if terminal.join(pipe, process, wanted, replay):
            self._containers.note_detach(call.scope, container.id)
        return Reply.hijacked()


def _wanted(call: Call, container: Container, *, raw: bool) -> terminal.Wanted:
    config = container.config
    everything = raw and call.version < _CHOICE_SINCE  # before, a websocket had all three
    return terminal.Wanted(
        stdin=(call.flag("stdin") or everything) and config.open_stdin,
        stdout=call.flag("stdout") or everything,
        stderr=call.flag("stderr") or everything,
        tty=config.tty,
        close_stdin=config.stdin_once,
        detach_keys=terminal.parse_detach_keys(call.text("detachKeys")),
        raw=raw,
    )


def routes(containers: Containers, logs: Logs) -> list[Route]:
    """Return the routes."""
    on = AttachRoutes(containers, logs)
    return [
        Route("POST", "/containers/{id}/attach", on.attach),
        Route("GET", "/containers/{id}/attach/ws", on.websocket),
    ]
