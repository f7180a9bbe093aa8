"""Time as the engine records it: nanoseconds since the epoch, rendered as RFC 3339 with nine digits."""

from __future__ import annotations

import time
from datetime import UTC, datetime

ZERO_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time: what Docker shows for "never"."""


def now_ns() -> int:
    """Return the wall clock in nanoseconds since the epoch."""
    return time.time_ns()


def render_ns(when_ns: int) -> str:
    """Return `2026-01-02T03:04:05.123456789Z`; 0 renders as Go's zero time."""
    if not when_ns:
        return ZERO_TIME
    seconds, nanos = divmod(when_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanos:09d}Z"
