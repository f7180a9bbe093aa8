"""Sandboxes kept ready under a key, made in the background, so that a start never waits for one to be made."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable

from engine.networks.sandboxes import Sandbox

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0
"""After a failure to make one: how long before the next attempt."""


class SandboxPool:
    """Ready sandboxes by key. `make` gives one for a key, on the pool's own thread; `discard` takes an unwanted one."""

    def __init__(self, make: Callable[[str], Sandbox], discard: Callable[[Sandbox], None]) -> None:
        self._make = make
        self._discard = discard
        self._ready: defaultdict[str, deque[Sandbox]] = defaultdict(deque)
        self._targets: dict[str, int] = {}
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._refill, name="sandbox-pool", daemon=True)
        self._thread.start()

    def keep(self, key: str, count: int) -> None:
        """Keep `count` sandboxes ready under `key` from now on."""
        with self._change:
            self._targets[key] = count
            self._change.notify_all()

    def keep_at_least(self, key: str, count: int) -> None:
        """Keep `count` ready under `key` where fewer or none were kept."""
        with self._change:
            self._targets[key] = max(count, self._targets.get(key, 0))
            self._change.notify_all()

    def take(self, key: str) -> Sandbox | None:
        """Take a ready sandbox, None where there is none just now."""
        with self._change:
            ready = self._ready.get(key)
            found = ready.popleft() if ready else None
            self._change.notify_all()
            return found

    def ready(self, key: str) -> list[Sandbox]:
        """Return those that wait under `key`."""
        with self._change:
            return list(self._ready.get(key, ()))

    def drop(self, key: str) -> None:
        """Keep none under `key` any more; discard those that were ready."""
        with self._change:
            self._targets.pop(key, None)
            ready = self._ready.pop(key, ())
        for sandbox in ready:
            self._discard(sandbox)

    def wait_filled(self, timeout: float) -> bool:
        """Wait until every key has its count; False when that took longer than `timeout` seconds."""
        with self._change:
            return self._change.wait_for(lambda: self._wanting() is None, timeout)

    def close(self) -> None:
        """Stop making; discard those that were ready."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()
        for key in list(self._ready):
            self.drop(key)

    def _wanting(self) -> str | None:
        return next((key for key, count in self._targets.items() if len(self._ready.get(key, ())) < count), None)

    def _refill(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._wanting() is not None)
                key = self._wanting()
                if self._closed or key is None:
                    return
            try:
                made = self._make(key)
            except Exception:
                _log.exception("a network sandbox could not be made ready key=%s", key)
                with self._change:
                    self._change.wait_for(lambda: self._closed, _PATIENCE_SECONDS)
                continue
            self._put(key, made)

    def _put(self, key: str, made: Sandbox) -> None:
        with self._change:
            wanted = key in self._targets
            if wanted:
                self._ready[key].append(made)
            self._change.notify_all()
        if not wanted:
            self._discard(made)
