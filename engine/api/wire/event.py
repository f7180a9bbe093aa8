"""Events of the journal as Docker's event messages."""

from __future__ import annotations

from typing import Any

from engine.events import Event

# Docker's messages of images and containers still carry the fields of the oldest API.
_LEGACY = ("container", "image")


def render_event(event: Event) -> dict[str, Any]:
    """Return EventMessage; the journal's number is in `berthSeq`, who asked in `berthActor`."""
    found: dict[str, Any] = {}
    if event.type in _LEGACY:
        found = {"status": event.action, "id": event.actor_id}
        if event.type == "container":
            found["from"] = event.attributes.get("image", "")
    return found | {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.actor_id, "Attributes": dict(event.attributes)},
        "scope": "local",
        "time": event.time_ns // 1_000_000_000,
        "timeNano": event.time_ns,
        "berthSeq": event.seq,
        "berthNamespace": event.namespace,
        "berthActor": event.by,
    }
