"""Requests made of the definition's own paths, parameters and fields, and of nonsense, against a real engine.

Bounded: BERTH_FUZZ_EXAMPLES requests (default 400), the same ones each run; BERTH_FUZZ_SEED draws others. What is
checked of each answer: no 500, the error's shape, the definition's shape; of the engine: alive, nothing left behind.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.contract.api import shapes
from tests.support.docker_cli import UnixConnection, eventually
from tests.support.instance import Instance

_EXAMPLES = int(os.environ.get("BERTH_FUZZ_EXAMPLES", "400"))
_SEED = int(os.environ.get("BERTH_FUZZ_SEED", "1"))
_AWAY = (
    # They speak to registries, or a build would run what it is told.
    "/images/create", "/images/{name}/push", "/auth", "/distribution/{name}/json", "/images/search", "/build",
    "/session", "/grpc",
)  # fmt: skip
_FINE = (501, 503)
_READ = 65536

_WORDS = ("", "x", "fuzzed", "nobody", "a:b", "é☃", "a\x00b", "..", "../..", "%2e%2e", "-1", "0", "1", "true", "{}",
          "[]", "9" * 30, "a" * 300, "x/y", "latest", "busybox:latest", "always", "json-file", "10m",
          "1970-01-01", "1e400")  # fmt: skip
_TEXT = st.sampled_from(_WORDS)
_NUMBER = st.sampled_from((0, 1, -1, 7, 1 << 26, 2**31, -(2**31), 2**63 - 1, 2**63, -(2**63) - 1))
_JUNK = st.one_of(_TEXT, _NUMBER, st.booleans(), st.none(), st.just([]), st.just({}), st.just([None]), st.just(1.5))
_FILTERS = st.dictionaries(
    st.sampled_from(("label", "name", "id", "status", "until", "since", "before", "health", "publish", "nonsense", "")),
    st.one_of(st.lists(_TEXT, max_size=2), st.dictionaries(_TEXT, st.booleans(), max_size=2), _JUNK),
    max_size=3,
).map(json.dumps)


def value_of(schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Return values for a schema: mostly of its type, at times nonsense."""
    while "$ref" in schema:
        schema = shapes.definition()["definitions"][schema["$ref"].rpartition("/")[2]]
    if depth > 4:
        return _JUNK
    properties: dict[str, Any] = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        found = part
        while "$ref" in found:
            found = shapes.definition()["definitions"][found["$ref"].rpartition("/")[2]]
        properties |= found.get("properties", {})
        for inner in found.get("allOf", ()):
            properties |= inner.get("properties", {})
    if properties:
        some = st.lists(st.sampled_from(sorted(properties)), max_size=4, unique=True)
        right: st.SearchStrategy[Any] = some.flatmap(
            lambda names: st.fixed_dictionaries({name: value_of(properties[name], depth + 1) for name in names})
        )
    elif schema.get("type") == "array":
        right = st.lists(value_of(schema.get("items", {}), depth + 1), max_size=2)
    elif isinstance(schema.get("additionalProperties"), dict):
        right = st.dictionaries(_TEXT, value_of(schema["additionalProperties"], depth + 1), max_size=2)
    elif any(schema.get("enum", ())):
        right = st.sampled_from(schema["enum"])
    else:
        right = {"integer": _NUMBER, "boolean": st.booleans(), "string": _TEXT}.get(str(schema.get("type")), _JUNK)
    return st.one_of(right, right, right, _JUNK)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Draw (method, target, body)."""
    paths = shapes.definition()["paths"]
    template = draw(st.sampled_from([path for path in sorted(paths) if path not in _AWAY]))
    method = draw(st.sampled_from(sorted(paths[template])))
    path, query, body = template, {}, b""
    for parameter in paths[template][method]["parameters"]:
        name, place = parameter["name"], parameter["in"]
        if place == "path":
            word = draw(st.sampled_from(("fuzzed", "fuzzed", "busybox", "bridge", *_WORDS[1:])))
            path = path.replace(f"{{{name}}}", quote(word, safe=draw(st.sampled_from(("", "/")))))
        elif place == "query" and draw(st.booleans()):
            drawn = _FILTERS if name == "filters" and draw(st.booleans()) else st.one_of(_TEXT, _NUMBER)
            query[name] = draw(drawn)
        elif place == "body":
            schema = parameter.get("schema", {})
            body = draw(st.one_of(value_of(schema).map(lambda v: json.dumps(v).encode()), st.binary(max_size=20)))
    version = draw(st.sampled_from(("/v1.50", "/v1.50", "", "/v1.24", "/v1.41")))
    return method.upper(), f"{version}{path}" + (f"?{urlencode(query)}" if query else ""), body


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Instance]:
    """An engine of its own, with its seed image, a running container and an exited one."""
    instance = Instance()
    try:
        instance.start("engine")
        eventually(lambda: ask(instance, "GET", "/images/busybox/json", b"")[0] == 200, 30)
        body = json.dumps({"Image": "busybox", "Cmd": ["sleep", "1000"], "OpenStdin": True}).encode()
        assert ask(instance, "POST", "/containers/create?name=fuzzed", body)[0] == 201
        assert ask(instance, "POST", "/containers/fuzzed/start", b"")[0] == 204
        yield instance
    finally:
        left = instance.destroy()
    assert not left, f"left behind by the engine: {left}"


def ask(instance: Instance, method: str, target: str, body: bytes) -> tuple[int, str, bytes]:
    """Send one request; return status, type and the answer's beginning (a stream may have no end)."""
    connection = UnixConnection(str(instance.admin_socket), timeout=30)
    try:
        connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        assert connection.sock is not None
        connection.sock.settimeout(0.2)
        try:
            data = response.read(_READ)
        except (TimeoutError, http.client.IncompleteRead):
            data = b""
        return response.status, response.headers.get("Content-Type", ""), data
    finally:
        connection.close()


@seed(_SEED)
@settings(
    max_examples=_EXAMPLES, deadline=None, database=None, derandomize=_SEED == 1,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(request=requests())
def test_no_request_breaks_the_engine(fuzzed: Instance, request: tuple[str, str, bytes]) -> None:
    method, target, body = request
    status, kind, data = ask(fuzzed, method, target, body)
    assert status < 500 or status in _FINE, (status, data[:300])
    if status >= 400 and method != "HEAD":
        assert kind.startswith("application/json"), (status, kind)
        assert isinstance(json.loads(data)["message"], str)
    path = target.partition("?")[0]
    newest = not path.startswith(("/v1.24/", "/v1.41/"))  # older answers have members that the definition dropped
    if newest and kind.startswith("application/json") and 200 <= status < 300 and len(data) < _READ and data:
        assert shapes.problems(method, path, status, data) == []
    assert fuzzed.process is not None
    assert fuzzed.process.poll() is None, "the engine has ended"
