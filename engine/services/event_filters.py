"""The filters of `events`, as pure predicates: AND over the names, OR over the values of one (labels: AND)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.errors import InvalidArgument
from engine.events import Event

Filters = Mapping[str, Sequence[str]]
Predicate = Callable[[Event], bool]

_OBJECTS = ("container", "network", "volume", "daemon", "plugin", "node", "service", "secret", "config")
ALLOWED = frozenset(("event", "image", "label", "scope", "type", *_OBJECTS))
# Actions with a text behind a colon: asked for by what stands before it (moby, daemon/events/filter.go).
_WITH_TEXT = ("health_status", "exec_create", "exec_start")


def compile_filters(filters: Filters) -> Predicate:
    """Return the predicate of these filters; InvalidArgument names one that is unknown."""
    for name in filters:
        if name not in ALLOWED:
            raise InvalidArgument(f"invalid filter '{name}'")
    tests = [_compile_one(name, tuple(values)) for name, values in filters.items() if values]
    return lambda event: all(test(event) for test in tests)


def _compile_one(name: str, values: tuple[str, ...]) -> Predicate:
    match name:
        case "event":
            begins = tuple(f"{v}:" for v in values if v in _WITH_TEXT)
            return lambda e: e.action in values or e.action.startswith(begins)
        case "type":
            return lambda e: e.type in values
        case "scope":
            return lambda e: "local" in values
        case "label":
            return lambda e: all(_has_label(e.attributes, v) for v in values)
        case "image":
            return lambda e: not _image_names(e).isdisjoint(values)
        case "container":
            return lambda e: (e.type == "container" and _is_named(e, values)) or _concerns_container(e, values)
        case _:
            return lambda e: e.type == name and _is_named(e, values)


def _is_named(event: Event, values: tuple[str, ...]) -> bool:
    name = event.attributes.get("name", "")
    return any(event.actor_id.startswith(v) or name.startswith(v.removeprefix("/")) for v in values if v)


def _concerns_container(event: Event, values: tuple[str, ...]) -> bool:
    """A network's or volume's event tells its container by id."""
    container = event.attributes.get("container", "")
    return bool(container) and any(container.startswith(v) for v in values if v)


def _has_label(attributes: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in attributes and (not equals or attributes[key] == value)


def _image_names(event: Event) -> set[str]:
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    own = {event.actor_id} if event.type == "image" else set()
    return {n for full in (own | {name}) if full for n in (full, _without_tag(full))}


def _without_tag(name: str) -> str:
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition('@')[0].partition(':')[0]}" if not name.startswith("sha256:") else name
