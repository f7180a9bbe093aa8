"""Log streams into lines: Docker's 8-byte frames (or a TTY's raw bytes), taken apart on large buffers. Pure.

A line comes out as `<o|e><RFC 3339 time> <text>`. The engine is asked for timestamps, so each line begins with its
time; a line that comes in several frames (dockerd repeats the time in each) is put together again.
"""

from __future__ import annotations

import re

from webui.errors import EngineUnavailable

_MAX_LINE = 1 << 20
_MAX_FRAME = 64 << 20
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) ")
_PREFIX = {0: "o", 1: "o", 2: "e"}


class LogLines:
    """Fed with the stream's bytes, gives whole lines."""

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty
        self._rest = b""
        self._partial: dict[int, bytes] = {}

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes."""
        out: list[str] = []
        if self._tty:
            self._take(1, data, out)
            return out
        buffer = self._rest + data if self._rest else data
        at, end = 0, len(buffer)
        while end - at >= 8:
            size = int.from_bytes(buffer[at + 4 : at + 8], "big")
            stream = buffer[at]
            if stream > 3 or size > _MAX_FRAME:
                raise EngineUnavailable("the engine's log stream is out of step")
            if end - at - 8 < size:
                break
            self._take(stream, buffer[at + 8 : at + 8 + size], out)
            at += 8 + size
        self._rest = buffer[at:]
        return out

    def flush(self) -> list[str]:
        """Return what is left without a line's end."""
        left = [_render(stream, text) for stream, text in sorted(self._partial.items()) if text]
        self._partial.clear()
        return left

    def _take(self, stream: int, payload: bytes, out: list[str]) -> None:
        held = self._partial.pop(stream, b"")
        if held:
            stamp = None if self._tty else _STAMP.match(payload)
            payload = held + (payload[stamp.end() :] if stamp else payload)
        if payload.find(b"\n") == len(payload) - 1 and payload:
            out.append(_render(stream, payload[:-1]))
            return
        *lines, rest = payload.split(b"\n")
        out.extend(_render(stream, line) for line in lines)
        if len(rest) > _MAX_LINE:
            out.append(_render(stream, rest))
        elif rest:
            self._partial[stream] = rest


def _render(stream: int, line: bytes) -> str:
    return _PREFIX.get(stream, "e") + line.removesuffix(b"\r").decode("utf-8", "replace")
