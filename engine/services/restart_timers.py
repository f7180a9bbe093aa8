"""The waits between a container's end and its restart, with Docker's back-off."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.containers import restart


class RestartTimers:
    """One timer a container; a timer's delay depends on the one before."""

    def __init__(self, restart_now: Callable[[str], None]) -> None:
        self._restart_now = restart_now
        self._lock = threading.Lock()
        self._delays: dict[str, float] = {}
        self._timers: dict[str, threading.Timer] = {}
        self._closed = False

    def schedule(self, container_id: str, ran_seconds: float) -> None:
        """Restart the container, which ran for `ran_seconds`, after its back-off."""
        with self._lock:
            if self._closed:
                return
            delay = restart.next_delay(self._delays.get(container_id, 0.0), ran_seconds)
            self._delays[container_id] = delay
            timer = threading.Timer(delay, self._fire, [container_id])
            timer.name = f"restart-{container_id[:12]}"
            timer.daemon = True
            self._timers[container_id] = timer
        timer.start()

    def cancel(self, container_id: str) -> None:
        """Drop the container's timer and its history of delays."""
        with self._lock:
            self._delays.pop(container_id, None)
            timer = self._timers.pop(container_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Drop every timer."""
        with self._lock:
            self._closed = True
            timers = list(self._timers.values())
            self._timers.clear()
        for timer in timers:
            timer.cancel()

    def _fire(self, container_id: str) -> None:
        with self._lock:
            self._timers.pop(container_id, None)
        self._restart_now(container_id)
