"""Named locks: changes of one object are sequential, of different objects parallel.

Order where two are held: container → network → volume → image. Never the other way round.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class NamedLocks:
    """Re-entrant locks by name, kept only while somebody holds or waits for them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.RLock, list[int]]] = {}

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold the lock called `name` for the block."""
        with self._guard:
            lock, users = self._locks.setdefault(name, (threading.RLock(), [0]))
            users[0] += 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                users[0] -= 1
                if users[0] == 0:
                    self._locks.pop(name, None)
