#!/usr/bin/env python3
"""Write docs/api.md: what Berth makes of every path, parameter and body field of Docker's definition.

    python -m scripts.api_page > docs/api.md

Nothing here is believed, all of it is found: the routes are the engine's own table; which query parameters a handler
reads is read from its source; every field of a body is sent alone through the engine's own parser, which takes it (the
result differs), refuses it by its name, or drops it. What is dropped needs a row with its reason in `MEANINGLESS`:
without one it is a problem, and tests/architecture fails.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine import api_table
from engine.api import unsupported
from engine.api.codec import Fields
from engine.api.errors import status_of
from engine.api.router import Route
from engine.api.wire import config as config_wire
from engine.api.wire import container as container_wire
from engine.api.wire import endpoints, network, resources, volume
from engine.api.wire import exec as exec_wire
from engine.api.wire.mounts import refuse_unread
from engine.containers import validate
from engine.errors import BerthError
from engine.services import network_checks

SHAPES = Path(__file__).resolve().parents[1] / "tests/contract/api/shapes.json"
NEWEST = (1, 50)
TAKEN, REFUSED, DROPPED, PROBLEM = "supported", "refused", "no meaning here", "DROPPED IN SILENCE"
_READERS = frozenset(("text", "texts", "flag", "integer", "optional_integer", "header"))


@dataclass(frozen=True)
class Row:
    """One parameter or field: how Berth takes it, and the words of a refusal or the reason of no meaning."""

    name: str
    state: str
    words: str = ""


@dataclass(frozen=True)
class Operation:
    """One method of one path. `words` is the answer where the whole of it is refused."""

    method: str
    path: str
    state: str
    words: str
    since: str
    rows: tuple[Row, ...]


# ---- why something is taken and changes nothing ----------------------------------------------------------------------

_FACT = "a fact of an answer, which clients send back when they copy an inspection; Docker ignores it too"
_ALWAYS = "told always"
_NO_INDEX = "an image here has one platform; a Docker without containerd's store leaves Manifests out too"

MEANINGLESS: Mapping[str, str] = {
    "POST /containers/create NetworkingConfig.EndpointsConfig.*": _FACT,
    "POST /networks/{id}/connect EndpointConfig.*": _FACT,
    "POST /containers/{id}/start ?detachKeys": "for a client that attaches, which reads them itself; as with Docker",
    "POST /auth email": "Docker ignores it since registries are v2",
    "POST /build ?Content-type": "the body is looked at: a tar, plain or compressed",
    "POST /build ?forcerm": "no container of a step stays, whatever becomes of it",
    "POST /build/prune ?min-free-space": "the cache is bounded by its own size (BERTH_BUILD_CACHE_BYTES)",
    "GET /images/json ?digests": _ALWAYS,
    "GET /images/json ?manifests": _NO_INDEX,
    "GET /images/{name}/json ?manifests": _NO_INDEX,
    "DELETE /images/{name} ?noprune": "layers are counted by reference; an image has no parents that could stay",
    "GET /networks/{id} ?verbose": "about services of a swarm",
}


class _Stub:
    """Stands for any part of an engine while the table of routes is made; no handler of it is called."""

    def __getattr__(self, name: str) -> _Stub:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Stub()

    def __call__(self, *args: object, **kwargs: object) -> _Stub:
        return _Stub()


def engine_routes() -> dict[tuple[str, str], Route]:
    """Return the engine's routes by (method, the definition's template)."""
    stub: Any = _Stub()
    return {(route.method, route.path.replace(":.*}", "}")): route for route in api_table.routes(stub, stub)}


# ---- query parameters, from the handlers' source ---------------------------------------------------------------------


def read_by(handler: Callable[..., Any]) -> dict[str, str]:
    """Return the parameters that a handler reads: name → `supported` or `refused`."""
    found: dict[str, str] = {}
    _look(handler, {}, found, set())
    return found


def _look(function: Any, given: Mapping[str, str], found: dict[str, str], seen: set[Any]) -> None:
    bare = inspect.unwrap(getattr(function, "__func__", function))
    key = (bare, tuple(sorted(given.items())))
    if key in seen or not inspect.isfunction(bare):
        return
    seen.add(key)
    tree = ast.parse(textwrap.dedent(inspect.getsource(bare)))
    refused = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and len(node.body) == 1 and isinstance(node.body[0], ast.Raise)
        for name in _names_read(node.test, given)
        if "Unsupported" in ast.dump(node.body[0])
    }
    for name in _names_read(tree, given):
        found[name] = REFUSED if name in refused else found.get(name, TAKEN)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and any(isinstance(a, ast.Name) and a.id == "call" for a in node.args):
            callee = _resolve(node.func, function, bare)
            if callee is not None:
                _look(callee, _literals(node, callee), found, seen)


def _names_read(tree: ast.AST, given: Mapping[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "call"):
            continue
        if node.func.attr == "filters":
            yield "filters"
        elif node.func.attr == "registry_auth":
            yield "x-registry-auth"
        elif node.func.attr in _READERS and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)
            elif isinstance(first, ast.Name) and first.id in given:
                yield given[first.id]


def _resolve(func: ast.expr, function: Any, bare: Any) -> Any:
    names: dict[str, Any] = {**bare.__globals__, **inspect.getclosurevars(bare).nonlocals}
    if isinstance(func, ast.Name):
        return names.get(func.id)
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
        owner = getattr(function, "__self__", None) if func.value.id == "self" else names.get(func.value.id)
        return None if isinstance(owner, _Stub) else getattr(owner, func.attr, None)
    return None


def _literals(node: ast.Call, callee: Any) -> dict[str, str]:
    try:
        names = list(inspect.signature(callee).parameters)
    except (TypeError, ValueError):
        return {}
    pairs = [*zip(names, node.args, strict=False), *((k.arg or "", k.value) for k in node.keywords)]
    return {name: value.value for name, value in pairs if isinstance(value, ast.Constant) and type(value.value) is str}


# ---- body fields, by sending each alone through the parser -----------------------------------------------------------


@dataclass(frozen=True)
class Body:
    """How an operation reads its body: `parse` gives a comparable value, `base` is what each request has beside."""

    parse: Callable[[Fields], Any]
    base: Mapping[str, Any]


def _create(fields: Fields) -> Any:
    request = container_wire.parse_create(fields, NEWEST)
    config = request.config
    validate.check_config(replace(config, cmd=config.cmd or ("true",)), request.host_config)
    network_checks.check_host_config(request.host_config)
    return request


def _update(fields: Fields) -> Any:
    changes, restart = resources.parse_changes(fields), resources.parse_restart_policy(fields)
    refuse_unread(fields)
    resources.check_changes(changes)
    return changes, restart


def _exec_start(fields: Fields) -> Any:
    taken = fields.flag("Detach"), fields.flag("Tty"), exec_wire.parse_console_size(fields, NEWEST)
    refuse_unread(fields)
    return taken


def _network(fields: Fields) -> Any:
    wish = network.parse_create(fields)
    network_checks.check_wish(wish)
    return wish


def _connect(fields: Fields) -> Any:
    config = endpoints.parse_endpoint("x", fields.table("EndpointConfig"))
    container = fields.text("Container")
    refuse_unread(fields)
    return config, container


def _disconnect(fields: Fields) -> Any:
    taken = fields.text("Container"), fields.flag("Force")
    refuse_unread(fields)
    return taken


def _auth(fields: Fields) -> Any:
    return tuple(fields.text(name) for name in ("username", "password", "serveraddress"))


BODIES: Mapping[str, Body] = {
    "POST /containers/create": Body(_create, {}),
    "POST /containers/{id}/update": Body(_update, {}),
    "POST /containers/{id}/exec": Body(lambda fields: exec_wire.parse_exec(fields, NEWEST), {"Cmd": ["x"]}),
    "POST /exec/{id}/start": Body(_exec_start, {}),
    "POST /commit": Body(config_wire.parse_config, {}),
    "POST /networks/create": Body(_network, {"Name": "x"}),
    "POST /networks/{id}/connect": Body(_connect, {"Container": "x"}),
    "POST /networks/{id}/disconnect": Body(_disconnect, {"Container": "x"}),
    "POST /volumes/create": Body(volume.parse_create, {}),
    "POST /auth": Body(_auth, {}),
}

SAMPLES: Mapping[str, Any] = {
    "Binds": ["v:/v"],
    "BlkioWeight": 500,
    "CapAdd": ["NET_ADMIN"],
    "CapDrop": ["NET_RAW"],
    "CgroupnsMode": "private",
    "ConsoleSize": [25, 80],
    "CpusetCpus": "0",
    "CpusetMems": "0",
    "Entrypoint": ["x"],
    "ExposedPorts": {"80/tcp": {}},
    "ExtraHosts": ["x:127.0.0.1"],
    "GroupAdd": ["1"],
    "IpcMode": "shareable",
    "Isolation": "hyperv",
    "Links": ["x:y"],
    "Memory": 1 << 26,
    "MemoryReservation": 1 << 26,
    "MemorySwap": -1,
    "MemorySwappiness": 10,
    "NetworkMode": "host",
    "PidMode": "host",
    "PortBindings": {"80/tcp": [{"HostPort": "80"}]},
    "RestartPolicy.Name": "on-failure",
    "Runtime": "runc",
    "SecurityOpt": ["no-new-privileges"],
    "StopSignal": "SIGINT",
    "UTSMode": "host",
    "UsernsMode": "host",
    "Devices.PathOnHost": "/dev/null",
    "Sysctls": {"net.core.somaxconn": "1"},
    "Ulimits.Name": "nofile",
    "WorkingDir": "/x",
    "DetachKeys": "ctrl-x",
    "Mounts.TmpfsOptions.Options": [["noexec"]],
    "CpuPeriod": 100_000,
    "CpuQuota": 50_000,
    "Interval": 1_000_000_000,
    "Timeout": 1_000_000_000,
    "StartPeriod": 1_000_000_000,
    "StartInterval": 1_000_000_000,
    "EnableIPv4": False,
    "IPAM.Driver": "x",
    "Config.Subnet": "10.1.0.0/16",
    "DriverConfig.Name": "local",
    "Driver": "x",
    "Mounts.Type": "volume",
    "OomScoreAdj": 1,
}
"""Values by the end of a field's name, where one made of its type alone has no meaning."""

