"""A volume as a value, the rules of its names, and Docker's filters over volumes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from engine.errors import InvalidArgument, Unsupported

LOCAL = "local"
LIST_FILTERS = ("dangling", "driver", "label", "name")
PRUNE_FILTERS = ("all", "label", "label!")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")
_LONGEST = 255

Filters = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume. `anonymous`: made for a container without a name given; goes with it by `rm -v`."""

    namespace: str
    name: str
    driver: str = LOCAL
    created_ns: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False
    created_by: str = ""


def check_name(name: str) -> str:
    """Return a volume name that may be used; InvalidArgument with Docker's text otherwise."""
    if len(name) == 1:
        raise InvalidArgument(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.match(name) or len(name) > _LONGEST:
        raise InvalidArgument(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    return name


def check_driver(driver: str, options: Mapping[str, str]) -> None:
    """Raise Unsupported for drivers and driver options that Berth does not have."""
    if driver not in ("", LOCAL):
        raise Unsupported(f'volume driver "{driver}" is not supported: local is')
    if options:
        raise Unsupported(f'the option "{min(options)}" of the local volume driver is not supported')


def matches(volume: Volume, filters: Filters, is_used: Callable[[Volume], bool]) -> bool:
    """Say whether a volume passes: any value of a filter, but every label."""
    tests: dict[str, Callable[[str], bool]] = {
        "dangling": lambda value: (value.lower() in ("1", "true")) != is_used(volume),
        "driver": lambda value: volume.driver == value,
        "name": lambda value: value in volume.name,
    }
    if not has_labels(volume.labels, filters.get("label", ())):
        return False
    return all(any(tests[name](value) for value in values) for name, values in filters.items() if name in tests)


def may_prune(volume: Volume, filters: Filters) -> bool:
    """Say whether prune takes the volume where nobody uses it: anonymous ones, all of them with `all=true`."""
    everything = any(value.lower() in ("1", "true") for value in filters.get("all", ()))
    if not (volume.anonymous or everything) or not has_labels(volume.labels, filters.get("label", ())):
        return False
    return not any(has_labels(volume.labels, (entry,)) for entry in filters.get("label!", ()))


def has_labels(labels: Mapping[str, str], wanted: Iterable[str]) -> bool:
    """Say whether all of `wanted` (`key` or `key=value`) are among the labels."""
    for entry in wanted:
        key, has_value, value = entry.partition("=")
        if key not in labels or (has_value and labels[key] != value):
            return False
    return True
