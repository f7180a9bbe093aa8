"""Signals by the names people type: `SIGTERM`, `term`, `15`, `RTMIN+3`."""

from __future__ import annotations

import signal

from engine.errors import InvalidArgument

_HIGHEST = 64


def parse_signal(text: str) -> int:
    """Return the number of a signal; InvalidArgument with Docker's text where there is none."""
    name = text.strip().upper()
    if name.isdigit() and 0 < int(name) <= _HIGHEST:
        return int(name)
    name = name if name.startswith("SIG") else f"SIG{name}"
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    if base not in signal.Signals.__members__ or (sign and not offset.isdigit()):
        raise InvalidArgument(f"invalid signal: {text}")
    shift = int(offset) if sign else 0
    return int(signal.Signals[base]) + (-shift if sign == "-" else shift)
