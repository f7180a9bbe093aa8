"""/containers: creation, states, lists. Attaching is in `api.attach`, execs in `api.execs`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any, Protocol

from engine import policy
from engine.api import streams
from engine.api.router import Call, Reply, Route
from engine.api.wire import container as wire
from engine.api.wire import resources
from engine.api.wire.mounts import refuse_unread
from engine.clock import now_ns
from engine.containers.model import Config, Container, HostConfig, RestartPolicy
from engine.errors import InvalidArgument, NotFound
from engine.values import EndpointConfig, Scope


class Created(Protocol):
    """A new container's id and warnings."""

    @property
    def id(self) -> str: ...
    @property
    def warnings(self) -> Sequence[str]: ...


class Pruned(Protocol):
    """What a prune removed."""

    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def reclaimed(self) -> int: ...


class Waiter(Protocol):
    """A wait for a container's end."""

    def result(self, timeout: float | None = None) -> tuple[int, str]: ...
    def close(self) -> None: ...


class Containers(Protocol):
    """What these routes need of the service."""

    @property
    def get(self) -> Callable[[Scope, str], Container]: ...
    @property
    def pause(self) -> Callable[[Scope, str], None]: ...
    @property
    def with_link_names(self) -> Callable[[Container], Container]: ...
    @property
    def unpause(self) -> Callable[[Scope, str], None]: ...

    def create(
        self,
        scope: Scope,
        name: str | None,
        config: Config,
        host_config: HostConfig,
        networking: Sequence[EndpointConfig] = (),
        platform: str | None = None,
    ) -> Created: ...
    def list_(
        self,
        scope: Scope,
        *,
        all_: bool = False,
        limit: int = 0,
        filters: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Container]: ...
    def size(self, container: Container) -> tuple[int, int]: ...
    def image_names(self, found: Iterable[Container]) -> Mapping[str, str]: ...
    def start(self, scope: Scope, reference: str) -> None: ...
    def stop(self, scope: Scope, reference: str, signal: str | None = None, timeout: int | None = None) -> None: ...
    def restart(self, scope: Scope, reference: str, signal: str | None = None, timeout: int | None = None) -> None: ...
    def kill(self, scope: Scope, reference: str, signal: str) -> None: ...
    def remove(self, scope: Scope, reference: str, *, force: bool, volumes: bool) -> None: ...
    def remove_link(self, scope: Scope, reference: str, alias: str) -> None: ...
    def rename(self, scope: Scope, reference: str, name: str) -> None: ...
    def resize(self, scope: Scope, reference: str, width: int, height: int) -> None: ...
    def update(
        self, scope: Scope, reference: str, changes: Mapping[str, Any], policy: RestartPolicy | None = None
    ) -> Sequence[str]: ...
    def wait(self, scope: Scope, reference: str, condition: str = "") -> Waiter: ...
    def prune(self, scope: Scope, filters: Mapping[str, Sequence[str]] | None = None) -> Pruned: ...


class ExecIds(Protocol):
    """The running execs of a container."""

    def ids_of(self, container_id: str) -> Sequence[str]: ...


