"""The configuration document of an image: JSON of others in, values out; and ours out.

Docker's image spec v1.2 and OCI's image spec (config.md) are the same here. Documents come from strangers: whatever
has the wrong type is an InvalidArgument that names the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.errors import InvalidArgument
from engine.images.model import HistoryEntry
from engine.refs import check_digest
from engine.values import HealthConfig, ImageConfig

LIMIT = 4 << 20
"""Bytes: a larger configuration is refused."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class ImageDocument:
    """A parsed configuration document."""

    config: ImageConfig
    diff_ids: tuple[str, ...]
    architecture: str
    os: str
    variant: str = ""
    os_version: str = ""
    created: str = ""
    author: str = ""
    comment: str = ""
    docker_version: str = ""
    history: tuple[HistoryEntry, ...] = ()


def parse_document(data: bytes) -> ImageDocument:
    """Return the values of a configuration document, or raise InvalidArgument that says what is wrong with it."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"invalid image configuration: {error}") from error
    root = _Object(raw, "")
    rootfs = root.object("rootfs")
    if rootfs.text("type") != "layers":
        raise InvalidArgument("invalid image configuration: rootfs.type is not `layers`")
    return ImageDocument(
        config=parse_config(root.raw("config") or {}),
        diff_ids=tuple(check_digest(d) for d in rootfs.texts("diff_ids") or ()),
        architecture=root.text("architecture"),
        os=root.text("os") or "linux",
        variant=root.text("variant"),
        os_version=root.text("os.version"),
        created=root.text("created"),
        author=root.text("author"),
        comment=root.text("comment"),
        docker_version=root.text("docker_version"),
        history=tuple(_history(entry) for entry in root.objects("history")),
    )


def parse_config(raw: Any) -> ImageConfig:
    """Return the `config` part: what containers take over."""
    config = _Object(raw, "config")
    return ImageConfig(
        user=config.text("User"),
        env=config.texts("Env") or (),
        cmd=config.texts("Cmd"),
        entrypoint=config.texts("Entrypoint"),
        working_dir=config.text("WorkingDir"),
        labels=config.strings("Labels"),
        exposed_ports=tuple(config.object("ExposedPorts").value),
        volumes=tuple(config.object("Volumes").value),
        stop_signal=config.text("StopSignal"),
        healthcheck=_healthcheck(config.object("Healthcheck")) if config.raw("Healthcheck") else None,
        shell=config.texts("Shell"),
        on_build=config.texts("OnBuild"),
        args_escaped=bool(config.raw("ArgsEscaped")),
    )


def render_config(config: ImageConfig) -> dict[str, Any]:
    """Return the `config` part as JSON; what is empty is left out, as Docker does."""
    health = config.healthcheck
    parts: dict[str, Any] = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Env": list(config.env),
        "Entrypoint": _listed(config.entrypoint),
        "Cmd": _listed(config.cmd),
        "Healthcheck": health and _render_health(health),
        "ArgsEscaped": config.args_escaped,
        "Volumes": {volume: {} for volume in config.volumes},
        "WorkingDir": config.working_dir,
        "OnBuild": _listed(config.on_build),
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "Shell": _listed(config.shell),
    }
    return {name: value for name, value in parts.items() if value}


def render_document(document: ImageDocument) -> bytes:
    """Return the configuration document of an image that is made here; its digest is the image's id."""
    value: dict[str, Any] = {
        "architecture": document.architecture,
        "config": render_config(document.config),
        "created": document.created,
        "history": [_render_history(entry) for entry in document.history],
        "os": document.os,
        "rootfs": {"type": "layers", "diff_ids": list(document.diff_ids)},
    }
    for name in ("variant", "author", "comment"):
        if text := getattr(document, name):
            value[name] = text
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def parse_time(text: str) -> int:
    """Return an RFC 3339 time in nanoseconds since the epoch; 0 for none and for what is no time."""
    match = _TIME.fullmatch(text)
    if not match:
        return 0
    try:
        moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    except ValueError:
        return 0
    if moment.year < 1970:
        return 0
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000_000 + int(f"{match[2] or '':0<9}")


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _healthcheck(value: _Object) -> HealthConfig:
    return HealthConfig(
        test=value.texts("Test") or (),
        interval=value.integer("Interval"),
        timeout=value.integer("Timeout"),
        retries=value.integer("Retries"),
        start_period=value.integer("StartPeriod"),
        start_interval=value.integer("StartInterval"),
    )


def _render_health(health: HealthConfig) -> dict[str, Any]:
    parts = {
        "Test": list(health.test),
        "Interval": health.interval,
        "Timeout": health.timeout,
        "StartPeriod": health.start_period,
        "StartInterval": health.start_interval,
        "Retries": health.retries,
    }
    return {name: value for name, value in parts.items() if value}


def _history(entry: _Object) -> HistoryEntry:
    return HistoryEntry(
        created=entry.text("created"),
        created_by=entry.text("created_by"),
        comment=entry.text("comment"),
        author=entry.text("author"),
        empty_layer=bool(entry.raw("empty_layer")),
    )


def _render_history(entry: HistoryEntry) -> dict[str, Any]:
    parts = {
        "created": entry.created,
        "created_by": entry.created_by,
        "comment": entry.comment,
        "author": entry.author,
        "empty_layer": entry.empty_layer,
    }
    return {name: value for name, value in parts.items() if value}


class _Object:
    """A JSON object of a stranger: typed access, and errors that name the field."""

    def __init__(self, value: Any, name: str) -> None:
        self._name = name
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._wrong("", "an object")
        self.value: Mapping[str, Any] = value

    def raw(self, field: str) -> Any:
        return self.value.get(field)

    def object(self, field: str) -> _Object:
        return _Object(self.raw(field), self._full(field))

    def objects(self, field: str) -> list[_Object]:
        return [_Object(item, self._full(field)) for item in self._list(field) or ()]

    def text(self, field: str) -> str:
        value = self.raw(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(field, "a string")
        return value

    def integer(self, field: str) -> int:
        value = self.raw(field)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(field, "an integer")
        return value

    def texts(self, field: str) -> tuple[str, ...] | None:
        found = self._list(field)
        if found is None:
            return None
        if not all(isinstance(item, str) for item in found):
            raise self._wrong(field, "a list of strings")
        return tuple(found)

    def strings(self, field: str) -> dict[str, str]:
        found = self.object(field).value
        if not all(isinstance(item, str) for item in found.values()):
            raise self._wrong(field, "an object of strings")
        return dict(found)

    def _list(self, field: str) -> list[Any] | None:
        value = self.raw(field)
        if value is not None and not isinstance(value, list):
            raise self._wrong(field, "a list")
        return value

    def _full(self, field: str) -> str:
        return f"{self._name}.{field}".strip(".")

    def _wrong(self, field: str, expected: str) -> InvalidArgument:
        return InvalidArgument(f"invalid image configuration: {self._full(field) or 'document'} must be {expected}")
