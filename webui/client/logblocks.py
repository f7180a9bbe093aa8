"""The engine's log blocks (docs/logs.md): a line of JSON, then as many bytes of lines as it says. Pure."""

from __future__ import annotations

import json
from typing import NamedTuple

from webui.errors import EngineUnavailable

_MOST = 64 << 20


class Chunk(NamedTuple):
    """Lines as one text (joined by newlines), how many, the position after them, how many were lost before them."""

    text: str
    lines: int
    position: int
    skipped: int = 0


class LogBlocks:
    """Fed with the stream's bytes, gives whole blocks."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the blocks that `data` completes."""
        buffer = self._rest + data if self._rest else data
        found, at = [], 0
        while (newline := buffer.find(b"\n", at)) >= 0:
            head = _head(buffer[at:newline])
            end = newline + 1 + head["bytes"]
            if end > len(buffer):
                break
            found.append(_chunk(head, buffer[newline + 1 : end]))
            at = end
        self._rest = buffer[at:]
        if len(self._rest) > _MOST:
            raise EngineUnavailable("the engine's log stream is out of step")
        return found


def _head(line: bytes) -> dict[str, int]:
    try:
        head = json.loads(line)
        if "error" in head:
            raise EngineUnavailable(str(head["error"]))
        return {name: int(head.get(name, 0)) for name in ("bytes", "lines", "position", "skipped")}
    except (ValueError, TypeError, AttributeError) as error:
        raise EngineUnavailable("the engine's log stream is out of step") from error


def _chunk(head: dict[str, int], payload: bytes) -> Chunk:
    text = payload.decode("utf-8", "replace").removesuffix("\n")
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")  # a terminal's lines
    return Chunk(text.removesuffix("\r"), head["lines"], head["position"], head["skipped"])
