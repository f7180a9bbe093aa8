"""One source as blocks of lines with a position after each: what the live channel follows, and goes on from.

Where it is followed, a block without lines comes first: its position is where what follows begins.

A line is `o` or `e` (stdout, stderr), its time, a space, its text. What follows a position is the same whether the log
is living, rotated meanwhile, or archived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from engine.clock import render_ns
from engine.logs import blocks, render
from engine.logs.blocks import Block
from engine.logs.frames import Frame
from engine.logs.model import LogQuery
from engine.logs.reader import LogReader
from engine.services.log_archive import LogArchive
from engine.services.log_sources import LogSources, Source
from engine.services.logs import Logs
from engine.values import Scope

_MOST_LINES = 4000
_AFTER_ALL = 1 << 62


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Rendered lines, each with its newline; `position` is that after the last of them."""

    text: bytes
    lines: int
    position: int
    skipped: int = 0


class LogBlocks:
    """Opens sources as blocks."""

    def __init__(self, sources: LogSources, logs: Logs, archive: LogArchive) -> None:
        self._sources = sources
        self._logs = logs
        self._archive = archive

    def open(
        self, scope: Scope, reference: str, query: LogQuery, on_gone: Callable[[Callable[[], None]], None]
    ) -> Iterator[LineBlock]:
        """Yield the blocks of a source that a query asks for; raises NotFound at once. `on_gone` takes a cancel."""
        source = self._sources.get(scope, reference)
        if source.container is not None:
            return self._living(source, query, on_gone)
        return self._gone(source, query)

    def _living(
        self, source: Source, query: LogQuery, on_gone: Callable[[Callable[[], None]], None]
    ) -> Iterator[LineBlock]:
        assert source.container is not None  # noqa: S101 - the caller looked
        stream = self._logs.open(source.container, query, framed=False)
        on_gone(stream.cancel)

        def give() -> Iterator[LineBlock]:
            with closing(stream):
                if query.follow:
                    yield LineBlock(b"", 0, stream.position)
                for block in stream.blocks():
                    text = render.marked_lines(block)
                    yield LineBlock(text, len(block.lines), stream.position, stream.take_skipped())

        return give()

    def _gone(self, source: Source, query: LogQuery) -> Iterator[LineBlock]:
        log = source.archived
        if query.follow:
            yield LineBlock(b"", 0, query.after if query.after is not None else _AFTER_ALL)
        files = self._archive.files(log)
        if files is not None:
            with closing(LogReader(files, query, growing=False)) as reader:
                while (found := reader.read()) is not None:
                    text = render.marked_lines(found)
                    yield LineBlock(text, len(found.lines), reader.position, reader.take_skipped())
                if (rest := reader.flush()).lines:
                    yield LineBlock(render.marked_lines(rest), len(rest.lines), reader.position)
            return
        opened = self._sources.open([source])
        with closing(opened):
            frames = opened.logs[source.id].frames if source.id in opened.logs else []
            yield from _of_frames(frames, query)


def _of_frames(frames: list[Frame], query: LogQuery) -> Iterator[LineBlock]:
    leave_out = 0
    if query.after is None and query.tail is not None:
        leave_out = max(0, sum(frame.lines for frame in frames) - query.tail)
    for number, frame in enumerate(frames):
        following = frames[number + 1].position if number + 1 < len(frames) else 1 << 62
        if leave_out >= frame.lines or (query.after is not None and following <= query.after):
            leave_out -= min(leave_out, frame.lines)
            continue
        if query.since_ns and frame.max_ns < query.since_ns:
            continue
        block = frame.load()
        yield from _of_block(block, leave_out, query)
        leave_out = 0


def _of_block(block: Block, leave_out: int, query: LogQuery) -> Iterator[LineBlock]:
    heads = block.heads
    after, since = query.after if query.after is not None else -1, 0 if query.after is not None else query.since_ns
    before = _AFTER_ALL if query.before is None else query.before
    ends, times = heads.ends, heads.times
    chosen = [n for n in range(leave_out, block.count) if after < ends[n] <= before and times[n] >= since]
    for at in range(0, len(chosen), _MOST_LINES):
        part = chosen[at : at + _MOST_LINES]
        text = b"".join(
            [
                (b"e" if heads.flags[n] & blocks.IS_STDERR else b"o")
                + f"{render_ns(heads.times[n])} ".encode()
                + block.lines[n]
                + b"\n"
                for n in part
            ]
        )
        yield LineBlock(text, len(part), heads.ends[part[-1]])
