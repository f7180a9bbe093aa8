"""The whole Engine API as one list of routes over an engine's parts."""

from __future__ import annotations

from typing import Any

from engine.api import (
    attach,
    browse,
    build,
    commit,
    containers,
    events,
    execs,
    files,
    images,
    layers,
    log_search,
    logs,
    networks,
    policies,
    stats,
    system,
    unsupported,
    volumes,
)
from engine.api.router import Route
from engine.api.wire import build as build_wire
from engine.api.wire import container as container_wire
from engine.api.wire import image as image_wire
from engine.api.wire import volume as volume_wire
from engine.assembly import Assembly
from engine.storage.paths import Paths
from engine.values import Scope


def routes(parts: Assembly, paths: Paths) -> list[Route]:
    """Return every route: what is supported, and what is refused by name."""
    places = container_wire.Places(str(paths.containers), str(paths.netns), str(paths.snapshots), str(paths.rootfs))
    found = [
        *containers.routes(parts.containers, parts.execs, places),
        *attach.routes(parts.containers, parts.logs),
        *execs.routes(parts.execs),
        *logs.routes(parts.logs, parts.store.get),
        *log_search.routes(log_search.Parts(parts.log_sources, parts.log_search, parts.log_blocks, parts.log_archive)),
        *stats.routes(parts.stats, parts.usage, parts.top, parts.store.get),
        *files.routes(parts.files),
        *browse.routes(parts.files),
        *commit.routes(parts.commits),
        *build.routes(parts.builds),
        *images.routes(parts.images, parts.image_archives, parts.pulls, parts.pushes),
        *layers.routes(parts.layer_views, parts.images),
        *networks.routes(parts.networks),
        *volumes.routes(parts.volumes),
        *events.routes(parts.journal),
        *policies.routes(parts.containers, private_cgroups=parts.cgroups.is_v2),
        *system.routes(parts.system, parts.containers, _usage(parts), _login(parts)),
    ]
    return [*found, *unsupported.routes(found)]


def _usage(parts: Assembly) -> system.Usage:
    def image_rows(scope: Scope) -> list[dict[str, Any]]:
        return [image_wire.render_summary(view) for view in parts.images.list_(scope, shared=True)]

    def volume_rows(scope: Scope) -> list[dict[str, Any]]:
        found = parts.volumes.list_(scope)
        return [
            volume_wire.render(
                volume,
                str(parts.volumes.path(volume)),
                usage=parts.volumes.usage(volume),
                users=len(parts.volumes.users(volume)),
            )
            for volume in found
        ]

    def cache_rows(scope: Scope) -> list[dict[str, Any]]:
        return [build_wire.render_cache(view) for view in parts.builds.cache.list_(scope)]

    return system.Usage(
        images=image_rows, layers_bytes=parts.images.layers_size, volumes=volume_rows, build_cache=cache_rows
    )


def _login(parts: Assembly) -> system.Login:
    def login(server: str, user: str, password: str) -> str:
        return parts.pulls.login(server, user, password)

    return login
