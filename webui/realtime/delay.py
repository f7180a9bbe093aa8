"""A call that is due after a while, at most one at a time: what batches of a stream wait with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent


class Delay:
    """Calls `action` some seconds after `start`, unless `stop` comes before."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds = seconds
        self._action = action
        self._timer: Any = None

    def start(self) -> None:
        """Let it run, if it does not yet."""
        if self._timer is None:
            self._timer = gevent.spawn_later(self._seconds, self._action)

    def stop(self) -> None:
        """Take it back; from within the action too."""
        timer, self._timer = self._timer, None
        if timer and timer is not gevent.getcurrent():
            timer.kill(block=False)
