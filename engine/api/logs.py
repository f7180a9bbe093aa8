"""GET /containers/{id}/logs."""

from __future__ import annotations

from collections.abc import Callable

from engine.api import streams
from engine.api.router import Call, Reply, Route
from engine.clock import parse_when
from engine.containers.model import Container
from engine.errors import InvalidArgument
from engine.logs.model import LogQuery
from engine.services.logs import Logs
from engine.values import Scope

_MULTIPLEXED_SINCE = (1, 42)
"""Older clients expect the raw type for both kinds of stream (API changes, v1.42)."""


def routes(logs: Logs, get: Callable[[Scope, str], Container]) -> list[Route]:
    """Return the routes; `get` finds a container for a caller."""

    def read(call: Call) -> Reply:
        query = _query(call)
        container = get(call.scope, call.path["id"])
        tty = container.config.tty
        stream = logs.open(container, query, framed=not tty)
        call.on_gone(stream.cancel)
        multiplexed = not tty and call.version >= _MULTIPLEXED_SINCE
        return Reply.stream(stream, streams.MULTIPLEXED if multiplexed else streams.RAW)

    return [Route("GET", "/containers/{id}/logs", read)]


def _query(call: Call) -> LogQuery:
    stdout, stderr = call.flag("stdout"), call.flag("stderr")
    if not (stdout or stderr):
        raise InvalidArgument("Bad parameters: you must choose at least one stream")
    return LogQuery(
        stdout=stdout,
        stderr=stderr,
        since_ns=_when(call, "since"),
        until_ns=_when(call, "until"),
        tail=_tail(call.text("tail")),
        follow=call.flag("follow"),
        timestamps=call.flag("timestamps"),
        details={} if call.flag("details") else None,
    )


def _tail(text: str) -> int | None:
    """Docker takes what is no number, or a negative one, for `all`."""
    return int(text) if text.isascii() and text.isdigit() else None


def _when(call: Call, name: str) -> int:
    text = call.text(name)
    if not text or text == "0":
        return 0
    try:
        return parse_when(text)
    except ValueError:
        raise InvalidArgument(f'invalid value for "{name}": {text}') from None
