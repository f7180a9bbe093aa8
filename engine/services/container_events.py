"""The journal's entries about containers, with the attributes Docker gives them."""

from __future__ import annotations

from collections.abc import Mapping

from engine.containers.model import Container
from engine.events import Event


def container_event(container: Container, action: str, *, by: str, extra: Mapping[str, str] | None = None) -> Event:
    """Return the event `action`: labels, image and name of the container, then `extra`."""
    attributes = {**container.config.labels, "image": container.config.image, "name": container.name, **(extra or {})}
    return Event(
        type="container",
        action=action,
        actor_id=container.id,
        namespace=container.namespace,
        attributes=attributes,
        by=by,
    )
