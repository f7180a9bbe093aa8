"""Time as the engine records it: nanoseconds since the epoch, rendered as RFC 3339 with nine digits."""

from __future__ import annotations

import re
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


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_UNITS = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}


def parse_when(text: str) -> int:
    """Return nanoseconds since the epoch for what Docker takes as a time.

    `1700000000`, `1700000000.123456789`, RFC 3339 (with or without zone and time of day; no zone: UTC), or a Go
    duration before now (`10m`, `1h30m`). ValueError for anything else.
    """
    seconds, _, fraction = text.partition(".")
    if seconds.lstrip("-").isdigit() and (not fraction or fraction.isdigit()):
        return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)
    if _DURATION.sub("", text) == "" and text:
        return now_ns() - int(sum(float(n) * _UNITS[u] for n, u in _DURATION.findall(text)))
    match = re.fullmatch(r"(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", text)
    if match is None:
        raise ValueError(f"not a time: {text!r}")
    base, nanos, zone = match.groups()
    parsed = datetime.fromisoformat(base + ("" if zone in (None, "Z") else zone))
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return int(parsed.timestamp()) * 1_000_000_000 + int((nanos or "0").ljust(9, "0"))
