"""GET /containers/{id}/stats, GET /containers/{id}/top, and Berth's own GET /berth/usage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

from engine.api import streams
from engine.api.router import Call, Reply, Route
from engine.api.wire import stats as wire
from engine.containers.model import Container
from engine.errors import InvalidArgument
from engine.services.sampling import Sample
from engine.services.stats import Stats
from engine.services.top import Top
from engine.services.usage_feed import UsageFeed
from engine.values import Scope

_JSON = "application/json"
_NDJSON = "application/x-ndjson"


def routes(stats: Stats, feed: UsageFeed, top: Top, get: Callable[[Scope, str], Container]) -> list[Route]:
    """Return the routes; `get` finds a container for a caller."""

    def container_stats(call: Call) -> Reply:
        container = get(call.scope, call.path["id"])
        follow, once = call.flag("stream", default=True), call.flag("one-shot")
        if follow and once:
            raise InvalidArgument("cannot have stream=true and one-shot=true")
        if once:
            return Reply.json(wire.render_stats(container, stats.sample(container)))
        gone = threading.Event()
        call.on_gone(gone.set)
        if follow:
            return Reply.stream(streams.ndjson(_series(stats.stream(container, gone))), _JSON)
        previous, sample = stats.pair(container, gone)
        return Reply.json(wire.render_stats(container, sample, previous))

    def container_top(call: Call) -> Reply:
        container = get(call.scope, call.path["id"])
        return Reply.json(wire.render_top(top.processes(container, call.text("ps_args") or "-ef")))

    def usage(call: Call) -> Reply:
        gone = threading.Event()

        def leave() -> None:
            gone.set()
            feed.wake()

        call.on_gone(leave)
        records = _usage(feed, call.scope, gone)
        if call.flag("stream"):
            return Reply.stream(streams.ndjson(records), _NDJSON)
        with closing(records):
            return Reply.json(next(records, {}))

    return [
        Route("GET", "/containers/{id}/stats", container_stats),
        Route("GET", "/containers/{id}/top", container_top),
        Route("GET", "/berth/usage", usage),
    ]


def _series(samples: Iterator[tuple[Container, Sample | None]]) -> Iterator[dict[str, Any]]:
    previous: Sample | None = None
    for container, sample in samples:
        yield wire.render_stats(container, sample, previous)
        previous = sample


def _usage(feed: UsageFeed, scope: Scope, gone: threading.Event) -> Generator[dict[str, Any], None, None]:
    for usage in feed.watch(gone):
        yield wire.render_usage(usage.at_ns, usage.seen_by(scope))
