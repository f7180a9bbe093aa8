"""The logs of containers: reading, following, rotation, removal.

conmon's file is the log (`logs.files`); nothing is copied on the way. A follower ends when its container's run ends, as
Docker's does, and when it is closed. Idle logs cost nothing: readers and the rotation sleep until inotify wakes them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from engine.clock import now_ns
from engine.containers.model import Container
from engine.errors import Unsupported
from engine.logs import render
from engine.logs.drivers import k8s_file
from engine.logs.drivers.k8s_file import Lines
from engine.logs.files import LogFiles
from engine.logs.model import LogQuery, LogRecord
from engine.logs.options import LogOptions, line_attributes, parse_options
from engine.logs.reader import LogReader
from engine.logs.watch import LogWatch
from engine.services.log_archive import LogArchive
from engine.services.log_rotation import LogRotation
from engine.storage.paths import Paths

_CAPPED_FILES = 4


class LogStream:
    """A log on its way to a client: iterate it for bytes, or `blocks` for whole lines, and close it.

    It is one thread's; `cancel` alone may come from another one.
    """

    def __init__(
        self,
        reader: LogReader,
        query: LogQuery,
        *,
        framed: bool,
        wake: threading.Event,
        is_live: Callable[[], bool],
        resources: ExitStack,
    ) -> None:
        self._reader = reader
        self._query = query
        self._wake = wake
        self._is_live = is_live
        self._resources = resources
        self._canceled = False
        self._chunks = map(render.renderer(query, framed=framed), self.blocks())

    def cancel(self) -> None:
        """Make the iteration end at once, also while it waits for lines."""
        self._canceled = True
        self._wake.set()

    def close(self) -> None:
        """Let go of files and watches, whether or not the stream was read."""
        self._canceled = True
        self._resources.close()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def blocks(self) -> Iterator[Lines]:
        """Yield whole lines in their stored form (`logs.drivers.k8s_file`), until the end of the log or the stream."""
        while not self._canceled:
            self._wake.clear()
            live = self._query.follow and self._is_live()
            yield from self._read(self._reader)
            if not live or self._canceled or self._reader.is_done:
                break
            if not self._wake.wait(self._patience()):
                break  # the query's end has come
        if not self._canceled and (rest := self._reader.flush()).lines:
            yield rest
        self._resources.close()

    @property
    def position(self) -> int:
        """The position after the lines given last (`LogQuery.after`)."""
        return self._reader.position

    def take_skipped(self) -> int:
        """Return how many lines rotation dropped before they could be read, since the last call."""
        return self._reader.take_skipped()

    def _read(self, reader: LogReader) -> Iterator[Lines]:
        while not self._canceled and (block := reader.read()) is not None:
            if block.lines:
                yield block

    def _patience(self) -> float | None:
        """Return how long to wait for more, in seconds; None for ever."""
        return max(0.0, (self._query.until_ns - now_ns()) / 1e9) if self._query.until_ns else None


class Logs:
    """The logs of all containers."""

    def __init__(
        self,
        paths: Paths,
        *,
        find: Callable[[str], Container | None],
        reopen: Callable[[str], None],
        archive: LogArchive | None = None,
        names: threading.Lock | None = None,
    ) -> None:
        self._paths = paths
        self._find = find
        self._archive = archive
        self._lock = threading.Lock()
        self._names = names or threading.Lock()
        self._followers: dict[str, set[threading.Event]] = {}
        self._watch = LogWatch()
        self._rotation = LogRotation(self._watch, reopen)

    def start(self, running: Iterable[Container]) -> None:
        """Begin to watch; take up the rotation of the logs of containers that run already."""
        self._watch.start()
        self._rotation.start()
        for container in running:
            self.on_change(container)

    def close(self) -> None:
        """End every stream and the rotation; the logs go on being written."""
        self._rotation.close()
        self._watch.close()

    def on_change(self, container: Container) -> None:
        """Take notice of a container's start or end (`Lifecycle.observe`)."""
        options = self._options(container)
        if not container.state.is_running:
            self._rotation.drop(container.id)
            with self._lock:
                waiting = list(self._followers.get(container.id, ()))
            for wake in waiting:
                wake.set()
            return
        options = self._capped(container, options)
        if options.max_size:
            self._rotation.add(container.id, self.files(container), options)
        else:
            self._rotation.drop(container.id)

    def check(self, container: Container) -> None:
        """Pass if a container can have its log driver and options; InvalidArgument or Unsupported in Docker's words."""
        self._options(container)

    def open(self, container: Container, query: LogQuery, *, framed: bool) -> LogStream:
        """Return the stream of a container's log, `framed` as stdout and stderr or as it was written (tty).

        Raises Unsupported (Docker's text) where the container keeps no log. A follower misses nothing that is written
        from now on. The caller closes the stream.
        """
        if not self._options(container).readable:
            raise Unsupported("configured logging driver does not support reading")
        query = self._settled(container, query)

        def is_live() -> bool:
            current = self._find(container.id)
            if current is None or self._watch.is_closed:
                return False
            return current.state.is_running and current.state.started_ns == container.state.started_ns

        with ExitStack() as undo:
            wake = threading.Event()
            if query.follow:
                undo.callback(self._watch.subscribe(self._paths.container(container.id), wake).close)
                undo.enter_context(self._listed(container.id, wake))
            files = LogFiles(self._paths.log(container.id), self._names)
            reader = undo.enter_context(closing(LogReader(files, query, growing=query.follow)))
            resources = undo.pop_all()
        return LogStream(reader, query, framed=framed, wake=wake, is_live=is_live, resources=resources)

    def records(self, container: Container, query: LogQuery) -> Iterator[LogRecord]:
        """Yield a container's log line by line."""
        with closing(self.open(container, query, framed=False)) as stream:
            for block in stream.blocks():
                yield from map(k8s_file.parse_record, block.lines)

    def files(self, container: Container) -> LogFiles:
        """Return the files of a container's log."""
        return LogFiles(self._paths.log(container.id), self._names)

    def is_readable(self, container: Container) -> bool:
        """Say whether a container's log driver keeps anything."""
        return self._options(container).readable

    def drop(self, container: Container) -> None:
        """Move a removed container's log into the archive, or delete it; followers come to its end."""
        self._rotation.drop(container.id)
        if self._archive is None or not self._archive.keep(container.id):
            self.files(container).drop()
        self.on_change(container)

    def keep(self, container_id: str) -> None:
        """Move the log of a container without a record into the archive, if it is to be kept."""
        if self._archive is not None:
            self._archive.keep(container_id)

    @contextmanager
    def _listed(self, container_id: str, wake: threading.Event) -> Iterator[None]:
        """List a follower, to be woken at the end of the container's run."""
        with self._lock:
            self._followers.setdefault(container_id, set()).add(wake)
        try:
            yield
        finally:
            with self._lock:
                followers = self._followers[container_id]
                followers.discard(wake)
                if not followers:
                    del self._followers[container_id]

    def _settled(self, container: Container, query: LogQuery) -> LogQuery:
        """Return the query as it can be answered: only a running container's future can be waited for."""
        over = bool(query.until_ns) and query.until_ns <= now_ns()
        details = query.details
        if details is not None:
            log = container.host_config.log_config
            details = line_attributes(log.config, container.config.labels, container.config.env)
        follow = query.follow and container.state.is_running and not over and query.before is None
        return replace(query, follow=follow, details=details)

    def _options(self, container: Container) -> LogOptions:
        config = container.host_config.log_config
        return parse_options(config.type, config.config)

    def _capped(self, container: Container, options: LogOptions) -> LogOptions:
        """Return the options within what the namespace's policy lets a living log take."""
        most = self._archive.policy(container.namespace).live_bytes if self._archive else 0
        if not most or not options.readable:
            return options
        count = options.max_file if options.max_size else _CAPPED_FILES
        size = max(most // count, 1)
        return replace(options, max_size=min(options.max_size, size) if options.max_size else size, max_file=count)
