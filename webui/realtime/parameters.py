"""What clients send on the live channel, checked field by field; Invalid names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.errors import Invalid

_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_MAX_WORDS = 64


def text(data: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return a text field."""
    value = data.get(name, default)
    if value is None:
        return default
    if not isinstance(value, str):
        raise Invalid(f"{name} is a text", field=name)
    return value


def number(data: Mapping[str, Any], name: str, least: int, most: int, default: int | None = None) -> int:
    """Return a whole number between two bounds."""
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Invalid(f"{name} is a number from {least} to {most}", field=name)
    return value


def container(data: Mapping[str, Any]) -> str:
    """Return the field `id`: a container's id or name, nothing that could be a path."""
    value = text(data, "id")
    if not _CONTAINER.fullmatch(value):
        raise Invalid("id is a container's id or name", field="id")
    return value


def terminal(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `terminal.open`."""
    words = data.get("cmd")
    if words is not None and (
        not isinstance(words, list) or len(words) > _MAX_WORDS or not all(isinstance(w, str) for w in words)
    ):
        raise Invalid("cmd is a list of texts", field="cmd")
    return {
        "host": text(data, "host", "local"),
        "id": container(data),
        "cmd": words or None,
        "user": text(data, "user"),
        "cols": number(data, "cols", 1, 1000, 80),
        "rows": number(data, "rows", 1, 1000, 24),
    }
