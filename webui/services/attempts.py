"""Failed sign-ins, counted by address-and-name and by address, so that nobody can lock out somebody else.

Kept in memory: a restart forgives. Bounded: the oldest keys go first.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from webui.errors import TooMany

_WINDOW_S = 300.0
_PER_NAME = 8
_PER_ADDRESS = 40
_MAX_KEYS = 20_000


class Attempts:
    """A sliding window of failures for each key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def check(self, address: str, name: str) -> None:
        """Raise TooMany when this address failed too often, for this name or at all."""
        for key, limit in (((address, name.casefold()), _PER_NAME), ((address, ""), _PER_ADDRESS)):
            times = self._recent(key)
            if len(times) >= limit:
                wait = max(1, int(times[0] + _WINDOW_S - self._clock()) + 1)
                raise TooMany("too many failed sign-ins from this address; try again later", retry_after=wait)

    def failed(self, address: str, name: str) -> None:
        """Count one failure."""
        for key in ((address, name.casefold()), (address, "")):
            times = self._failures.setdefault(key, deque(maxlen=_PER_ADDRESS))
            times.append(self._clock())
            self._failures.move_to_end(key)
        while len(self._failures) > _MAX_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, name: str) -> None:
        """Forget the failures of this address for this name."""
        self._failures.pop((address, name.casefold()), None)

    def _recent(self, key: tuple[str, str]) -> deque[float]:
        times = self._failures.get(key, deque())
        while times and times[0] <= self._clock() - _WINDOW_S:
            times.popleft()
        return times
