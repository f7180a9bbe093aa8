"""Builds: parameters of `POST /build`, and records, logs and cache as JSON. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine.api.codec import Fields
from engine.build.records import BuildRecord, CacheRecord
from engine.clock import render_ns
from engine.containers.model import HostConfig, Ulimit
from engine.errors import InvalidArgument, Unsupported
from engine.refs import Platform, Reference

_SECRET_LIMIT = 500 * 1024


class Query(Protocol):
    """The query of a request."""

    def text(self, name: str, default: str = "") -> str: ...
    def texts(self, name: str) -> tuple[str, ...]: ...
    def flag(self, name: str, default: bool = False) -> bool: ...
    def integer(self, name: str, default: int = 0) -> int: ...


class View(Protocol):
    """A cache record with what depends on the rest."""

    @property
    def record(self) -> CacheRecord: ...
    @property
    def shared(self) -> bool: ...
    @property
    def in_use(self) -> bool: ...
    @property
    def parent(self) -> str: ...
    @property
    def type(self) -> str: ...


def check_supported(call: Query) -> None:
    """Refuse by name what belongs to another builder, or to none here."""
    if call.text("version") not in ("", "1"):
        raise Unsupported(
            "BuildKit builds (version=2): not supported by Berth; its own builder understands the whole Dockerfile "
            "language: build with DOCKER_BUILDKIT=0"
        )
    if call.text("session"):
        raise Unsupported("build sessions (session): not supported by Berth; build with DOCKER_BUILDKIT=0")
    if call.text("outputs"):
        raise Unsupported("build outputs (outputs): not supported by Berth; the result is an image of the engine")
    if call.flag("squash"):
        raise Unsupported("squash: not supported by Berth")
    if call.text("isolation") not in ("", "default"):
        raise InvalidArgument(f"Unsupported isolation: {json.dumps(call.text('isolation'))}")


def parse_tags(texts: Sequence[str]) -> tuple[Reference, ...]:
    """Return the names that the image gets, each once."""
    found = []
    for text in filter(None, texts):
        reference = Reference.parse(text)
        if reference.digest:
            raise InvalidArgument("build tag cannot contain a digest")
        found.append(reference.with_default_tag())
    return tuple(dict.fromkeys(found))


def parse_host(call: Query) -> HostConfig:
    """Return the limits and modes of the steps' containers."""
    shm = call.integer("shmsize")
    if shm < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    return HostConfig(
        network_mode=call.text("networkmode") or "default",
        extra_hosts=tuple(filter(None, call.texts("extrahosts"))),
        shm_size=shm,
        memory=call.integer("memory"),
        memory_swap=call.integer("memswap"),
        cpu_shares=call.integer("cpushares"),
        cpu_period=call.integer("cpuperiod"),
        cpu_quota=call.integer("cpuquota"),
        cpuset_cpus=call.text("cpusetcpus"),
        cpuset_mems=call.text("cpusetmems"),
        cgroup_parent=call.text("cgroupparent"),
        security_opt=tuple(_json(call, "securityopt", list) or ()),
        ulimits=tuple(_ulimit(entry) for entry in _json(call, "ulimits", list) or ()),
    )


def parse_platform(text: str) -> str:
    """Return the platform asked for, "" for none."""
    return str(Platform.parse(text)) if text else ""


def parse_args(call: Query) -> dict[str, str | None]:
    """Return `buildargs`; null: declared without a value."""
    found = _json(call, "buildargs", dict) or {}
    if not all(value is None or isinstance(value, str) for value in found.values()):
        raise InvalidArgument("buildargs: expected an object of strings")
    return found


def parse_labels(call: Query) -> dict[str, str]:
    """Return `labels`."""
    found = _json(call, "labels", dict) or {}
    return Fields({"labels": found}).mapping("labels")


def parse_cache_from(call: Query) -> tuple[str, ...]:
    """Return `cachefrom`: names of images."""
    found = _json(call, "cachefrom", list) or []
    if not all(isinstance(name, str) for name in found):
        raise InvalidArgument("cachefrom: expected an array of strings")
    return tuple(found)


def parse_registries(header: str) -> dict[str, dict[str, str]]:
    """Return the credentials by registry of X-Registry-Config; none where it is unreadable, as Docker takes it."""
    found = _encoded(header)
    return {name: dict(value) for name, value in found.items() if isinstance(value, dict)}


def parse_secrets(header: str) -> dict[str, bytes]:
    """Return the secrets of Berth-Build-Secrets: base64 of a JSON object, id → base64 of the value."""
    if not header:
        return {}
    found = _encoded(header)
    try:
        secrets = {name: base64.b64decode(value, validate=True) for name, value in found.items()}
    except (binascii.Error, TypeError, ValueError):
        raise InvalidArgument("Berth-Build-Secrets: expected base64 of a JSON object of base64 values") from None
    if not secrets or sum(map(len, secrets.values())) > _SECRET_LIMIT:
        raise InvalidArgument("Berth-Build-Secrets: expected base64 of a JSON object of base64 values")
    return secrets


def render_build(build: BuildRecord) -> dict[str, Any]:
    """Return a build's record."""
    return {
        "Id": build.id,
        "Namespace": build.namespace,
        "Status": str(build.status),
        "CreatedAt": render_ns(build.created_ns),
        "FinishedAt": render_ns(build.finished_ns),
        "Tags": list(build.tags),
        "Target": build.target,
        "Dockerfile": build.dockerfile,
        "Source": build.source,
        "Image": build.image_id,
        "Error": build.error,
        "Steps": {"Total": build.steps, "Done": build.done, "Cached": build.cached},
        "By": build.by,
    }


def render_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of a build's log."""
    return {**event, "time": render_ns(event["time"])}


def render_cache(view: View) -> dict[str, Any]:
    """Return a line of `docker system df -v`."""
    record = view.record
    value: dict[str, Any] = {
        "ID": record.id,
        "Type": view.type,
        "Description": record.text,
        "InUse": view.in_use,
        "Shared": view.shared,
        "Size": record.size,
        "CreatedAt": render_ns(record.created_ns),
        "LastUsedAt": render_ns(record.used_ns),
        "UsageCount": record.uses,
    }
    return {**value, "Parents": [view.parent]} if view.parent else value


def _json(call: Query, name: str, kind: type) -> Any:
    text = call.text(name)
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"error reading {name}: {error}") from error
    if found is not None and not isinstance(found, kind):
        raise InvalidArgument(f"error reading {name}: expected {'an array' if kind is list else 'an object'}")
    return found


def _ulimit(entry: Any) -> Ulimit:
    fields = Fields(entry if isinstance(entry, dict) else {}, "ulimits")
    name = fields.text("Name")
    if not name:
        raise InvalidArgument("ulimits: a ulimit needs a name")
    return Ulimit(name, fields.integer("Soft"), fields.integer("Hard"))


def _encoded(header: str) -> dict[str, Any]:
    try:
        padded = header.replace("+", "-").replace("/", "_") + "=" * (-len(header) % 4)
        found = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}
