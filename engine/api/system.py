"""/_ping, /version, /info, /system/df, /auth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.api.router import Call, Reply, Route
from engine.api.wire import system as wire
from engine.api.wire.container import render_row
from engine.clock import now_ns
from engine.containers.model import Container
from engine.errors import InvalidArgument
from engine.services.machine import Machine
from engine.services.system import Facts
from engine.values import Scope

DF_TYPES = ("container", "image", "volume", "build-cache")


class System(Protocol):
    """What these routes need of the service."""

    def facts(self) -> Facts: ...
    def warnings(self) -> Sequence[str]: ...
    def forwards_ipv4(self) -> bool: ...
    def machine(self) -> Machine: ...


class Containers(Protocol):
    """The containers to count."""

    def list_(self, scope: Scope, *, all_: bool = False) -> list[Container]: ...
    def size(self, container: Container) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Usage:
    """Who tells what the other nouns use, ready for JSON: each takes the caller's scope."""

    images: Callable[[Scope], list[dict[str, Any]]]
    """ImageSummary of each image."""
    layers_bytes: Callable[[Scope], int]
    volumes: Callable[[Scope], list[dict[str, Any]]]
    """Volume with its UsageData."""
    build_cache: Callable[[Scope], list[dict[str, Any]]] = lambda scope: []
    """BuildCache of each record."""


Login = Callable[[str, str, str], str]
"""Tries (server, user, password) at a registry; returns an identity token or ""; Unauthorized if refused."""


class SystemRoutes:
    """The handlers."""

    def __init__(self, system: System, containers: Containers, usage: Usage, login: Login) -> None:
        self._system = system
        self._containers = containers
        self._usage = usage
        self._login = login

    def ping(self, call: Call) -> Reply:
        """GET and HEAD /_ping."""
        return Reply.text("OK", headers=wire.PING_HEADERS)

    def version(self, call: Call) -> Reply:
        """GET /version."""
        return Reply.json(wire.render_version(self._system.facts()))

    def info(self, call: Call) -> Reply:
        """GET /info."""
        return Reply.json(
            wire.render_info(
                self._system.facts(),
                containers=self._containers.list_(call.scope, all_=True),
                images=len(self._usage.images(call.scope)),
                warnings=self._system.warnings(),
                forwards_ipv4=self._system.forwards_ipv4(),
                now_ns=now_ns(),
            )
        )

    def machine(self, call: Call) -> Reply:
        """GET /berth/machine: load, memory and the disk of the data root, now."""
        found = self._system.machine()
        return Reply.json({name: getattr(found, name) for name in Machine.__slots__})

    def df(self, call: Call) -> Reply:
        """GET /system/df."""
        types = call.texts("type") or DF_TYPES
        for name in types:
            if name not in DF_TYPES:
                raise InvalidArgument(f"unknown object type: {name}")
        scope, now = call.scope, now_ns()
        answer: dict[str, Any] = {"LayersSize": 0, "Images": None, "Containers": None, "Volumes": None}
        if "image" in types:
            answer |= {"LayersSize": self._usage.layers_bytes(scope), "Images": self._usage.images(scope)}
        if "container" in types:
            found = self._containers.list_(scope, all_=True)
            answer["Containers"] = [render_row(c, now, size=self._containers.size(c)) for c in found]
        if "volume" in types:
            answer["Volumes"] = self._usage.volumes(scope)
        answer["BuildCache"] = self._usage.build_cache(scope) if "build-cache" in types else None
        return Reply.json(answer)

    def auth(self, call: Call) -> Reply:
        """POST /auth."""
        fields = call.fields()
        user, password = fields.text("username"), fields.text("password")
        token = self._login(fields.text("serveraddress"), user, password)
        answer: Mapping[str, str] = {"Status": "Login Succeeded", "IdentityToken": token}
        return Reply.json(answer)


def routes(system: System, containers: Containers, usage: Usage, login: Login) -> list[Route]:
    """Return the routes of the engine as a whole."""
    on = SystemRoutes(system, containers, usage, login)
    return [
        Route("GET", "/_ping", on.ping),
        Route("HEAD", "/_ping", on.ping),
        Route("GET", "/version", on.version),
        Route("GET", "/info", on.info),
        Route("GET", "/berth/machine", on.machine),
        Route("GET", "/system/df", on.df, since="1.25"),
        Route("POST", "/auth", on.auth),
    ]
