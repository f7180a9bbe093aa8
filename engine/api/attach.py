"""POST /containers/{id}/attach."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from engine.api import terminal
from engine.api.router import Call, Reply, Route
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


class Logs(Protocol):
    """What replaying needs of the service."""

    def open(self, container: Container, query: LogQuery, *, framed: bool) -> Iterable[bytes]: ...


def routes(containers: Containers, logs: Logs) -> list[Route]:
    """Return the route."""

    def attach(call: Call) -> Reply:
        keys = terminal.parse_detach_keys(call.text("detachKeys"))
        container = containers.get(call.scope, call.path["id"])
        config = container.config
        wanted = terminal.Wanted(
            stdin=call.flag("stdin") and config.open_stdin,
            stdout=call.flag("stdout"),
            stderr=call.flag("stderr"),
            tty=config.tty,
            close_stdin=config.stdin_once,
            detach_keys=keys,
        )
        stream, earlier = call.flag("stream"), call.flag("logs")
        if not stream and not earlier:
            raise InvalidArgument("Bad parameters: at least one of logs and stream must be set")
        # The log up to here, then the live streams: opened before, so that nothing falls between.
        process = containers.attach(call.scope, container.id) if stream else None
        query = LogQuery(stdout=wanted.stdout, stderr=wanted.stderr, until_ns=now_ns())
        try:
            replay = logs.open(container, query, framed=not wanted.tty) if earlier else ()
            pipe = call.hijack(terminal.content_type(call.version, tty=wanted.tty))
        except BaseException:
            if process is not None:
                process.close()
            raise
        if process is None:
            for data in replay:
                pipe.sendall(data)
            return Reply.hijacked()
        call.on_gone(process.close)
        terminal.join(pipe, process, wanted, replay)
        return Reply.hijacked()

    return [Route("POST", "/containers/{id}/attach", attach)]
