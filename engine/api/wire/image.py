"""Images and the progress of work on them, as Docker's JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from engine.clock import render_ns
from engine.images.config import render_config
from engine.images.history import Step
from engine.images.manifest import Descriptor
from engine.images.model import Image
from engine.refs import Platform, Reference
from engine.values import Progress

_LEGACY: Mapping[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
"""Fields of a container's configuration that an image's showed before API 1.50."""


class View(Protocol):
    """An image with its names."""

    @property
    def image(self) -> Image: ...
    @property
    def references(self) -> Sequence[Reference]: ...
    @property
    def shared_size(self) -> int: ...
    @property
    def containers(self) -> int: ...


class Removed(Protocol):
    """A name untagged, or an id deleted."""

    @property
    def untagged(self) -> str: ...
    @property
    def deleted(self) -> str: ...


def render_summary(view: View, version: tuple[int, int] = (1, 50)) -> dict[str, Any]:
    """Return a line of `docker images`."""
    tags, digests = _names(view.references)
    if version < (1, 43) and not tags:
        tags = ["<none>:<none>"]
        digests = digests or ["<none>@<none>"]
    summary = {
        "Id": view.image.id,
        "ParentId": "",
        "RepoTags": tags,
        "RepoDigests": digests,
        "Created": view.image.created_ns // 1_000_000_000,
        "Size": view.image.size,
        "SharedSize": view.shared_size,
        "Labels": dict(view.image.config.labels),
        "Containers": view.containers,
    }
    if version < (1, 44):
        summary["VirtualSize"] = view.image.size
    return summary


def render_inspect(view: View, lower: Sequence[str], version: tuple[int, int]) -> dict[str, Any]:
    """Return what `docker image inspect` shows; `lower` are the folders of the layers, the topmost first."""
    image = view.image
    tags, digests = _names(view.references)
    config = render_config(image.config)
    value: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": image.comment,
        "Created": image.created or render_ns(0),
        "DockerVersion": image.docker_version,
        "Author": image.author,
        "Config": config if version >= (1, 50) else {**_LEGACY, **config},
        "Architecture": image.architecture,
        "Os": image.os,
        "Size": image.size,
        "GraphDriver": {"Name": "overlay2", "Data": _graph(lower)},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "Metadata": {"LastTagTime": render_ns(image.tagged_ns)},
    }
    if image.variant:
        value["Variant"] = image.variant
    if image.os_version:
        value["OsVersion"] = image.os_version
    if version < (1, 44):
        value["VirtualSize"] = image.size
    return value


def render_history(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return what `docker history` shows."""
    return [
        {
            "Id": step.image_id,
            "Created": step.created_s,
            "CreatedBy": step.created_by,
            "Tags": list(step.tags) or None,
            "Size": step.size,
            "Comment": step.comment,
        }
        for step in steps
    ]


def render_removed(removed: Iterable[Removed]) -> list[dict[str, str]]:
    """Return what `docker rmi` prints."""
    return [{"Untagged": r.untagged} if r.untagged else {"Deleted": r.deleted} for r in removed]


def render_progress(steps: Iterable[Progress]) -> Iterator[dict[str, Any]]:
    """Yield the records of a progress stream."""
    for step in steps:
        if "stream" in step.aux:
            yield dict(step.aux)
            continue
        record: dict[str, Any] = {"status": step.status} if step.status else {"progressDetail": {}}
        if step.id:
            record["id"] = step.id
            record["progressDetail"] = _detail(step)
        if step.aux:
            record["aux"] = dict(step.aux)
        yield record


def render_distribution(descriptor: Descriptor, platforms: Iterable[Platform]) -> dict[str, Any]:
    """Return what a registry has under a name."""
    return {
        "Descriptor": {
            "mediaType": descriptor.media_type,
            "digest": descriptor.digest,
            "size": descriptor.size,
        },
        "Platforms": [_platform(platform) for platform in platforms],
    }


def _detail(step: Progress) -> dict[str, int]:
    detail = {"current": step.current} if step.current else {}
    return {**detail, "total": step.total} if step.total else detail


def _platform(platform: Platform) -> dict[str, str]:
    value = {"architecture": platform.architecture, "os": platform.os}
    return {**value, "variant": platform.variant} if platform.variant else value


def _names(references: Iterable[Reference]) -> tuple[list[str], list[str]]:
    names = list(references)
    return [r.familiar for r in names if r.tag], [r.familiar for r in names if r.digest]


def _graph(lower: Sequence[str]) -> dict[str, str]:
    if not lower:
        return {}
    data = {"UpperDir": lower[0]}
    return {"LowerDir": ":".join(lower[1:]), **data} if len(lower) > 1 else data
