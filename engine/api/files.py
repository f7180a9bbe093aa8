"""/containers/{id}/archive, /changes, /export: files of containers."""

from __future__ import annotations

import base64
import json
from typing import Any

from engine.api.router import Call, Reply, Route
from engine.clock import render_ns
from engine.errors import InvalidArgument
from engine.services.container_files import ContainerFiles
from engine.storage.archive import PathStat

_STAT_HEADER = "X-Docker-Container-Path-Stat"
_TAR = "application/x-tar"


def render_stat(status: PathStat) -> dict[str, Any]:
    """Return a path's facts as Docker's header holds them."""
    return {
        "name": status.name,
        "size": status.size,
        "mode": status.mode,
        "mtime": render_ns(status.mtime_ns),
        "linkTarget": status.link_target,
    }


def _headers(status: PathStat) -> list[tuple[str, str]]:
    encoded = base64.b64encode(json.dumps(render_stat(status)).encode()).decode()
    return [(_STAT_HEADER, encoded)]


def _path(call: Call) -> str:
    path = call.text("path")
    if not path:
        raise InvalidArgument("path: a path in the container is required")
    return path if path.startswith("/") else f"/{path}"


def routes(files: ContainerFiles) -> list[Route]:
    """Return the routes."""

    def stat(call: Call) -> Reply:
        return Reply.empty(200, _headers(files.stat(call.scope, call.path["id"], _path(call))))

    def read(call: Call) -> Reply:
        status, chunks = files.read(call.scope, call.path["id"], _path(call))
        return Reply.stream(chunks, _TAR, headers=_headers(status))

    def write(call: Call) -> Reply:
        keep = call.flag("noOverwriteDirNonDir")
        as_user = call.flag("copyUIDGID")
        files.write(call.scope, call.path["id"], _path(call), call.body, keep_kinds=keep, as_user=as_user)
        return Reply.empty(200)

    def changes(call: Call) -> Reply:
        found = files.changes(call.scope, call.path["id"])
        return Reply.json([{"Path": change.path, "Kind": int(change.kind)} for change in found] or None)

    def export(call: Call) -> Reply:
        return Reply.stream(files.export(call.scope, call.path["id"]), "application/octet-stream")

    one = "/containers/{id}"
    return [
        Route("HEAD", f"{one}/archive", stat),
        Route("GET", f"{one}/archive", read),
        Route("PUT", f"{one}/archive", write),
        Route("GET", f"{one}/changes", changes),
        Route("GET", f"{one}/export", export),
    ]
