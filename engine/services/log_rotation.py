"""Rotation of the logs whose options set a size: one thread, asleep until one of them is written to.

A log that grows is looked at again when it can be full, judging by how fast it grew, 50 ms to 250 ms later: a file may
exceed its size by what is written in that time, and no line is split or lost.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import BerthError
from engine.logs.files import LogFiles
from engine.logs.options import LogOptions
from engine.logs.watch import LogWatch, Ticket

_SOONEST_S = 0.05
_LATEST_S = 0.25
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watched:
    files: LogFiles
    options: LogOptions
    ticket: Ticket
    size: int
    seen_at: float


class LogRotation:
    """Keeps logs below their size by moving full files away and letting their writer begin new ones."""

    def __init__(self, watch: LogWatch, reopen: Callable[[str], None]) -> None:
        self._watch = watch
        self._reopen = reopen
        self._lock = threading.Lock()
        self._logs: dict[str, _Watched] = {}
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-rotation", daemon=True)

    def start(self) -> None:
        """Begin to rotate."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def add(self, container_id: str, files: LogFiles, options: LogOptions) -> None:
        """Keep a running container's log within `options`; a rotation that a crash broke off is finished."""
        self.drop(container_id)
        ticket = self._watch.subscribe(files.path.parent, self._wake)
        if files.is_cut_off():
            self._reopen_or_log(container_id)
        with self._lock:
            self._logs[container_id] = _Watched(files, options, ticket, files.size(), time.monotonic())
        self._wake.set()

    def drop(self, container_id: str) -> None:
        """Leave a container's log alone from now on."""
        with self._lock:
            watched = self._logs.pop(container_id, None)
        if watched is not None:
            watched.ticket.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                logs = list(self._logs.items())
            pauses = [self._look(container_id, watched) for container_id, watched in logs]
            soonest = min(pauses, default=math.inf)
            if soonest < math.inf:
                self._closed.wait(min(max(_SOONEST_S, soonest / 2), _LATEST_S))

    def _look(self, container_id: str, watched: _Watched) -> float:
        """Rotate the log if it is full; return in how many seconds it can be (again), judging by its growth."""
        size, now = watched.files.size(), time.monotonic()
        limit = watched.options.max_size
        growth = max(0, size - watched.size) / max(now - watched.seen_at, 1e-3)
        if size >= limit:
            try:
                watched.files.rotate(watched.options.max_file, lambda: self._reopen(container_id))
            except (OSError, BerthError) as error:
                _log.warning("a log could not be rotated container=%s: %s", container_id, error)
                return _LATEST_S
            _log.info("log rotated container=%s size=%d", container_id, size)
            size = 0
        watched.size, watched.seen_at = size, now
        return (limit - size) / growth if growth else math.inf

    def _reopen_or_log(self, container_id: str) -> None:
        try:
            self._reopen(container_id)
        except (OSError, BerthError) as error:
            _log.warning("a log could not be reopened container=%s: %s", container_id, error)
