"""Asking a registry again where it failed for the moment only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from engine.registry.errors import Transient

_ATTEMPTS = 3
_FIRST_DELAY = 0.3
_T = TypeVar("_T")


def retried(ask: Callable[[], _T]) -> _T:
    """Return what `ask` returns; where it fails for the moment only, ask again with growing pauses."""
    delay = _FIRST_DELAY
    for _ in range(_ATTEMPTS - 1):
        try:
            return ask()
        except Transient as error:
            time.sleep(max(delay, error.wait))
            delay *= 3
    return ask()
