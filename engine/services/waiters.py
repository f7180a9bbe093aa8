"""Who waits for a container's end: futures that the lifecycle resolves."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """Docker's conditions of `wait`."""

    NOT_RUNNING = "not-running"
    NEXT_EXIT = "next-exit"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a waiter learns: the exit code, and why the wait failed, if it did."""

    exit_code: int
    error: str = ""


class Waiters:
    """Futures by container and condition."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, Condition], list[Future[Ended]]] = {}

    def add(self, container_id: str, condition: Condition) -> Future[Ended]:
        """Return a future that `resolve` of the same container and condition sets."""
        future: Future[Ended] = Future()
        with self._lock:
            self._waiting.setdefault((container_id, condition), []).append(future)
        return future

    def resolve(self, container_id: str, condition: Condition, ended: Ended) -> None:
        """Set every future that waits for this."""
        with self._lock:
            futures = self._waiting.pop((container_id, condition), [])
        for future in futures:
            if not future.done():
                future.set_result(ended)

    def forget(self, container_id: str, future: Future[Ended]) -> None:
        """Drop a future whose owner no longer waits."""
        with self._lock:
            for condition in Condition:
                waiting = self._waiting.get((container_id, condition))
                if waiting and future in waiting:
                    waiting.remove(future)
                    if not waiting:
                        del self._waiting[container_id, condition]
        future.cancel()
