"""What the steps of one build share: who asks for what, where files are, what was built so far."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engine.build import graph, model
from engine.build.records import CacheRecord
from engine.build.tree import Tree
from engine.images.model import Image
from engine.locks import NamedLocks
from engine.services.build_bases import Bases
from engine.services.build_cache import BuildCache
from engine.services.build_history import HistoryCache
from engine.services.build_layers import Workbench
from engine.services.build_log import BuildLog
from engine.services.build_run import Canceled, StepRunner
from engine.services.build_state import BuildWish, State
from engine.services.gc import Lease
from engine.storage.paths import Paths
from engine.values import Progress, Scope


class Stop:
    """A build's end that somebody asks for (meets `build_run.StopFlag`)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._callbacks: dict[int, Callable[[], object]] = {}
        self.reason = "build canceled"
        self.was_asked = False
        """Whether somebody wanted the end: not, where another stage failed."""

    def is_set(self) -> bool:
        """Say whether the end was asked for."""
        return self._event.is_set()

    def set(self, reason: str = "build canceled") -> None:
        """Ask for the end; what runs is killed."""
        self.was_asked = True
        self._end(reason)

    def fail(self) -> None:
        """End what else runs: a stage has failed."""
        self._end("another stage failed")

    def _end(self, reason: str) -> None:
        with self._lock:
            if self._event.is_set():
                return
            self.reason = reason
            self._event.set()
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    def on_stop(self, callback: Callable[[], object]) -> Callable[[], None]:
        """See `build_run.StopFlag.on_stop`."""
        with self._lock:
            key = id(callback) if id(callback) not in self._callbacks else len(self._callbacks)
            self._callbacks[key] = callback
            late = self._event.is_set()
        if late:
            callback()
        return lambda: self._forget(key)

    def check(self) -> None:
        """Pass, or raise Canceled where the end was asked for."""
        if self._event.is_set():
            raise Canceled(self.reason)

    def _forget(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a remote source of ADD became: a tree with one entry, `name`; or the whole tree where `name` is ""."""

    folder: Path
    name: str
    digest: str
    """Tells its content from another's."""


class Fetcher(Protocol):
    """Brings remote sources of ADD: URLs and git repositories."""

    def is_remote(self, source: str) -> bool:
        """Say whether a source is none of the context."""

    def fetch(self, source: str, add: model.Add, folder: Path, stop: Stop) -> Fetched:
        """Bring it below `folder` (private to this call, made by the caller)."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where an instruction stands: its number (0: a trigger of ONBUILD), and its place for the cache."""

    number: int
    slot: str


@dataclass(slots=True)
class Job:
    """One build under way."""

    id: str
    scope: Scope
    wish: BuildWish
    log: BuildLog
    stop: Stop
    lease: Lease
    bench: Workbench
    bases: Bases
    cache: BuildCache
    history: HistoryCache
    runner: StepRunner
    fetcher: Fetcher
    context: Tree
    context_folder: Path
    folder: Path
    paths: Paths
    mount_locks: NamedLocks
    dockerfile: model.Dockerfile
    undo: ExitStack
    """Closed when the build ends."""
    stages: Sequence[model.Stage] = ()
    """With plain words in FROM."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Global arguments: those before the first FROM, and the platform's."""
    epoch: int | None = None
    started: str = ""
    """When it began (RFC 3339): the time of an image that begins with nothing."""
    futures: dict[int, Future[State]] = field(default_factory=dict)
    consumed: set[str] = field(default_factory=set)
    """Build arguments that some ARG has declared."""
    made: list[CacheRecord] = field(default_factory=list)
    """What is to be kept of its steps when it ends."""

    @property
    def namespace(self) -> str:
        """Where what the build makes belongs."""
        return self.scope.home

    def opened(self, folder: Path) -> Tree:
        """Return a folder of the build's own as a tree, open until the build ends."""
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.undo.callback(os.close, fd)
        return Tree(fd)

    def slot(self, stage: str, index: str) -> str:
        """Return the place of a step, the same in the next build of the same thing."""
        name = self.wish.tags[0].familiar_name if self.wish.tags else ""
        return hashlib.sha256(f"{name}\n{self.wish.dockerfile}\n{stage}\n{index}".encode()).hexdigest()[:32]

    def stage_state(self, index: int) -> State:
        """Return what a stage became; waits for it, and is canceled where it failed."""
        if self.futures[index].exception() is not None:
            raise Canceled("another stage failed")
        return self.futures[index].result()

    def chain_of(self, reference: str, before: int, step: Step) -> tuple[str, ...]:
        """Return the layers that `--from` or `from=` names: an earlier stage's, or an image's."""
        index = graph.find_stage(self.stages, reference, before)
        if index is not None:
            return self.stage_state(index).chain
        return self.image(reference, "", step).chain

    def image(self, name: str, platform: str, step: Step) -> Image:
        """Return an image, pulled where need be; the pull is told as the step's."""

        def tell(progress: Progress) -> None:
            record: dict[str, object] = {"status": progress.status}
            if progress.id:
                detail = {"current": progress.current, "total": progress.total}
                record |= {"id": progress.id, "progressDetail": {k: v for k, v in detail.items() if v}}
            self.log.add("pull", step.number, **record)

        return self.bases.get(name, platform, tell)