WITHIN: Mapping[str, Mapping[str, Any]] = {
    "HostConfig.Mounts": {"Type": "volume", "Target": "/x"},
    "HostConfig.RestartPolicy": {"Name": "on-failure"},
    "RestartPolicy": {"Name": "on-failure"},
    "HostConfig.Ulimits": {"Name": "nofile"},
    "Ulimits": {"Name": "nofile"},
    "HostConfig.Devices": {"PathOnHost": "/dev/null"},
    "Devices": {"PathOnHost": "/dev/null"},
}
"""What the owner of a field holds beside it."""
BESIDE: Mapping[str, Mapping[str, Any]] = {
    "HostConfig.Mounts.BindOptions": {"Type": "bind", "Source": "/x"},
    "HostConfig.Mounts.TmpfsOptions": {"Type": "tmpfs"},
    "HostConfig.Mounts.ImageOptions": {"Type": "image", "Source": "x"},
    "HostConfig.MemorySwap": {"Memory": 1 << 26},
    "HostConfig.MemoryReservation": {"Memory": 1 << 27},
}
"""What is sent beside a field or a table."""


def definition() -> dict[str, Any]:
    """Return the committed shapes of Docker's definition."""
    found: dict[str, Any] = json.loads(SHAPES.read_text())
    return found


