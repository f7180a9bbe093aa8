"""/build: the classic builder's wire format; /berth/builds: builds with their steps and logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from engine import policy
from engine.api import streams
from engine.api.router import Call, Reply, Route
from engine.api.wire import build as wire
from engine.build.events import BuildEvent, ClassicText
from engine.build.records import BuildRecord
from engine.containers.model import Config
from engine.errors import InvalidArgument
from engine.services.build_job import Stop
from engine.services.build_state import BuildWish
from engine.values import Scope

_JSON = "application/json"
_NDJSON = "application/x-ndjson"
_CHUNK = 256 * 1024


class Started(Protocol):
    """A build under way."""

    @property
    def id(self) -> str: ...
    @property
    def events(self) -> Iterator[BuildEvent]: ...


class Cache(Protocol):
    """What these routes need of the build cache."""

    def prune(
        self, scope: Scope, filters: Mapping[str, Sequence[str]], *, all_: bool = False, keep: int = 0
    ) -> tuple[list[str], int]: ...


class Builds(Protocol):
    """What these routes need of the builder."""

    @property
    def cache(self) -> Cache: ...
    def start(self, scope: Scope, wish: BuildWish, chunks: Iterator[bytes], stop: Stop) -> Started: ...
    def list_(self, scope: Scope) -> list[BuildRecord]: ...
    def get(self, scope: Scope, reference: str) -> BuildRecord: ...
    def log(self, scope: Scope, reference: str, *, follow: bool = False) -> Iterator[dict[str, Any]]: ...
    def cancel(self, scope: Scope, reference: str) -> BuildRecord: ...
    def remove(self, scope: Scope, reference: str) -> None: ...


class BuildRoutes:
    """The handlers."""

    def __init__(self, builds: Builds) -> None:
        self._builds = builds

    def build(self, call: Call) -> Reply:
        """POST /build: what is wrong before the first step is an ordinary error; the client going away cancels."""
        wire.check_supported(call)
        host = wire.parse_host(call)
        policy.check_create(call.scope, Config(), host)
        wish = BuildWish(
            tags=wire.parse_tags(call.texts("t")),
            dockerfile=call.text("dockerfile") or "Dockerfile",
            target=call.text("target"),
            args=wire.parse_args(call),
            labels=wire.parse_labels(call),
            no_cache=call.flag("nocache"),
            pull=call.flag("pull"),
            cache_from=wire.parse_cache_from(call),
            platform=wire.parse_platform(call.text("platform")),
            host=host,
            registries=wire.parse_registries(call.header("x-registry-config")),
            secrets=wire.parse_secrets(call.header("berth-build-secrets")),
            remote=call.text("remote"),
            client_id=call.text("buildid"),
        )
        stop = Stop()
        chunks = iter(lambda: call.body.read(_CHUNK), b"")
        started = self._builds.start(call.scope, wish, chunks, stop)
        call.on_gone(lambda: stop.set("the client went away"))
        text = ClassicText(quiet=call.flag("q"), removes=call.flag("rm", default=True))
        return Reply.stream(_classic(started, text, stop), _JSON, headers=[("X-Build-Id", started.id)])

    def cancel_classic(self, call: Call) -> Reply:
        """POST /build/cancel."""
        if not call.text("id"):
            raise InvalidArgument("build ID not provided")
        self._builds.cancel(call.scope, call.text("id"))
        return Reply.empty(204)

    def prune(self, call: Call) -> Reply:
        """POST /build/prune."""
        keep = call.integer("keep-storage") or call.integer("reserved-space") or call.integer("max-used-space")
        ids, freed = self._builds.cache.prune(call.scope, call.filters(), all_=call.flag("all"), keep=keep)
        return Reply.json({"CachesDeleted": ids or None, "SpaceReclaimed": freed})

    def list_(self, call: Call) -> Reply:
        """GET /berth/builds."""
        limit = call.integer("limit")
        found = self._builds.list_(call.scope)
        return Reply.json([wire.render_build(build) for build in (found[:limit] if limit > 0 else found)])

    def inspect(self, call: Call) -> Reply:
        """GET /berth/builds/{id}."""
        return Reply.json(wire.render_build(self._builds.get(call.scope, call.path["id"])))

    def log(self, call: Call) -> Reply:
        """GET /berth/builds/{id}/log."""
        events = self._builds.log(call.scope, call.path["id"], follow=call.flag("follow"))
        return Reply.stream(streams.ndjson(wire.render_event(event) for event in events), _NDJSON)

    def cancel(self, call: Call) -> Reply:
        """POST /berth/builds/{id}/cancel."""
        return Reply.json(wire.render_build(self._builds.cancel(call.scope, call.path["id"])), 202)

    def remove(self, call: Call) -> Reply:
        """DELETE /berth/builds/{id}."""
        self._builds.remove(call.scope, call.path["id"])
        return Reply.empty(204)


def routes(builds: Builds) -> list[Route]:
    """Return the routes."""
    on = BuildRoutes(builds)
    one = "/berth/builds/{id}"
    return [
        Route("POST", "/build", on.build),
        Route("POST", "/build/cancel", on.cancel_classic),
        Route("POST", "/build/prune", on.prune, since="1.31"),
        Route("GET", "/berth/builds", on.list_),
        Route("GET", one, on.inspect),
        Route("DELETE", one, on.remove),
        Route("GET", f"{one}/log", on.log),
        Route("POST", f"{one}/cancel", on.cancel),
    ]


def _classic(started: Started, text: ClassicText, stop: Stop) -> Iterator[bytes]:
    over = False
    try:
        for event in started.events:
            for record in text.feed(event):
                yield streams.dump(record)
        over = True
    finally:
        if not over:
            stop.set("the client went away")
