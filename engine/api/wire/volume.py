"""Volumes: requests and answers of /volumes in Docker's JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.api.codec import Fields
from engine.api.wire.mounts import refuse_unread
from engine.clock import render_ns
from engine.volumes.model import Volume


@dataclass(frozen=True, slots=True)
class VolumeWish:
    """A volume as asked for."""

    name: str
    driver: str
    options: dict[str, str]
    labels: dict[str, str]


def parse_create(fields: Fields) -> VolumeWish:
    """Return the volume that a create asks for."""
    wish = VolumeWish(
        name=fields.text("Name"),
        driver=fields.text("Driver"),
        options=fields.mapping("DriverOpts"),
        labels=fields.mapping("Labels"),
    )
    refuse_unread(fields)
    return wish


def render(volume: Volume, mountpoint: str, *, usage: int | None = None, users: int = 0) -> dict[str, Any]:
    """Return a Volume of an answer; `usage` (bytes) and `users` (containers) are for /system/df."""
    answer: dict[str, Any] = {
        "CreatedAt": render_ns(volume.created_ns // 1_000_000_000 * 1_000_000_000).replace(".000000000", ""),
        "Driver": volume.driver,
        "Labels": dict(volume.labels),
        "Mountpoint": mountpoint,
        "Name": volume.name,
        "Options": dict(volume.options),
        "Scope": "local",
    }
    if usage is not None:
        answer["UsageData"] = {"Size": usage, "RefCount": users}
    return answer
