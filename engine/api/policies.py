"""GET /berth/policy/preview: which containers of a namespace could not be made again under other grants."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from engine import policy
from engine.api.router import Call, Reply, Route
from engine.containers.model import Container
from engine.errors import Forbidden, InvalidArgument
from engine.values import Scope, Surface


class Containers(Protocol):
    """The containers to look at."""

    def list_(self, scope: Scope, *, all_: bool = False) -> list[Container]: ...


def routes(containers: Containers, *, private_cgroups: bool) -> list[Route]:
    """Return the route. Where cgroups are not `private_cgroups`, the engine itself fills in the host's namespace."""

    def preview(call: Call) -> Reply:
        """`grants` is a comma-separated list of names; the specs judged are those the containers have."""
        grants = frozenset(name for name in call.text("grants").split(",") if name)
        if unknown := grants - policy.GRANTS:
            raise InvalidArgument(f"unknown grant: {sorted(unknown)[0]}")
        scope = Scope(call.scope.namespace, call.scope.actor, grants, Surface.WEB)
        breaks = []
        for container in containers.list_(call.scope, all_=True):
            try:
                asked = container.host_config
                if not private_cgroups:
                    asked = replace(asked, cgroupns_mode="")
                policy.check_create(scope, container.config, asked)
            except Forbidden as refusal:
                message = str(refusal)
                field = message.partition(":")[0].partition(" ")[0]
                breaks.append({"id": container.id, "name": container.name, "field": field, "message": message})
        return Reply.json({"known": sorted(policy.GRANTS - {policy.GRANT_ALL}), "breaks": breaks})

    return [Route("GET", "/berth/policy/preview", preview)]
