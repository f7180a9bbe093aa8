"""/berth/logs: sources, search, pages, histograms, exports, blocks, policy (docs/logs.md)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from engine.api import streams
from engine.api.router import Call, Reply, Route
from engine.api.wire import logs as wire
from engine.clock import parse_when, render_ns
from engine.errors import InvalidArgument
from engine.logs import levels
from engine.logs.matching import Case, Filter
from engine.logs.model import LogQuery
from engine.logs.search import Batch, Order, parse_cursor
from engine.services.log_archive import LogArchive
from engine.services.log_blocks import LineBlock, LogBlocks
from engine.services.log_search import LogSearch
from engine.services.log_sources import LogSources, Selector

_NDJSON = "application/x-ndjson"
_BLOCKS = "application/vnd.berth.log-blocks"
_MOST_VALUES = 256
_POLICY = ("days", "bytes", "count", "live_bytes")


@dataclass(frozen=True, slots=True)
class Parts:
    """What these routes need."""

    sources: LogSources
    search: LogSearch
    blocks: LogBlocks
    archive: LogArchive


def routes(parts: Parts) -> list[Route]:
    """Return the routes."""
    on = _Handlers(parts)
    return [
        Route("GET", "/berth/logs", on.list_),
        Route("GET", "/berth/logs/search", on.search),
        Route("GET", "/berth/logs/lines", on.lines),
        Route("GET", "/berth/logs/context", on.context),
        Route("GET", "/berth/logs/histogram", on.histogram),
        Route("GET", "/berth/logs/export", on.export),
        Route("GET", "/berth/logs/stream", on.stream),
        Route("GET", "/berth/logs/policy", on.policy),
        Route("PUT", "/berth/logs/policy", on.set_policy),
        Route("DELETE", "/berth/logs/{id}", on.remove),
    ]


class _Handlers:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def list_(self, call: Call) -> Reply:
        since_ns, until_ns = _when(call, "since"), _when(call, "until")
        found = self._parts.sources.list_(call.scope, _selector(call), since_ns, until_ns)
        at, most = _number(call, "offset", 0, 0, 1 << 31), _number(call, "limit", 200, 1, 1000)
        shown = [wire.render_source(source, self._parts.sources.extent(source)) for source in found[at : at + most]]
        return Reply.json({"sources": shown, "total": len(found)})

    def search(self, call: Call) -> Reply:
        order = Order(_newest(call), _number(call, "limit", 200, 1, 5000), parse_cursor(call.text("cursor")))
        search = self._parts.search.search(call.scope, _selector(call), _filter(call), order, _gone(call))
        results = search.__enter__()  # what is wrong with the request is told before the answer begins
        lines = wire.LineRenderer(results, fields=call.flag("fields"))

        def records() -> Iterator[dict[str, Any]]:
            for record in results.records:
                yield wire.render_record(record, lines, len(results.sources))

        return Reply.stream(_closing(streams.ndjson(records()), search), _NDJSON)

    def lines(self, call: Call) -> Reply:
        direction = _choice(call, "direction", ("backwards", "forwards"))
        limit = _number(call, "limit", 500, 1, 5000)
        order = Order(direction == "backwards", limit, parse_cursor(call.text("cursor")))
        page, results = self._parts.search.page(call.scope, _selector(call), _filter(call), order, _gone(call))
        return Reply.json(wire.render_page(page, wire.LineRenderer(results, fields=call.flag("fields"))))

    def context(self, call: Call) -> Reply:
        cursor = parse_cursor(call.text("cursor"))
        if cursor is None or not call.text("id"):
            raise InvalidArgument("id and cursor are needed")
        before, after = _number(call, "before", 20, 0, 1000), _number(call, "after", 20, 0, 1000)
        page, results = self._parts.search.context(call.scope, call.text("id"), cursor, before, after)
        shown = wire.render_page(page, wire.LineRenderer(results, fields=call.flag("fields")))
        index = next(i for i, found in enumerate(page.found) if found.cursor == cursor)
        return Reply.json({**shown, "index": index})

    def histogram(self, call: Call) -> Reply:
        buckets = _number(call, "buckets", 60, 1, 500)
        found = self._parts.search.histogram(call.scope, _selector(call), _filter(call), buckets, _gone(call))
        return Reply.json(wire.render_histogram(found))

    def export(self, call: Call) -> Reply:
        form = _choice(call, "format", ("text", "json"))
        stamped = call.flag("timestamps", default=True)
        order = Order(newest=False)
        search = self._parts.search.search(call.scope, _selector(call), _filter(call), order, _gone(call))
        results = search.__enter__()
        several = len(results.sources) > 1

        def chunks() -> Iterator[bytes]:
            for record in results.records:
                if not isinstance(record, Batch):
                    continue
                if form == "json":
                    yield b"".join(streams.dump(wire.render_export(found, results.sources)) for found in record.found)
                    continue
                out = []
                for found in record.found:
                    stamp = f"{render_ns(found.hit.time_ns)} " if stamped else ""
                    name = f"{results.sources[found.source].name} " if several else ""
                    out.append((stamp + name).encode() + found.hit.text + b"\n")
                yield b"".join(out)

        kind, suffix = (_NDJSON, "jsonl") if form == "json" else ("text/plain; charset=utf-8", "txt")
        headers = [("Content-Disposition", f'attachment; filename="logs.{suffix}"')]
        return Reply.stream(_closing(chunks(), search), kind, headers=headers)

    def stream(self, call: Call) -> Reply:
        query = LogQuery(
            since_ns=_when(call, "since"),
            tail=None if call.text("tail", "all") == "all" else _number(call, "tail", 0, 0, 1 << 31),
            follow=call.flag("follow"),
            after=_position(call, "after"),
            before=_position(call, "before"),
        )
        found = self._parts.blocks.open(call.scope, call.text("id"), query, call.on_gone)
        return Reply.stream(_rendered(found), _BLOCKS)

    def policy(self, call: Call) -> Reply:
        archive, namespace = self._parts.archive, call.scope.home
        shown = wire.render_policy(archive.policy(namespace), archive.defaults, archive.used(namespace))
        return Reply.json(shown)

    def set_policy(self, call: Call) -> Reply:
        body = call.json()
        unknown = [name for name in body if name not in _POLICY]
        if unknown:
            raise InvalidArgument(f"{unknown[0]}: not a part of a log policy ({', '.join(_POLICY)})")
        for name, value in body.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise InvalidArgument(f"{name}: expected an integer or null")
        self._parts.archive.set_policy(call.scope, body)
        return self.policy(call)

    def remove(self, call: Call) -> Reply:
        self._parts.archive.remove(call.scope, call.path["id"])
        return Reply.empty()


def _closing(chunks: Iterator[bytes], search: Any) -> Iterator[bytes]:
    """Yield chunks, and end the search whatever becomes of them."""
    try:
        yield from chunks
    finally:
        search.__exit__(None, None, None)


def _rendered(found: Iterator[LineBlock]) -> Iterator[bytes]:
    with closing(found):  # type: ignore[type-var]  # a generator
        for block in found:
            head = {"position": block.position, "lines": block.lines, "bytes": len(block.text)}
            yield streams.dump({**head, "skipped": block.skipped} if block.skipped else head) + block.text


def _gone(call: Call) -> Callable[[], bool]:
    gone = threading.Event()
    call.on_gone(gone.set)
    return gone.is_set


def _selector(call: Call) -> Selector:
    found = {}
    for field, name in (
        ("ids", "id"),
        ("names", "name"),
        ("labels", "label"),
        ("projects", "project"),
        ("services", "service"),
        ("images", "image"),
        ("states", "state"),
    ):
        values = tuple(value for value in call.texts(name) if value)
        if len(values) > _MOST_VALUES:
            raise InvalidArgument(f"{name}: at most {_MOST_VALUES} values")
        found[field] = values
    for state in found["states"]:
        if state not in ("living", "archived"):
            raise InvalidArgument(f"state: expected living or archived, got {state!r}")
    return Selector(**found)


def _filter(call: Call) -> Filter:
    fields = []
    for field in call.texts("field"):
        path, equals, value = field.partition("=")
        if not path or not equals:
            raise InvalidArgument(f"field: expected path=value, got {field!r}")
        fields.append((path, value))
    return Filter(
        text=call.text("q"),
        regex=_choice(call, "mode", ("text", "regex")) == "regex",
        case=Case(_choice(call, "case", tuple(case.value for case in Case))),
        invert=call.flag("invert"),
        levels=_levels(call),
        stream=_choice(call, "stream", ("", "stdout", "stderr")),
        since_ns=_when(call, "since"),
        until_ns=_when(call, "until"),
        fields=tuple(fields),
    )


def _levels(call: Call) -> frozenset[int] | None:
    wanted = [name for name in call.texts("level") if name]
    numbers = {"none": 0, **{name: number for number, name in enumerate(levels.NAMES) if name}}
    for name in wanted:
        if name not in numbers:
            raise InvalidArgument(f"level: expected {', '.join(numbers)}, got {name!r}")
    return frozenset(numbers[name] for name in wanted) if wanted else None


def _choice(call: Call, name: str, allowed: tuple[str, ...]) -> str:
    """Return a parameter that is one of some words; the first stands for none."""
    value = call.text(name) or allowed[0]
    if value not in allowed:
        raise InvalidArgument(f"{name}: expected {' or '.join(filter(None, allowed))}, got {value!r}")
    return value


def _newest(call: Call) -> bool:
    return _choice(call, "order", ("newest", "oldest")) == "newest"


def _number(call: Call, name: str, default: int, least: int, most: int) -> int:
    value = call.integer(name, default)
    if not least <= value <= most:
        raise InvalidArgument(f"{name}: expected {least} to {most}")
    return value


def _position(call: Call, name: str) -> int | None:
    value = call.optional_integer(name)
    if value is not None and value < 0:
        raise InvalidArgument(f"{name}: expected a position")
    return value


def _when(call: Call, name: str) -> int:
    text = call.text(name)
    if not text or text == "0":
        return 0
    try:
        return max(parse_when(text), 1)
    except ValueError:
        raise InvalidArgument(f'invalid value for "{name}": {text}') from None