class ContainerRoutes:
    """The handlers."""

    def __init__(self, containers: Containers, execs: ExecIds, places: wire.Places) -> None:
        self._containers = containers
        self._execs = execs
        self._places = places

    def create(self, call: Call) -> Reply:
        """POST /containers/create."""
        request = wire.parse_create(call.fields(), call.version)
        policy.check_create(call.scope, request.config, request.host_config)
        created = self._containers.create(
            call.scope,
            call.text("name") or None,
            request.config,
            request.host_config,
            request.networking,
            call.text("platform") or None,
        )
        return Reply.json({"Id": created.id, "Warnings": list(created.warnings)}, 201)

    def list_(self, call: Call) -> Reply:
        """GET /containers/json."""
        found = self._containers.list_(
            call.scope, all_=call.flag("all"), limit=call.integer("limit"), filters=call.filters()
        )
        now, sized = now_ns(), call.flag("size")
        size = self._containers.size
        images = self._containers.image_names(found)
        rows = [wire.render_row(c, now, size=size(c) if sized else None, image=images[c.id]) for c in found]
        return Reply.json(rows)

    def inspect(self, call: Call) -> Reply:
        """GET /containers/{id}/json."""
        container = self._containers.with_link_names(self._containers.get(call.scope, call.path["id"]))
        size = self._containers.size(container) if call.flag("size") else None
        execs = self._execs.ids_of(container.id)
        return Reply.json(wire.render_inspect(container, self._places, exec_ids=execs, size=size, version=call.version))

    def start(self, call: Call) -> Reply:
        """POST /containers/{id}/start."""
        if call.json():
            raise InvalidArgument("starting container with non-empty request body was deprecated since API v1.22 and "
                                  "removed in v1.24")  # fmt: skip
        self._containers.start(call.scope, call.path["id"])
        return Reply.empty()

    def stop(self, call: Call) -> Reply:
        """POST /containers/{id}/stop."""
        self._containers.stop(call.scope, call.path["id"], call.text("signal") or None, call.optional_integer("t"))
        return Reply.empty()

    def restart(self, call: Call) -> Reply:
        """POST /containers/{id}/restart."""
        self._containers.restart(call.scope, call.path["id"], call.text("signal") or None, call.optional_integer("t"))
        return Reply.empty()

    def kill(self, call: Call) -> Reply:
        """POST /containers/{id}/kill."""
        self._containers.kill(call.scope, call.path["id"], call.text("signal") or "SIGKILL")
        return Reply.empty()

    def pause(self, call: Call) -> Reply:
        """POST /containers/{id}/pause."""
        self._containers.pause(call.scope, call.path["id"])
        return Reply.empty()

    def unpause(self, call: Call) -> Reply:
        """POST /containers/{id}/unpause."""
        self._containers.unpause(call.scope, call.path["id"])
        return Reply.empty()

    def wait(self, call: Call) -> Reply:
        """POST /containers/{id}/wait: the head at once, so that the client knows it is waiting."""
        waiter = self._containers.wait(call.scope, call.path["id"], call.text("condition"))
        call.on_gone(waiter.close)
        return Reply.stream(_waited(waiter), "application/json")

    def remove(self, call: Call) -> Reply:
        """DELETE /containers/{id}."""
        if call.flag("link"):
            raise InvalidArgument(f"link: {call.path['id']} names a container: a link is CONTAINER/ALIAS")
        self._containers.remove(call.scope, call.path["id"], force=call.flag("force"), volumes=call.flag("v"))
        return Reply.empty()

    def remove_link(self, call: Call) -> Reply:
        """DELETE /containers/{id}/{alias}?link=true: `docker rm --link /web/db`."""
        if not call.flag("link"):
            raise NotFound(f"No such container: {call.path['id']}/{call.path['alias']}")
        self._containers.remove_link(call.scope, call.path["id"], call.path["alias"])
        return Reply.empty()

    def rename(self, call: Call) -> Reply:
        """POST /containers/{id}/rename."""
        self._containers.rename(call.scope, call.path["id"], call.text("name"))
        return Reply.empty()

    def resize(self, call: Call) -> Reply:
        """POST /containers/{id}/resize."""
        width, height = read_size(call)
        self._containers.resize(call.scope, call.path["id"], width, height)
        return Reply.empty(200)

    def update(self, call: Call) -> Reply:
        """POST /containers/{id}/update."""
        fields = call.fields()
        changes = resources.parse_changes(fields)
        restart = resources.parse_restart_policy(fields)
        refuse_unread(fields)
        policy.check_update(call.scope, changes)
        resources.check_changes(changes)
        warnings = self._containers.update(call.scope, call.path["id"], changes, restart)
        return Reply.json({"Warnings": list(warnings)})

    def prune(self, call: Call) -> Reply:
        """POST /containers/prune."""
        pruned = self._containers.prune(call.scope, call.filters())
        return Reply.json({"ContainersDeleted": list(pruned.ids) or None, "SpaceReclaimed": pruned.reclaimed})


def _waited(waiter: Waiter) -> Iterator[bytes]:
    try:
        code, error = waiter.result()
    except CancelledError:
        return
    finally:
        waiter.close()
    answer: dict[str, Any] = {"StatusCode": code}
    if error:
        answer["Error"] = {"Message": error}
    yield streams.dump(answer)


def read_size(call: Call) -> tuple[int, int]:
    """Return (width, height) of a terminal from the query, 1 to 65535 characters each."""
    width, height = call.integer("w"), call.integer("h")
    for name, value in (("w", width), ("h", height)):
        if not 0 <= value < 65536:
            raise InvalidArgument(f"{name}: {value} is out of range")
    return width, height


def routes(containers: Containers, execs: ExecIds, places: wire.Places) -> list[Route]:
    """Return the routes of containers."""
    on = ContainerRoutes(containers, execs, places)
    one = "/containers/{id}"
    return [
        Route("POST", "/containers/create", on.create),
        Route("GET", "/containers/json", on.list_),
        Route("POST", "/containers/prune", on.prune, since="1.25"),
        Route("GET", f"{one}/json", on.inspect),
        Route("POST", f"{one}/start", on.start),
        Route("POST", f"{one}/stop", on.stop),
        Route("POST", f"{one}/restart", on.restart),
        Route("POST", f"{one}/kill", on.kill),
        Route("POST", f"{one}/pause", on.pause),
        Route("POST", f"{one}/unpause", on.unpause),
        Route("POST", f"{one}/wait", on.wait),
        Route("POST", f"{one}/rename", on.rename),
        Route("POST", f"{one}/resize", on.resize),
        Route("POST", f"{one}/update", on.update),
        Route("DELETE", one, on.remove),
        Route("DELETE", one + "/{alias}", on.remove_link),
    ]
