"""The filters of `ps`, as pure predicates: AND over the names, OR over the values of one (labels: AND)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from engine.containers.model import Container, Status
from engine.errors import InvalidArgument

Filters = Mapping[str, Sequence[str]]

ALLOWED = frozenset(
    "ancestor before exited expose health id is-task isolation label name network publish since status volume".split()
)
_HEALTH = ("starting", "healthy", "unhealthy", "none")


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the predicates need to know of other objects."""

    container: Callable[[str], Container]
    """The container that a `before` or `since` value means; NotFound if there is none."""
    descendants: Callable[[str], Collection[str]]
    """Ids of the image that an `ancestor` value means, and of the images built on it."""


def compile_filters(filters: Filters, lookups: Lookups) -> Callable[[Container], bool]:
    """Return the predicate of these filters; InvalidArgument for a name or value that Docker refuses."""
    for name in filters:
        if name not in ALLOWED:
            raise InvalidArgument(f"invalid filter '{name}'")
    tests = [test for test in (_compile_one(name, values, lookups) for name, values in filters.items()) if test]
    return lambda container: all(test(container) for test in tests)


def asks_for_stopped(filters: Filters) -> bool:
    """Say whether these filters mean stopped containers too, without `all`."""
    return bool(filters.keys() & {"status", "exited"})


def _compile_one(name: str, values: Sequence[str], lookups: Lookups) -> Callable[[Container], bool] | None:
    match name:
        case "id":
            wanted_ids = [_pattern(v) for v in values]
            return lambda c: any(p.search(c.id) for p in wanted_ids)
        case "name":
            patterns = [_pattern(v) for v in values]
            return lambda c: any(p.search(c.name) or p.search(f"/{c.name}") for p in patterns)
        case "label":
            return lambda c: all(has_label(c.config.labels, v) for v in values)
        case "status":
            return _status(values)
        case "exited":
            codes = {_integer("exited", v) for v in values}
            return lambda c: c.state.exit_code in codes and not c.state.is_running and c.state.started_ns > 0
        case "health":
            return _health(values)
        case "before" | "since":
            return _age(name, [lookups.container(v) for v in values])
        case "ancestor":
            ids = {i for v in values for i in lookups.descendants(v)}
            return lambda c: c.image_id in ids or c.config.image in values
        case "volume":
            return lambda c: any(v in (m.name, m.source, m.destination) for m in c.mounts for v in values)
        case "network":
            return lambda c: any(_in_network(c, v) for v in values)
        case "publish":
            ports = _ports(values)
            return lambda c: any((p.host_port, p.protocol) in ports for p in (*c.ports, *c.host_config.port_bindings))
        case "expose":
            ports = _ports(values)
            return lambda c: any((int(k.partition("/")[0]), k.partition("/")[2] or "tcp") in ports for k in _exposed(c))
        case "is-task":
            wanted = {v.lower() in ("1", "true") for v in values}
            return lambda c: False in wanted
        case _:
            return None


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Say whether `labels` meet `key` or `key=value`."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _pattern(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except re.error:
        return re.compile(fnmatch.translate(value))


def _status(values: Sequence[str]) -> Callable[[Container], bool]:
    for value in values:
        if value not in {s.value for s in Status}:
            raise InvalidArgument(f"invalid filter 'status={value}'")
    return lambda c: c.state.status.value in values


def _health(values: Sequence[str]) -> Callable[[Container], bool]:
    for value in values:
        if value not in _HEALTH:
            raise InvalidArgument(f"invalid filter 'health={value}'")
    return lambda c: (c.state.health.status if c.state.health else "none") in values


def _age(name: str, marks: Sequence[Container]) -> Callable[[Container], bool]:
    if name == "before":
        return lambda c: all(c.created_ns < mark.created_ns for mark in marks)
    return lambda c: all(c.created_ns > mark.created_ns for mark in marks)


def _in_network(container: Container, wanted: str) -> bool:
    joined = {e.network_name for e in container.endpoints} | {e.network_id for e in container.endpoints}
    asked = {e.network for e in container.networks} | {container.host_config.network_mode}
    return wanted in joined | asked


def _exposed(container: Container) -> set[str]:
    return {*container.config.exposed_ports, *(p.key for p in container.host_config.port_bindings)}


def _ports(values: Sequence[str]) -> set[tuple[int, str]]:
    ports: set[tuple[int, str]] = set()
    for value in values:
        numbers, _, protocol = value.partition("/")
        first, _, last = numbers.partition("-")
        low = _integer("port", first)
        high = _integer("port", last) if last else low
        if not 0 < low <= high <= 65535:
            raise InvalidArgument(f"invalid port range: {value}")
        ports.update((port, protocol or "tcp") for port in range(low, high + 1))
    return ports


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f"invalid filter '{name}={text}': expected an integer") from None
