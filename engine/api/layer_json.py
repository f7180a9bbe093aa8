"""Layers of images and containers, as Berth's own JSON (docs/layers.md). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.clock import render_ns
from engine.images.model import HistoryEntry, Image
from engine.storage.layerdiff import Difference, Economy
from engine.storage.layertree import Node, Page, Step


def render_layer(
    *, index: int, chain_id: str, diff_id: str, size: int, blob: str, blob_size: int,
    step: HistoryEntry | None, sharers: Sequence[tuple[Image, Sequence[str]]],
) -> dict[str, Any]:  # fmt: skip
    """Return one layer; `sharers` are the other images that have it, with their names."""
    return {
        "index": index,
        "chain_id": chain_id,
        "diff_id": diff_id,
        "size": size,
        "packed": {"digest": blob, "size": blob_size} if blob else None,
        "instruction": step.created_by if step else "",
        "comment": step.comment if step else "",
        "created": step.created if step else "",
        "writable": not chain_id,
        "shared_by": [{"id": image.id, "names": list(names)} for image, names in sharers],
    }


def render_page(page: Page) -> dict[str, Any]:
    """Return a part of a folder."""
    return {
        "entries": [
            {"name": entry.name, "change": entry.change, "layer": entry.layer, **render_node(entry.node)}
            for entry in page.entries
        ],
        "total": page.total,
        "next": page.following,
    }


def render_node(node: Node) -> dict[str, Any]:
    """Return what a path is."""
    value: dict[str, Any] = {
        "kind": node.kind,
        "size": node.size,
        "mode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
        "mtime": render_ns(node.mtime_ns),
    }
    if node.link:
        value["link"] = node.link
    return value


def render_origin(path: str, steps: Iterable[Step]) -> dict[str, Any]:
    """Return what each layer did to a path."""
    return {
        "path": path,
        "steps": [
            {"layer": step.layer, "change": step.change, "node": render_node(step.node) if step.node else None}
            for step in steps
        ],
    }


def render_economy(found: Economy, limit: int) -> dict[str, Any]:
    """Return what is carried for nothing, the largest first."""
    return {
        "total": found.total,
        "visible": found.visible,
        "wasted": found.wasted,
        "efficiency": round(found.efficiency, 4),
        "files": [
            {"path": item.path, "size": item.size, "hidden_by": list(item.layers)} for item in found.waste[:limit]
        ],
        "count": len(found.waste),
    }


def render_difference(
    items: Iterable[Difference], counts: Mapping[str, int], sizes: Mapping[str, int], following: int
) -> dict[str, Any]:
    """Return a part of what differs."""
    return {
        "entries": [
            {
                "path": item.path,
                "change": item.change,
                "before": render_node(item.before) if item.before else None,
                "after": render_node(item.after) if item.after else None,
            }
            for item in items
        ],
        "counts": {change: counts.get(change, 0) for change in ("added", "changed", "removed")},
        "sizes": {change: sizes.get(change, 0) for change in ("added", "changed", "removed")},
        "next": following,
    }
