"""Logs: one upstream for a container and a tail, however many browsers follow it.

Everybody who asks for the last N lines (N up to 10,000) shares one upstream, which keeps that many lines for
newcomers. `since` or a longer tail gets an upstream of its own, which waits for its client instead of skipping.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Iterable
from typing import Any

from webui.client.engine import Engine
from webui.client.loglines import LogLines
from webui.client.wire import Response
from webui.errors import Invalid
from webui.realtime.delay import Delay
from webui.realtime.hub import Hub, Source
from webui.realtime.pending import Lines, Payload

_BATCH_S = 0.05
_BATCH_BYTES = 256 * 1024
_FRAME_LINES = 2_000
_KEEP_BYTES = 8 << 20
MAX_SHARED_TAIL = 10_000


class LogSource(Source):
    """One log stream."""

    linger_s = 2.0

    def __init__(
        self, hub: Hub, key: Hashable, engine: Engine, container: str, tail: str, since: str, *, shared: bool
    ) -> None:
        super().__init__(hub, key)
        self._engine, self._container = engine, container
        self._tail, self._since, self._shared = tail, since, shared
        self._kept: deque[str] = deque(maxlen=max(int(tail), 1) if shared else 1)
        self._kept_bytes = 0
        self._batch: list[str] = []
        self._batch_bytes = 0
        self._sent_at = 0.0
        self._delay = Delay(_BATCH_S, self._flush)
        self._response: Response | None = None

    def run(self) -> None:
        """Follow the log to its end."""
        try:
            self._follow()
        except OSError as error:
            self._flush()
            self.end(f"the engine went away: {error}")
        else:
            self._flush()
            self.end()

    def close(self) -> None:
        """Close the upstream."""
        self._delay.stop()
        if self._response:
            self._response.close()

    def pending(self) -> Lines:
        """Return the ring for a slow client."""
        return Lines()

    def first(self) -> Iterable[Payload]:
        """Return the kept lines, in frames."""
        kept = list(self._kept) if self._shared else []
        if not self._shared or not kept or int(self._tail) == 0:
            return []
        sent = kept[: len(kept) - self._unsent()] if self._batch else kept
        return [{"lines": "\n".join(sent[at : at + _FRAME_LINES])} for at in range(0, len(sent), _FRAME_LINES)]

    def _unsent(self) -> int:
        return min(len(self._batch), len(self._kept))

    def _follow(self) -> None:
        inspect = self._engine.call("GET", f"/containers/{self._container}/json")
        lines = LogLines(tty=bool((inspect.get("Config") or {}).get("Tty")))
        query = {"follow": "1", "stdout": "1", "stderr": "1", "timestamps": "1", "tail": self._tail}
        if self._since:
            query["since"] = self._since
        with self._engine.stream("GET", f"/containers/{self._container}/logs", query) as self._response:
            if not self._shared:
                self.begun.wait()
            for block in self._response.blocks():
                self._take(lines.feed(block))
                if not self._shared:
                    self.drained.wait()
            self._take(lines.flush())

    def _take(self, lines: list[str]) -> None:
        if not lines:
            return
        self._batch += lines
        self._batch_bytes += sum(map(len, lines))
        if self._shared:
            self._keep(lines)
        if self._batch_bytes >= _BATCH_BYTES or time.monotonic() - self._sent_at >= _BATCH_S:
            self._flush()
        else:
            self._delay.start()

    def _keep(self, lines: list[str]) -> None:
        self._kept.extend(lines)
        self._kept_bytes += sum(map(len, lines))
        if self._kept_bytes > 2 * _KEEP_BYTES:
            size = sum(map(len, self._kept))
            while size > _KEEP_BYTES and len(self._kept) > 1:
                size -= len(self._kept.popleft())
            self._kept_bytes = size

    def _flush(self) -> None:
        self._delay.stop()
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._sent_at = time.monotonic()
        for at in range(0, len(batch), _FRAME_LINES):
            self.publish({"lines": "\n".join(batch[at : at + _FRAME_LINES])})


def check_tail(tail: Any) -> str:
    """Return the tail as the engine takes it (`all` or a number); Invalid otherwise."""
    text = str(1000 if tail is None else tail)
    if text != "all" and not (text.isdigit() and len(text) <= 9):
        raise Invalid('tail is a number or "all"', field="tail")
    return text
