"""What happens in a build, event by event, and Docker's classic text made of it. Pure.

    plan     {"steps": [{"number", "stage", "text"}]}
    start    a step begins
    output   {"stream": 1 or 2, "text"}: what its process wrote
    running  {"container"}: the step's process has started
    pull     a record of Docker's pull progress
    note     {"text"}: a line for the reader
    end      {"state": "done" | "cached" | "failed" | "canceled", "reason", "image", "size", "seconds", "container"}
    warning  {"text"}
    result   {"image", "tags"}: the build is done
    error    {"message", "code"}: it failed

Steps of independent stages run at the same time; the classic text has them one after the other: what a later step says
is held back until the ones before it are over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_RED, _PLAIN = "\x1b[91m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class BuildEvent:
    """One event. `step` 0: of the build as a whole. `seq` counts from 1 within a build."""

    seq: int
    time_ns: int
    kind: str
    step: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)


def short(image_id: str) -> str:
    """Return an id as Docker's texts have it: 12 hex digits."""
    return image_id.removeprefix("sha256:")[:12]


class ClassicText:
    """Turns events into the records of the classic builder's stream; `quiet`: nothing but the image's id."""

    def __init__(self, *, quiet: bool = False, removes: bool = True) -> None:
        """Begin. `removes`: say that intermediate containers are removed, as `rm=1` has it."""
        self._quiet = quiet
        self._removes = removes
        self._texts: dict[int, str] = {}
        self._current = 0
        self._held: dict[int, list[BuildEvent]] = {}
        self._over: set[int] = set()

    def feed(self, event: BuildEvent) -> Iterator[dict[str, Any]]:
        """Yield the records that can be told now."""
        if event.kind == "plan":
            self._texts = {step["number"]: step["text"] for step in event.data["steps"]}
            self._current = min(self._texts, default=0)
        elif event.step and event.step != self._current:
            self._held.setdefault(event.step, []).append(event)
        elif event.step:
            yield from self._tell(event)
            if event.kind == "end":
                yield from self._go_on()
        else:
            if event.kind == "error":
                yield from self._flush()
            yield from self._whole(event)

    def _go_on(self) -> Iterator[dict[str, Any]]:
        """Go to the next step, and tell what was held of it."""
        while True:
            later = [number for number in self._texts if number > self._current]
            if not later:
                return
            self._current = min(later)
            held = self._held.pop(self._current, [])
            for event in held:
                yield from self._tell(event)
            if not any(event.kind == "end" for event in held):
                return

    def _flush(self) -> Iterator[dict[str, Any]]:
        """Tell what is held of other steps than the current one: the failed one's words must be seen."""
        for number in sorted(self._held):
            for event in self._held.pop(number):
                yield from self._tell(event)

    def _tell(self, event: BuildEvent) -> Iterator[dict[str, Any]]:
        if self._quiet:
            return
        data = event.data
        match event.kind:
            case "start":
                text = self._texts.get(event.step, "")
                yield _stream(f"Step {event.step}/{max(self._texts)} : {text}\n")
            case "running":
                yield _stream(f" ---> Running in {short(data['container'])}\n")
            case "output":
                yield _stream(data["text"] if data["stream"] == 1 else f"{_RED}{data['text']}{_PLAIN}")
            case "pull":
                yield dict(data)
            case "note":
                yield _stream(data["text"])
            case "end":
                yield from self._end(data)

    def _end(self, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if data["state"] == "cached":
            yield _stream(" ---> Using cache\n")
        if data.get("container") and self._removes:
            yield _stream(f"Removing intermediate container {short(data['container'])}\n")
        if data.get("image"):
            yield _stream(f" ---> {short(data['image'])}\n")

    def _whole(self, event: BuildEvent) -> Iterator[dict[str, Any]]:
        data = event.data
        match event.kind:
            case "warning" if not self._quiet:
                yield _stream(f"[Warning] {data['text']}\n")
            case "result" if self._quiet:
                yield {"aux": {"ID": data["image"]}}
                yield _stream(f"{data['image']}\n")
            case "result":
                yield {"aux": {"ID": data["image"]}}
                yield _stream(f"Successfully built {short(data['image'])}\n")
                for tag in data["tags"]:
                    yield _stream(f"Successfully tagged {tag}\n")
            case "error":
                detail: dict[str, Any] = {"message": data["message"]}
                if data.get("code"):
                    detail = {"code": data["code"], **detail}
                yield {"errorDetail": detail, "error": data["message"]}


def _stream(text: str) -> dict[str, Any]:
    return {"stream": text}
