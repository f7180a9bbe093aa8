"""One upstream for each followed container, however many views and browsers watch: its last lines, and who is told.

A `Tail` follows from where the log ended when it was opened. What came before, and what has left its memory, a view
asks of the engine by position, so nothing is doubled and nothing missing where the two meet.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gevent
from gevent.event import Event

from webui.client.engine import Engine
from webui.client.logblocks import Chunk, LogBlocks
from webui.client.wire import Response
from webui.errors import WebError
from webui.realtime.delay import Delay
from webui.services.hosts import Hosts

_BATCH_S = 0.05
_BATCH_CHARS = 256 * 1024
_KEEP_LINES = 10_000
_KEEP_CHARS = 8 << 20
_LINGER_S = 2.0
_PATH = "/berth/logs/stream"
Listener = Callable[[Chunk], None]


class Tail:
    """The upstream of one container. `start` is the position before the oldest chunk kept."""

    def __init__(self, engine: Engine, container: str) -> None:
        self.engine = engine
        self.container = container
        self.ready = Event()
        """Set when `start` is known, or it is known that there is nothing to follow."""
        self.done = Event()
        self.error = ""
        self.start = 0
        self.chunks: deque[Chunk] = deque()
        self._kept_lines = self._kept_chars = 0
        self._listeners: list[Listener] = []
        self._batch: list[Chunk] = []
        self._batch_chars = 0
        self._sent_at = 0.0
        self._delay = Delay(_BATCH_S, self._flush)
        self._response: Response | None = None
        self._greenlet = gevent.spawn(self._run)

    @property
    def position(self) -> int:
        """The position after the newest chunk."""
        return self.chunks[-1].position if self.chunks else self.start

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of each new chunk."""
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        """Tell it no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def knows(self, position: int) -> bool:
        """Say whether a position is between two chunks kept (or at their ends)."""
        return position == self.start or any(chunk.position == position for chunk in self.chunks)

    def after(self, position: int, until: int) -> list[Chunk]:
        """Return the chunks kept between two positions."""
        return [chunk for chunk in self.chunks if position < chunk.position <= until]

    def last(self, count: int) -> list[Chunk] | None:
        """Return the last `count` lines, or None where not so many are kept."""
        found: list[Chunk] = []
        for chunk in reversed(self.chunks):
            if count <= 0:
                break
            taken = chunk if chunk.lines <= count else _cut(chunk, count)
            found.append(taken)
            count -= taken.lines
        return found[::-1] if count <= 0 or self.start == 0 else None

    def history(self, query: Mapping[str, Any], before: int) -> Iterator[Chunk]:
        """Read lines up to a position from the engine."""
        return history(self.engine, self.container, {**query, "before": before})

    def close(self) -> None:
        """End the upstream."""
        self._greenlet.kill()
        self._delay.stop()
        if self._response:
            self._response.close()
        self.ready.set()
        self.done.set()

    def _run(self) -> None:
        try:
            self._follow()
        except WebError as error:
            self.error = error.message
        except OSError as error:
            self.error = f"the engine went away: {error}"
        self._flush()
        self.ready.set()
        self.done.set()

    def _follow(self) -> None:
        parser = LogBlocks()
        query = {"id": self.container, "tail": "0", "follow": "1"}
        with self.engine.stream("GET", _PATH, query) as self._response:
            for data in self._response.blocks():
                for chunk in parser.feed(data):
                    if not self.ready.is_set():
                        self.start = chunk.position
                        self.ready.set()
                    elif chunk.lines:
                        self._take(chunk)
            if not self._response.complete:
                self.error = "the engine went away"

    def _take(self, chunk: Chunk) -> None:
        self._batch.append(chunk)
        self._batch_chars += len(chunk.text)
        if self._batch_chars >= _BATCH_CHARS or time.monotonic() - self._sent_at >= _BATCH_S:
            self._flush()
        else:
            self._delay.start()

    def _flush(self) -> None:
        self._delay.stop()
        batch, self._batch, self._batch_chars = self._batch, [], 0
        self._sent_at = time.monotonic()
        if batch:
            chunk = joined(batch)
            self._keep(chunk)
            for listener in list(self._listeners):
                listener(chunk)

    def _keep(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self._kept_lines += chunk.lines
        self._kept_chars += len(chunk.text)
        while len(self.chunks) > 1 and (self._kept_lines > _KEEP_LINES or self._kept_chars > _KEEP_CHARS):
            oldest = self.chunks.popleft()
            self.start = oldest.position
            self._kept_lines -= oldest.lines
            self._kept_chars -= len(oldest.text)


def history(engine: Engine, container: str, query: Mapping[str, Any]) -> Iterator[Chunk]:
    """Read lines of a log, living or archived, that is not followed."""
    parser = LogBlocks()
    with engine.stream("GET", _PATH, {"id": container, **query}) as response:
        for data in response.blocks():
            yield from (chunk for chunk in parser.feed(data) if chunk.lines)


def grouped(chunks: list[Chunk]) -> Iterator[Chunk]:
    """Yield chunks that follow each other as few of about a frame's size."""
    group: list[Chunk] = []
    size = 0
    for chunk in chunks:
        if group and size + len(chunk.text) > _BATCH_CHARS:
            yield joined(group)
            group, size = [], 0
        group.append(chunk)
        size += len(chunk.text)
    if group:
        yield joined(group)


def joined(chunks: list[Chunk]) -> Chunk:
    """Return chunks that follow each other as one."""
    if len(chunks) == 1:
        return chunks[0]
    text = "\n".join([chunk.text for chunk in chunks])
    return Chunk(text, sum(c.lines for c in chunks), chunks[-1].position, sum(c.skipped for c in chunks))


def _cut(chunk: Chunk, count: int) -> Chunk:
    return Chunk("\n".join(chunk.text.split("\n")[-count:]), count, chunk.position)


class Tails:
    """Tails by host, team and container: made with the first user, ended a little after the last."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._tails: dict[tuple[str, str, str], tuple[Tail, list[int]]] = {}

    def open(self, at: tuple[str, str], container: str) -> Tail:
        """Return the tail of a container; `release` it after use."""
        found = self._tails.get((*at, container))
        if found is None or found[0].done.is_set():
            found = self._tails[(*at, container)] = (Tail(self._hosts.watcher(*at), container), [0])
        found[1][0] += 1
        return found[0]

    def release(self, at: tuple[str, str], tail: Tail) -> None:
        """Give a tail back."""
        found = self._tails.get((*at, tail.container))
        if found is None or found[0] is not tail:
            tail.close()  # one that has ended, and has a successor
            return
        found[1][0] -= 1
        if not found[1][0]:
            gevent.spawn_later(_LINGER_S, self._end_if_unused, (*at, tail.container), tail)

    def _end_if_unused(self, key: tuple[str, str, str], tail: Tail) -> None:
        found = self._tails.get(key)
        if found is not None and found[0] is tail and not found[1][0]:
            del self._tails[key]
            tail.close()
