"""/volumes: lists, creation, removal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from engine import policy
from engine.api import codec
from engine.api.router import Call, Reply, Route
from engine.api.wire import volume as wire
from engine.errors import Unsupported
from engine.values import Scope
from engine.volumes.model import LIST_FILTERS, PRUNE_FILTERS, Volume


class Volumes(Protocol):
    """What these routes need of the service."""

    def get(self, scope: Scope, name: str) -> Volume: ...
    def list_(self, scope: Scope, filters: Mapping[str, tuple[str, ...]] | None = None) -> list[Volume]: ...
    def create(
        self,
        scope: Scope,
        name: str = "",
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume: ...
    def remove(self, scope: Scope, name: str, *, force: bool = False) -> None: ...
    def prune(self, scope: Scope, filters: Mapping[str, tuple[str, ...]]) -> tuple[list[str], int]: ...
    def path(self, volume: Volume) -> Path: ...


class VolumeRoutes:
    """The handlers."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def list_(self, call: Call) -> Reply:
        """GET /volumes."""
        filters = call.filters()
        codec.check_filters(filters, LIST_FILTERS)
        found = [self._render(volume) for volume in self._volumes.list_(call.scope, filters)]
        return Reply.json({"Volumes": found, "Warnings": None})

    def inspect(self, call: Call) -> Reply:
        """GET /volumes/{name}."""
        return Reply.json(self._render(self._volumes.get(call.scope, call.path["name"])))

    def create(self, call: Call) -> Reply:
        """POST /volumes/create."""
        wish = wire.parse_create(call.fields())
        policy.check_volume(call.scope, wish.driver, wish.options)
        volume = self._volumes.create(call.scope, wish.name, wish.driver, wish.options, wish.labels)
        return Reply.json(self._render(volume), 201)

    def remove(self, call: Call) -> Reply:
        """DELETE /volumes/{name}."""
        self._volumes.remove(call.scope, call.path["name"], force=call.flag("force"))
        return Reply.empty()

    def update(self, call: Call) -> Reply:
        """PUT /volumes/{name}: of Swarm's cluster volumes only."""
        raise Unsupported(f"updating volume {call.path['name']}: cluster volumes are not supported")

    def prune(self, call: Call) -> Reply:
        """POST /volumes/prune; before API 1.42 named volumes went too."""
        filters = dict(call.filters())
        codec.check_filters(filters, PRUNE_FILTERS)
        if call.version < (1, 42):
            filters["all"] = ("true",)
        names, freed = self._volumes.prune(call.scope, filters)
        return Reply.json({"VolumesDeleted": names or None, "SpaceReclaimed": freed})

    def _render(self, volume: Volume) -> dict[str, Any]:
        return wire.render(volume, str(self._volumes.path(volume)))


def routes(volumes: Volumes) -> list[Route]:
    """Return the routes of volumes."""
    on = VolumeRoutes(volumes)
    return [
        Route("GET", "/volumes", on.list_),
        Route("POST", "/volumes/create", on.create),
        Route("POST", "/volumes/prune", on.prune, since="1.25"),
        Route("GET", "/volumes/{name}", on.inspect),
        Route("PUT", "/volumes/{name}", on.update, since="1.42"),
        Route("DELETE", "/volumes/{name}", on.remove),
    ]
