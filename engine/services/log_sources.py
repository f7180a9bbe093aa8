"""Logs as sources, living and archived alike: which there are, which a caller means, and their frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from engine.containers.model import Container
from engine.errors import NotFound
from engine.logs import frames, seek
from engine.logs.frames import OpenLog
from engine.logs.store import ArchivedLog
from engine.services.log_archive import LogArchive
from engine.services.logs import Logs
from engine.values import Scope

_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"


@dataclass(frozen=True, slots=True)
class Source:
    """One container's log. `archived` is its record where the container is gone."""

    id: str
    namespace: str
    name: str
    image: str
    labels: Mapping[str, str]
    tty: bool
    created_ns: int
    running: bool = False
    archived: ArchivedLog | None = None
    container: Container | None = None

    @property
    def project(self) -> str:
        """Compose's project, "" for none."""
        return self.labels.get(_PROJECT, "")

    @property
    def service(self) -> str:
        """Compose's service, "" for none."""
        return self.labels.get(_SERVICE, "")


@dataclass(frozen=True, slots=True)
class Selector:
    """Which sources are meant: kinds narrow, values of one kind add up, nothing means all."""

    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    states: tuple[str, ...] = ()

    def takes(self, source: Source) -> bool:
        """Say whether a source is meant."""
        state = "living" if source.archived is None else "archived"
        return (
            (not self.states or state in self.states)
            and (not self.ids or any(_is(source, wanted) for wanted in self.ids))
            and (not self.names or any(fnmatchcase(source.name, name) for name in self.names))
            and (not self.labels or any(_has(source.labels, label) for label in self.labels))
            and (not self.projects or source.project in self.projects)
            and (not self.services or source.service in self.services)
            and (not self.images or any(fnmatchcase(source.image, image) for image in self.images))
        )


def _is(source: Source, wanted: str) -> bool:
    return bool(wanted) and (source.id.startswith(wanted) or (source.archived is None and source.name == wanted))


def _has(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


@dataclass(frozen=True, slots=True)
class Extent:
    """From when to when a source has lines (0: none), and what it takes on disk."""

    first_ns: int = 0
    last_ns: int = 0
    stored: int = 0


@dataclass(slots=True)
class Opened:
    """The frames of several sources, by their ids. Close it after use."""

    sources: dict[str, Source] = field(default_factory=dict)
    logs: dict[str, OpenLog] = field(default_factory=dict)
    resources: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Let go of the files."""
        self.resources.close()


class LogSources:
    """Finds and opens sources."""

    def __init__(self, logs: Logs, archive: LogArchive, containers: Callable[[], Iterable[Container]]) -> None:
        self._logs = logs
        self._archive = archive
        self._containers = containers

    def list_(self, scope: Scope, selector: Selector, since_ns: int = 0, until_ns: int = 0) -> list[Source]:
        """Return the sources that a caller means and sees, the newest first.

        With times, those archived ones that have nothing between them are left out.
        """
        living = [_living(c) for c in self._containers() if scope.sees(c.namespace) and self._logs.is_readable(c)]
        ids = {source.id for source in living}
        gone = [_archived(log) for log in self._archive.list_(scope) if log.id not in ids]
        found = [source for source in [*living, *gone] if selector.takes(source) and _is_in(source, since_ns, until_ns)]
        return sorted(found, key=lambda source: (source.created_ns, source.id), reverse=True)

    def get(self, scope: Scope, reference: str) -> Source:
        """Return the source that an id, its beginning or a living container's name means, or raise NotFound."""
        found = self.list_(scope, Selector(ids=(reference,)))
        exact = [source for source in found if reference in (source.id, source.name)]
        if len(exact or found) != 1:
            raise NotFound(f"No such container: {reference}")
        return (exact or found)[0]

    def open(self, sources: Iterable[Source]) -> Opened:
        """Open sources as they are now. A log that is dropped meanwhile is left out. The caller closes it."""
        with ExitStack() as undo:
            opened = Opened()
            for source in sources:
                try:
                    log = self._open(source)
                except NotFound:
                    continue
                undo.callback(log.close)
                opened.logs[source.id], opened.sources[source.id] = log, source
            opened.resources = undo.pop_all()
            return opened

    def _open(self, source: Source) -> OpenLog:
        if source.archived is not None:
            return self._archive.open(source.archived)
        assert source.container is not None  # noqa: S101 - one of the two is given
        with ExitStack() as undo:
            segments = self._logs.files(source.container).open()
            for segment in segments:
                undo.callback(segment.close)
            return OpenLog(frames.living_frames(segments), undo.pop_all())

    def extent(self, source: Source) -> Extent:
        """Return from when to when a source has lines, and what it takes."""
        archived = source.archived
        if archived is not None and archived.ready:
            return Extent(archived.summary.first_ns, archived.summary.last_ns, archived.summary.stored)
        files = self._logs.files(source.container) if source.container else self._archive.files(archived)
        with ExitStack() as undo:
            segments = files.open() if files else []
            for segment in segments:
                undo.callback(segment.close)
            first, last = seek.span_of(segments)
            return Extent(first, last, sum(segment.size for segment in segments))


def _living(container: Container) -> Source:
    return Source(
        id=container.id,
        namespace=container.namespace,
        name=container.name,
        image=container.config.image,
        labels=container.config.labels,
        tty=container.config.tty,
        created_ns=container.created_ns,
        running=container.state.is_running,
        container=container,
    )


def _archived(log: ArchivedLog) -> Source:
    return Source(
        id=log.id,
        namespace=log.namespace,
        name=log.name,
        image=log.image,
        labels=log.labels,
        tty=log.tty,
        created_ns=log.created_ns,
        archived=log,
    )


def _is_in(source: Source, since_ns: int, until_ns: int) -> bool:
    log = source.archived
    if log is None or not log.ready:
        return not until_ns or source.created_ns <= until_ns
    last, first = log.summary.last_ns, log.summary.first_ns
    return (not since_ns or last >= since_ns) and (not until_ns or first <= until_ns)
