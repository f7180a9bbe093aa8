"""What a pull asks of the engine, and its progress made of the engine's JSON lines. Pure."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from webui.errors import Invalid

_MAX_LOG = 200
_MAX_LINE = 1 << 20
_DONE = ("Pull complete", "Already exists", "Download complete", "Verifying Checksum", "Extracting")


def pull_query(image: str, platform: str = "") -> dict[str, str]:
    """Return the query of `POST /images/create`; no tag means `latest` (the API would pull every tag)."""
    name, at, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, "latest"
    if at:
        tag = digest
    if not head or not tag or any(c.isspace() for c in image):
        raise Invalid(f"{image!r} is not an image reference", field="image")
    return {"fromImage": head, "tag": tag, **({"platform": platform} if platform else {})}


class PullProgress:
    """Layers in the order in which they were first named; sums over what is known."""

    def __init__(self) -> None:
        self._layers: dict[str, dict[str, Any]] = {}
        self._rest = b""
        self.log: deque[str] = deque(maxlen=_MAX_LOG)
        self.error = ""
        self.finished = False

    def feed(self, data: bytes) -> bool:
        """Take bytes of the stream; return whether anything was learnt."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            self._rest = b""
        learnt = False
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                self._take(record)
                learnt = True
        return learnt

    def render(self) -> dict[str, Any]:
        """Return the progress as the API shows it."""
        layers = [dict(layer) for layer in self._layers.values()]
        return {
            "layers": layers,
            "current": sum(layer["current"] for layer in layers),
            "total": sum(layer["total"] for layer in layers),
        }

    def _take(self, record: dict[str, Any]) -> None:
        if "error" in record or "errorDetail" in record:
            detail = record.get("errorDetail") or {}
            self.error = str(record.get("error") or detail.get("message") or "the pull failed")
            self.log.append(self.error)
            return
        status, layer_id = str(record.get("status", "")), record.get("id")
        if layer_id is None or status.startswith("Pulling from"):
            self.log.append(status)
            self.finished = self.finished or status.startswith("Status:")
            return
        layer = self._layers.setdefault(str(layer_id), {"id": str(layer_id), "status": "", "current": 0, "total": 0})
        layer["status"] = status
        detail = record.get("progressDetail") or {}
        if status == "Downloading":
            layer["current"] = int(detail.get("current") or layer["current"])
            layer["total"] = int(detail.get("total") or layer["total"])
        elif status in _DONE:
            layer["current"] = layer["total"]
