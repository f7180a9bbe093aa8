"""Does a slow, harmless thing ahead of time on a thread of its own, and not more often than it helps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)
_FRESH_SECONDS = 0.008
_IDLE_SECONDS = 60.0


class Warmer:
    """Runs `work` when asked; asked again while it runs or just after, it does nothing. Its thread ends when idle."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._wanted = threading.Condition()
        self._asked = False
        self._thread: threading.Thread | None = None
        self._closed = False
        self._last = 0.0

    def warm(self) -> None:
        """Ask for it; never blocks."""
        with self._wanted:
            if self._asked or self._closed or time.monotonic() - self._last < _FRESH_SECONDS:
                return
            self._asked = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="warmer", daemon=True)
                self._thread.start()
            self._wanted.notify()

    def close(self) -> None:
        """End the thread, after the run that is under way."""
        with self._wanted:
            self._closed = True
            thread = self._thread
            self._wanted.notify()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._wanted:
                asked = self._wanted.wait_for(lambda: self._asked or self._closed, _IDLE_SECONDS)
                if not asked or self._closed:
                    self._thread = None
                    return
            try:
                self._work()
            except OSError:
                _log.debug("warming failed", exc_info=True)
            with self._wanted:
                self._asked = False
                self._last = time.monotonic()
