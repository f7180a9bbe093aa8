"""Threads as many as there is work: one is made when none is idle, and ends after some seconds without work."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Pool:
    """Runs jobs at once, each on a thread of its own while it lasts; above `limit` threads they wait in order."""

    def __init__(self, name: str, *, limit: int = 8192, idle_seconds: float = 10.0) -> None:
        self._name = name
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._ready = threading.Condition(threading.Lock())
        self._jobs: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._serial = 0
        self._threads: set[threading.Thread] = set()
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` on a thread; after `close` it is dropped."""
        with self._ready:
            if self._closed:
                return
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._ready.notify()
                return
            if len(self._threads) >= self._limit:
                return
            self._serial += 1
            thread = threading.Thread(target=self._work, name=f"{self._name}-{self._serial}", daemon=True)
            self._threads.add(thread)
        thread.start()

    @property
    def size(self) -> int:
        """The number of threads at the moment."""
        return len(self._threads)

    @property
    def busy(self) -> int:
        """The number of threads that have a job."""
        return len(self._threads) - self._idle

    def close(self, timeout: float) -> None:
        """End idle threads at once and wait up to `timeout` seconds for the others."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
            self._ready.wait_for(lambda: not self._threads, timeout)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except Exception:
                _log.exception("a job of the pool %s failed", self._name)
            del job

    def _next(self) -> Callable[[], None] | None:
        with self._ready:
            if not self._jobs and not self._closed:
                self._idle += 1
                self._ready.wait_for(lambda: self._jobs or self._closed, self._idle_seconds)
                self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self._threads.discard(threading.current_thread())
            if self._closed:
                self._ready.notify_all()
            return None
