"""How an image came to be, step by step, as `docker history` tells it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.images.config import parse_time
from engine.images.model import HistoryEntry, Image


@dataclass(frozen=True, slots=True)
class Step:
    """One line of `docker history`; `image_id` is the image's own for the newest, `<missing>` below."""

    image_id: str
    created_s: int
    created_by: str
    tags: tuple[str, ...]
    size: int
    comment: str


def steps_of(image: Image, tags: Sequence[str]) -> list[Step]:
    """Return the steps, the newest first; layers without a step of their own come as steps without words."""
    layers = list(image.layers)
    steps: list[Step] = []
    for entry in image.history:
        size = 0
        if not entry.empty_layer and layers:
            size = layers.pop(0).size
        created_s = parse_time(entry.created) // 1_000_000_000
        steps.append(Step("<missing>", created_s, entry.created_by, (), size, entry.comment))
    created_s = image.created_ns // 1_000_000_000
    steps.extend(Step("<missing>", created_s, "", (), layer.size, "") for layer in layers)
    if not steps:
        return []
    newest = steps[-1]
    steps[-1] = Step(image.id, newest.created_s, newest.created_by, tuple(tags), newest.size, newest.comment)
    return steps[::-1]


def instructions_of(image: Image) -> dict[int, HistoryEntry]:
    """Return the step of each layer by its number, base first; layers without a step of their own are missing."""
    steps = [entry for entry in image.history if not entry.empty_layer]
    return dict(enumerate(steps[: len(image.layers)]))
