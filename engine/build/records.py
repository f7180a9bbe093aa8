"""What is kept of builds: what a step made (the cache), and that a build was (its record). Values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.build.keys import Inputs


class CacheKind(StrEnum):
    """What a cache record keeps: a step that may have made a layer, one that changed words only, a cache mount."""

    LAYER = "layer"
    PLAIN = "plain"
    MOUNT = "mount"


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """What a step made, found again by its key. `chain` are all layers after it; `diff_id` "" where it added none."""

    id: str
    """The key: 64 hex digits."""
    namespace: str
    kind: CacheKind
    slot: str
    """Where the step stands (build, stage, number): what a later miss there is compared with."""
    label: str
    text: str
    inputs: Inputs
    chain: tuple[str, ...] = ()
    diff_id: str = ""
    size: int = 0
    created_ns: int = 0
    used_ns: int = 0
    uses: int = 0
    words: str = ""
    """The history's `created_by`."""
    folder: str = ""
    """Of a cache mount: the name of its folder."""


class BuildStatus(StrEnum):
    """How a build is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    LOST = "lost"
    """The engine ended while it ran."""


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """One build. Times in ns, 0: not yet. `image_id` "" unless done."""

    id: str
    namespace: str
    status: BuildStatus
    created_ns: int
    finished_ns: int = 0
    tags: tuple[str, ...] = ()
    target: str = ""
    dockerfile: str = ""
    source: str = ""
    """Where the context came from: "" for one that was sent, else its address without credentials."""
    image_id: str = ""
    error: str = ""
    steps: int = 0
    done: int = 0
    cached: int = 0
    by: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status is not BuildStatus.RUNNING
