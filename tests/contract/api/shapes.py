"""Checks answers against the shapes of the Engine API definition (`shapes.json`, by scripts/extract_api_shapes.py).

Stricter than a JSON schema validator: a property that the definition does not have is a problem too. Looser in one
place: null is taken for arrays and objects, since Go writes empty ones so and every client reads them so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("shapes.json")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
# Written by Docker itself and by us, though its definition has it not: definition → properties.
_LEGACY: Mapping[str, frozenset[str]] = {
    "EventMessage": frozenset(("status", "id", "from")),
    "ContainerConfig": frozenset(("MacAddress",)),
}
# Pointers in Docker's own code, null where there is nothing to say, though its definition doesn't tell.
_NULL = frozenset((".MemorySwappiness", ".OomKillDisable", ".ExitCode"))
_OURS = "berth"
"""Properties that begin so are our extension."""
_LINES = ("/events", "/images/create", "/images/load", "/images/{name}/push", "/containers/{id}/stats", "/build")


@cache
def definition() -> dict[str, Any]:
    """Return the committed shapes."""
    found: dict[str, Any] = json.loads(_FILE.read_text())
    return found


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    found = []
    for path in sorted(definition()["paths"], key=lambda p: (p.count("{"), -len(p))):
        pattern = re.sub(r"\\\{(\w+)\\\}", lambda m: ".+" if m[1] == "name" else "[^/]+", re.escape(path))
        found.append((re.compile(pattern + r"\Z"), path))
    return found


def template_of(path: str) -> str | None:
    """Return the definition's path template for a request's path (with or without `/v1.NN`), None if it has none."""
    bare = re.sub(r"\A/v\d+\.\d+(?=/)", "", path)
    return next((template for pattern, template in _patterns() if pattern.match(bare)), None)


def problems(method: str, path: str, status: int, body: bytes) -> list[str]:
    """Return what is wrong with an answer; paths outside the definition have no shape."""
    template = template_of(path)
    operation = definition()["paths"].get(template, {}).get(method.lower()) if template else None
    if operation is None:
        return []
    where = f"{method} {template} {status}"
    schema = operation["responses"].get(str(status))
    if schema is None:
        if status < 400:
            return [f"{where}: the definition has no such answer"]
        schema = {"$ref": "#/definitions/ErrorResponse"}
    if method == "HEAD" or status in (204, 304):
        return [f"{where}: has a body"] if body else []
    if not schema or schema.get("type") == "string":
        return []
    return [f"{where}: {problem}" for problem in _body_problems(template or "", status, schema, body)]


def _body_problems(template: str, status: int, schema: dict[str, Any], body: bytes) -> Iterator[str]:
    parts = body.splitlines() if template in _LINES and status < 400 else [body]
    for part in parts:
        try:
            value = json.loads(part)
        except ValueError:
            yield f"not JSON: {part[:80]!r}"
            continue
        yield from check(schema, value, "")


def check(schema: dict[str, Any], value: Any, at: str, name: str = "") -> Iterator[str]:
    """Yield what is wrong with a value; `at` is where it is, `name` the definition it is of."""
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        yield from check(definition()["definitions"][target], value, at, target)
        return
    for part in schema.get("allOf", ()):
        yield from check(_open(part), value, at, name)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if value is None:
        nullable = kind in ("array", "object", None) or schema.get("x-nullable")
        if not nullable and not at.endswith(tuple(_NULL)):
            yield f"{at}: null, expected {kind}"
        return
    if kind is None:
        return
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{at}: {type(value).__name__}, expected {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if kind == "object":
        yield from _check_object(schema, value, at, name)
    elif kind == "array":
        for index, item in enumerate(value):
            yield from check(schema.get("items", {}), item, f"{at}[{index}]")


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """One part of an allOf does not know the properties of the others."""
    if "$ref" in schema:
        schema = definition()["definitions"][schema["$ref"].rpartition("/")[2]]
    return {**schema, "open": True}


def _check_object(schema: dict[str, Any], value: dict[str, Any], at: str, name: str) -> Iterator[str]:
    known = schema.get("properties")
    extra = schema.get("additionalProperties")
    for required in schema.get("required", ()):
        if required not in value:
            yield f"{at}: {required} is missing"
    for key, item in value.items():
        if known and key in known:
            yield from check(known[key], item, f"{at}.{key}")
        elif isinstance(extra, dict):
            yield from check(extra, item, f"{at}.{key}")
        elif known and not extra and not schema.get("open") and not _is_ours(name, key):
            yield f"{at}.{key}: not in the definition"


def _is_ours(name: str, key: str) -> bool:
    return key.startswith(_OURS) or key in _LEGACY.get(name, ())
