"""The filters of `docker images` and `docker image prune`, as pure predicates."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Mapping, Sequence

from engine.errors import InvalidArgument
from engine.images.config import parse_time
from engine.images.model import Image
from engine.refs import Reference

Filters = Mapping[str, Sequence[str]]
ALLOWED = frozenset("before dangling label label! reference since until".split())
PRUNE_ALLOWED = frozenset("dangling label label! until".split())
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")

Names = tuple[Reference, ...]


def compile_filters(filters: Filters, lookup: Callable[[str], Image]) -> Callable[[Image, Names], Names | None]:
    """Return a function that gives the names under which an image is listed, None where it is not.

    `lookup` finds the image that a `before` or `since` value means. InvalidArgument for what Docker refuses.
    """
    _check_names(filters, ALLOWED)
    tests = _common(filters)
    for name, later in (("before", False), ("since", True)):
        for mark in (lookup(value) for value in filters.get(name, ())):
            tests.append(_by_age(mark, later))
    dangling = _boolean(filters, "dangling")
    patterns = filters.get("reference", ())

    def names_of(image: Image, names: Names) -> Names | None:
        if not all(test(image) for test in tests):
            return None
        if dangling is not None and dangling is bool(names):
            return None
        if patterns:
            names = tuple(name for name in names if any(matches(name, pattern) for pattern in patterns))
            return names or None
        return names

    return names_of


def compile_prune(filters: Filters) -> Callable[[Image, Names], bool]:
    """Return the predicate of what `docker image prune` may take: what has no name, unless `dangling=false`."""
    _check_names(filters, PRUNE_ALLOWED)
    tests = _common(filters)
    dangling = _boolean(filters, "dangling") is not False
    return lambda image, names: not (dangling and names) and all(test(image) for test in tests)


def matches(name: Reference, pattern: str) -> bool:
    """Say whether a name fits a pattern as users write it: `busybox`, `*/app:1.*` (a `*` doesn't cross a slash)."""
    candidates = {name.familiar, name.familiar_name, str(name), name.name}
    compiled = re.compile(fnmatch.translate(pattern).replace(".*", "[^/]*").replace("(?s:", "(?:"))
    return any(compiled.match(candidate) for candidate in candidates)


def _check_names(filters: Filters, allowed: frozenset[str]) -> None:
    for name in filters:
        if name not in allowed:
            raise InvalidArgument(f"invalid filter '{name}'")


def _common(filters: Filters) -> list[Callable[[Image], bool]]:
    tests: list[Callable[[Image], bool]] = []
    for wanted in filters.get("label", ()):
        tests.append(lambda image, wanted=wanted: _has_label(image, wanted))  # type: ignore[misc]
    for unwanted in filters.get("label!", ()):
        tests.append(lambda image, unwanted=unwanted: not _has_label(image, unwanted))  # type: ignore[misc]
    for value in filters.get("until", ()):
        limit = _moment_ns(value)
        tests.append(lambda image, limit=limit: image.created_ns < limit)  # type: ignore[misc]
    return tests


def _by_age(mark: Image, later: bool) -> Callable[[Image], bool]:
    if later:
        return lambda image: image.created_ns > mark.created_ns
    return lambda image: image.created_ns < mark.created_ns


def _has_label(image: Image, wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in image.config.labels and (not equals or image.config.labels[key] == value)


def _boolean(filters: Filters, name: str) -> bool | None:
    values = {value.lower() for value in filters.get(name, ())}
    if not values:
        return None
    if values <= {"1", "true", "t"}:
        return True
    if values <= {"0", "false", "f"}:
        return False
    raise InvalidArgument(f"invalid filter '{name}={sorted(values)}'")


def _moment_ns(text: str) -> int:
    """Return the moment of a Go duration before now, a Unix time or an RFC 3339 time."""
    if _DURATION.fullmatch(text):
        seconds = sum(float(n) * _UNITS[u] for n, u in re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text))
        return time.time_ns() - int(seconds * 1e9)
    if re.fullmatch(r"\d+(?:\.\d{1,9})?", text):
        return int(float(text) * 1e9)
    for candidate in (text, f"{text}Z", f"{text}T00:00:00Z", f"{text}:00Z"):
        if moment := parse_time(candidate):
            return moment
    raise InvalidArgument(f'failed to parse value as time or duration: "{text}"')
