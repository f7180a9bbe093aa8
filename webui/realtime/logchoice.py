"""Which containers a merged view of logs is of, as a browser asks for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from webui.errors import Invalid
from webui.realtime import parameters

PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_MAX_VALUES = 256


@dataclass(frozen=True, slots=True)
class Choice:
    """Which containers: kinds narrow, values of one kind add up, nothing means all of the team."""

    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Say whether an element of `GET /containers/json` is meant."""
        labels, name = row.get("Labels") or {}, name_of(row)
        return (
            (not self.ids or any(row["Id"].startswith(wanted) or wanted == name for wanted in self.ids))
            and (not self.names or any(fnmatchcase(name, pattern) for pattern in self.names))
            and (not self.labels or any(_has(labels, wanted) for wanted in self.labels))
            and (not self.projects or labels.get(PROJECT) in self.projects)
            and (not self.services or labels.get(SERVICE) in self.services)
        )


def parse_choice(data: Mapping[str, Any]) -> Choice:
    """Return the choice in a subscribe's data; Invalid names the field."""
    found = {}
    for name, one in (("ids", ""), ("names", ""), ("labels", ""), ("projects", "project"), ("services", "service")):
        values = data.get(name)
        if values is None:
            values = [data[one]] if one and data.get(one) else []
        if not isinstance(values, list) or len(values) > _MAX_VALUES or not all(_is_word(v) for v in values):
            raise Invalid(f"{name} is a list of texts", field=name)
        found[name] = tuple(sorted(values))
    return Choice(**found)


def parse_positions(data: Mapping[str, Any]) -> dict[str, int]:
    """Return the positions from which a browser goes on, by container id; Invalid names the field."""
    value = data.get("after") or {}
    if not isinstance(value, dict) or len(value) > _MAX_VALUES:
        raise Invalid("after has a position for each id", field="after")
    ids = {parameters.container({"id": key}) for key in value}
    return {key: parameters.number(value, key, 0, (1 << 63) - 1) for key in ids}


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 512


def name_of(row: Mapping[str, Any]) -> str:
    """Return a container's name, without Docker's slash."""
    return str((row.get("Names") or [""])[0]).lstrip("/")


def _has(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