def properties(shapes: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema's properties: references followed, `allOf` joined."""
    schema = followed(shapes, schema)
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        found |= properties(shapes, part)
    return found


def followed(shapes: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a reference means."""
    while "$ref" in schema:
        schema = shapes["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


@dataclass(frozen=True)
class Step:
    """One name on the way to a field, and how its value lies in its owner: bare, in a list, under a key."""

    name: str
    kind: str = "object"


def leaves(
    shapes: Mapping[str, Any], schema: Mapping[str, Any], way: tuple[Step, ...] = ()
) -> Iterator[tuple[tuple[Step, ...], Mapping[str, Any]]]:
    """Yield every field of a body that has none below it, with the way to it."""
    for name, value in properties(shapes, schema).items():
        value = followed(shapes, value)
        inner, kind = value, "object"
        if value.get("type") == "array":
            inner, kind = followed(shapes, value.get("items", {})), "list"
        elif isinstance(value.get("additionalProperties"), dict):
            inner, kind = followed(shapes, value["additionalProperties"]), "map"
        here = (*way, Step(name, kind))
        if properties(shapes, inner) and not _by_end(here, SAMPLES):
            yield from leaves(shapes, inner, here)
        else:
            yield here, value


def _dotted(way: tuple[Step, ...]) -> str:
    return ".".join(step.name for step in way)


def _by_end(way: tuple[Step, ...], table: Mapping[str, Any]) -> Any:
    names = [step.name for step in way]
    for first in range(len(names)):
        if (found := table.get(".".join(names[first:]))) is not None:
            return found
    return None


def _sample(shapes: Mapping[str, Any], way: tuple[Step, ...], schema: Mapping[str, Any]) -> Any:
    given = _by_end(way, SAMPLES)
    if given is not None:
        return given
    schema = followed(shapes, schema)
    if any(schema.get("enum", ())):
        return next(value for value in reversed(schema["enum"]) if value)
    kind = schema.get("type")
    if kind == "array":
        return [_sample(shapes, way, schema.get("items", {}))]
    if kind == "object" or "additionalProperties" in schema:
        extra = schema.get("additionalProperties")
        return {"x": _sample(shapes, way, extra) if isinstance(extra, dict) else "x"}
    return {"integer": 7, "number": 7, "boolean": True}.get(str(kind), "x")


def body_of(way: tuple[Step, ...], value: Any, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with this field and what it needs beside it. Without a value: what it needs alone."""
    found: dict[str, Any] = dict(base)
    owner = found
    for depth, step in enumerate(way):
        owner |= WITHIN.get(_dotted(way[:depth]), {})
        owner |= BESIDE.get(_dotted(way[: depth + 1]), {})
        if depth == len(way) - 1:
            owner.pop(step.name, None)
            owner |= {} if value is None else {step.name: value}
        else:
            inner: dict[str, Any] = {}
            owner[step.name] = {"list": [inner], "map": {"x": inner}, "object": inner}[step.kind]
            owner = inner
    return found


def field_row(body: Body, operation: str, way: tuple[Step, ...], value: Any) -> Row:
    """Return how the engine takes one field of a body."""
    name = _dotted(way)
    try:
        without = body.parse(Fields(body_of(way, None, body.base)))
    except BerthError:
        without = None
    try:
        taken = body.parse(Fields(body_of(way, value, body.base)))
    except BerthError as error:
        return Row(name, REFUSED, f"{status_of(error)} {error}")
    if taken != without:
        return Row(name, TAKEN)
    return _dropped(f"{operation} {name}", name)


def _dropped(key: str, name: str) -> Row:
    reason = MEANINGLESS.get(key) or MEANINGLESS.get(re.sub(r"[^. ]+\Z", "*", key))
    return Row(name, DROPPED, reason) if reason else Row(name, PROBLEM)


# ---- the whole -------------------------------------------------------------------------------------------------------


def operations() -> list[Operation]:
    """Return what Berth makes of every operation of the definition, in its order."""
    shapes, routes = definition(), {_shape(*key): route for key, route in engine_routes().items()}
    found = []
    for path, methods in sorted(shapes["paths"].items()):
        for method, operation in sorted(methods.items()):
            route = routes.get(_shape(method.upper(), path))
            found.append(_operation(shapes, method.upper(), path, operation, route))
    return found


def _shape(method: str, path: str) -> tuple[str, str]:
    return method, re.sub(r"\{\w+\}", "{}", path)


def _operation(
    shapes: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any], route: Route | None
) -> Operation:
    if route is None:
        return Operation(method, path, PROBLEM, "no route", "", ())
    refusal = _refusal(route)
    if refusal:
        return Operation(method, path, REFUSED, refusal, route.since, ())
    read = {name.lower(): state for name, state in read_by(route.handler).items()}
    key, rows = f"{method} {path}", []
    for parameter in operation["parameters"]:
        name = parameter["name"]
        if parameter["in"] == "body" and key in BODIES:
            for way, schema in leaves(shapes, parameter["schema"]):
                rows.append(field_row(BODIES[key], key, way, _sample(shapes, way, schema)))
        elif parameter["in"] in ("query", "header"):
            state = read.get(name.lower())
            rows.append(Row(f"?{name}", state) if state else _dropped(f"{key} ?{name}", f"?{name}"))
    return Operation(method, path, TAKEN, "", route.since, tuple(rows))


def _refusal(route: Route) -> str:
    """Return what a route answers that refuses whatever it is asked; "" for one that does something."""
    names = {"id": "ID", "name": "NAME"}
    call: Any = type("_Call", (), {"path": names, "scope": None, "version": NEWEST})()
    whole = route.handler.__module__ == unsupported.__name__ or _only_raises(route.handler)
    if not whole:
        return ""
    try:
        reply = route.handler(call)
    except BerthError as error:
        return f"{status_of(error)} {error}"
    return f"{reply.status} {reply.body.decode().strip()}" if isinstance(reply.body, bytes) else str(reply.status)


def _only_raises(handler: Callable[..., Any]) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(handler, "__func__", handler)))))
    body = [node for node in getattr(tree.body[0], "body", []) if not isinstance(node, ast.Expr)]
    return len(body) == 1 and isinstance(body[0], ast.Raise)


