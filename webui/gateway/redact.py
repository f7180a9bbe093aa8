"""Hides environment values from those who may see that a container exists but not its secrets. Pure."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "<hidden>"
_ENV_STEP = re.compile(r"(\bENV\s+)(.*)", re.DOTALL)


def redact(kind: str, value: Any) -> Any:
    """Return an answer of the engine (`container`, `image`, `history` or `layers`) without environment values."""
    if kind == "history":
        return [_history(entry) for entry in value] if isinstance(value, list) else value
    if not isinstance(value, dict):
        return value
    if kind == "layers":
        rows = value.get("layers")
        return {**value, "layers": [_layer(row) for row in rows]} if isinstance(rows, list) else value
    shown = dict(value)
    for name in ("Config", "ContainerConfig"):
        config = shown.get(name)
        if isinstance(config, dict) and isinstance(config.get("Env"), list):
            shown[name] = {**config, "Env": [_entry(entry) for entry in config["Env"]]}
    return shown


def _entry(entry: Any) -> str:
    name, separator, _ = str(entry).partition("=")
    return f"{name}={HIDDEN}" if separator else name


def _history(entry: Any) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("CreatedBy"), str):
        return entry
    return {**entry, "CreatedBy": _ENV_STEP.sub(rf"\1{HIDDEN}", entry["CreatedBy"])}


def _layer(row: Any) -> Any:
    if not isinstance(row, dict) or not isinstance(row.get("instruction"), str):
        return row
    return {**row, "instruction": _ENV_STEP.sub(rf"\1{HIDDEN}", row["instruction"])}
