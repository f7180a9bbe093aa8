"""The parts of Docker's API that Berth does not do: each says so by its name, none is a silent 404."""

from __future__ import annotations

import json
from collections.abc import Iterable

from engine.api.router import Call, Handler, Reply, Route
from engine.api.wire.system import NOT_A_MANAGER
from engine.errors import NotFound, Unavailable, Unsupported

_UNSUPPORTED = {
    "swarm mode": ("POST /swarm/init", "POST /swarm/join"),
    "managed plugins": (
        "GET /plugins/privileges",
        "POST /plugins/pull",
        "POST /plugins/create",
        "POST /plugins/{name:.*}/enable",
        "POST /plugins/{name:.*}/disable",
        "POST /plugins/{name:.*}/upgrade",
        "POST /plugins/{name:.*}/push",
        "POST /plugins/{name:.*}/set",
        "DELETE /plugins/{name:.*}",
    ),
    "BuildKit sessions": ("POST /session", "POST /grpc"),
    "image builds": ("POST /build", "POST /build/cancel"),
    "commit": ("POST /commit",),
    "archives (docker cp)": (
        "GET /containers/{id}/archive",
        "HEAD /containers/{id}/archive",
        "PUT /containers/{id}/archive",
    ),
    "changes (docker diff)": ("GET /containers/{id}/changes",),
    "export": ("GET /containers/{id}/export",),
    "top": ("GET /containers/{id}/top",),
    "stats": ("GET /containers/{id}/stats",),
    "image export": ("GET /images/get", "GET /images/{name:.*}/get"),
    "image import": ("POST /images/load",),
    "image search": ("GET /images/search",),
    "distribution inspection": ("GET /distribution/{name:.*}/json",),
    "checkpoints": (
        "GET /containers/{id}/checkpoints",
        "POST /containers/{id}/checkpoints",
        "DELETE /containers/{id}/checkpoints/{checkpoint}",
    ),
}

_SWARM_ONLY = (
    "GET /swarm",
    "GET /swarm/unlockkey",
    "POST /swarm/update",
    "POST /swarm/unlock",
    "POST /swarm/leave",
    *(f"GET /{noun}" for noun in ("nodes", "services", "tasks", "secrets", "configs")),
    *(f"GET /{noun}/{{id}}" for noun in ("nodes", "services", "tasks", "secrets", "configs")),
    *(f"DELETE /{noun}/{{id}}" for noun in ("nodes", "services", "secrets", "configs")),
    *(f"POST /{noun}/create" for noun in ("services", "secrets", "configs")),
    *(f"POST /{noun}/{{id}}/update" for noun in ("nodes", "services", "secrets", "configs")),
    "GET /services/{id}/logs",
    "GET /tasks/{id}/logs",
)


def routes(taken: Iterable[Route] = ()) -> list[Route]:
    """Return a route for each part that no route of `taken` serves."""
    served = {(route.method, route.path) for route in taken}
    found = [_route(pattern, _refusal(name)) for name, patterns in _UNSUPPORTED.items() for pattern in patterns]
    found += [_route(pattern, _no_manager) for pattern in _SWARM_ONLY]
    found += [Route("GET", "/plugins", _no_plugins), Route("POST", "/build/prune", _no_build_cache, since="1.31")]
    found.append(Route("GET", "/plugins/{name:.*}/json", _no_such_plugin))
    return [route for route in found if (route.method, route.path) not in served]


def _route(pattern: str, handler: Handler) -> Route:
    method, path = pattern.split(" ")
    return Route(method, path, handler)


def _refusal(name: str) -> Handler:
    def refuse(call: Call) -> Reply:
        raise Unsupported(f"{name}: not supported by Berth")

    return refuse


def _no_manager(call: Call) -> Reply:
    raise Unavailable(NOT_A_MANAGER)


def _no_plugins(call: Call) -> Reply:
    return Reply.json([])


def _no_build_cache(call: Call) -> Reply:
    return Reply.json({"CachesDeleted": None, "SpaceReclaimed": 0})


def _no_such_plugin(call: Call) -> Reply:
    raise NotFound(f"plugin {json.dumps(call.path['name'])} not found")