_HEAD = """# Docker's API, path by path

Every path, parameter and body field of the Engine API v{version}, and what Berth makes of it. This page is generated
(`make docs`): from the engine's own routes, from what their handlers read, and by sending each field alone through the
engine's parser; a test compares. Nothing is dropped in silence: what is not done is refused by its name.

{counts}

"""


def render(found: list[Operation]) -> str:
    """Return the page."""
    rows = [row for operation in found for row in operation.rows]
    counts = (
        f"{sum(o.state == TAKEN for o in found)} operations are served, {sum(o.state == REFUSED for o in found)} "
        f"answer that they are not (as a Docker answers that is in no swarm, or with 501). Of {len(rows)} parameters "
        f"and fields of the former {sum(r.state == TAKEN for r in rows)} are supported, "
        f"{sum(r.state == REFUSED for r in rows)} refused by name, {sum(r.state == DROPPED for r in rows)} have no "
        "meaning here (the reason is beside them)."
    )
    text = _HEAD.format(version=definition()["version"], counts=counts) + "## Served\n"
    for operation in found:
        if operation.state == TAKEN:
            since = f" (since v{operation.since})" if operation.since != "1.24" else ""
            text += f"\n### {operation.method} {operation.path}{since}\n"
            text += _rows(operation.rows)
    text += "\n## Not served\n\n| path | answer |\n| --- | --- |\n"
    for operation in found:
        if operation.state != TAKEN:
            text += f"| {operation.method} {operation.path} | {_cell(operation.words)} |\n"
    return text


def _rows(rows: tuple[Row, ...]) -> str:
    taken = [f"`{row.name}`" for row in rows if row.state == TAKEN]
    text = "\n" + textwrap.fill(f"Supported: {', '.join(taken)}.", 118, break_on_hyphens=False) + "\n" if taken else ""
    others = [row for row in rows if row.state != TAKEN]
    if others:
        text += "\n| not so | how | answer or reason |\n| --- | --- | --- |\n"
        text += "".join(f"| `{row.name}` | {row.state} | {_cell(row.words)} |\n" for row in others)
    return text


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def main() -> None:
    """Print the page."""
    sys.stdout.write(render(operations()))


if __name__ == "__main__":
    main()
