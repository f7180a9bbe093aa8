"""Images as a cache (`--cache-from`): a step whose words and place an image's history has is taken from there.

The words of COPY and ADD hold a digest of what they copy, so equal words over equal layers mean an equal result; of RUN
they are the whole command with its arguments. It is what Docker's classic builder compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.images.model import Image, ImageLayer


@dataclass(frozen=True, slots=True)
class Known:
    """A step of an image: its layer (None: it made none) and its time (RFC 3339)."""

    layer: ImageLayer | None
    created: str


class HistoryCache:
    """The steps of some images, by the layer below and the words of all steps since that layer."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._known: dict[tuple[str, str], Known] = {}
        for image in images:
            self._add(image)

    def find(self, top: str, words: str) -> Known | None:
        """Return the step over the layer `top` with these words, None if no image has it."""
        return self._known.get((top, words))

    def _add(self, image: Image) -> None:
        layers = list(image.layers)
        top = ""
        for entry in image.history:
            layer = None if entry.empty_layer or not layers else layers.pop(0)
            self._known.setdefault((top, entry.created_by), Known(layer, entry.created))
            if layer is not None:
                top = layer.chain_id
