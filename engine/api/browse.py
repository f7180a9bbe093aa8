"""GET /berth/containers/{id}/files: a folder of a container, for a file browser. Files themselves go by /archive."""

from __future__ import annotations

from engine.api.router import Call, Reply, Route
from engine.clock import render_ns
from engine.services.container_files import ContainerFiles
from engine.storage.listing import FileEntry


def render_entry(entry: FileEntry) -> dict[str, object]:
    """Return one name of a folder."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "size": entry.size,
        "mode": entry.mode,
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": render_ns(entry.mtime_ns),
        "link": entry.link,
    }


def routes(files: ContainerFiles) -> list[Route]:
    """Return the route."""

    def list_(call: Call) -> Reply:
        path = "/" + call.text("path").lstrip("/")
        entries, more = files.list_folder(call.scope, call.path["id"], path)
        return Reply.json({"path": path, "entries": [render_entry(entry) for entry in entries], "more": more})

    return [Route("GET", "/berth/containers/{id}/files", list_)]
