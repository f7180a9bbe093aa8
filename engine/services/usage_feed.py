"""What every running container uses, each second, for all who watch: one thread, which sleeps while nobody does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.clock import now_ns
from engine.containers.model import Container
from engine.services.sampling import DiskEntry, Sample
from engine.values import Scope

_log = logging.getLogger(__name__)

_FIRST_S = 0.25
_PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One container's use: `cpu` in percent of one processor, the rest bytes and counts since its start."""

    cpu: float
    mem: int
    limit: int
    rx: int
    tx: int
    read: int
    write: int
    pids: int
    throttled: int = 0
    """Nanoseconds for which the kernel held it back at its CPU limit, since its start."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One moment: the rows by container id, each with the namespace it belongs to."""

    at_ns: int
    rows: Mapping[str, tuple[str, Row]]

    def seen_by(self, scope: Scope) -> dict[str, Row]:
        """Return the rows of the containers that exist for this caller."""
        return {key: row for key, (namespace, row) in self.rows.items() if scope.sees(namespace)}


class UsageFeed:
    """Hands each second's `Usage` to every watcher. A watcher that is slow misses moments, it never holds others up."""

    def __init__(
        self, sample: Callable[[Container], Sample | None], containers: Callable[[], Iterable[Container]]
    ) -> None:
        self._sample = sample
        self._containers = containers
        self._changed = threading.Condition()
        self._watchers = 0
        self._latest = Usage(0, {})
        self._number = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, gone: threading.Event) -> Iterator[Usage]:
        """Yield each second's usage from now on, until `gone` is set (call `wake` then) or the feed is closed."""
        with self._changed:
            self._watchers += 1
            seen = self._number
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
                self._thread.start()
        try:
            while True:
                with self._changed:
                    while self._number == seen and not (gone.is_set() or self._closed):
                        self._changed.wait()
                    if gone.is_set() or self._closed:
                        return
                    seen, latest = self._number, self._latest
                yield latest
        finally:
            with self._changed:
                self._watchers -= 1
                self._changed.notify_all()

    def wake(self) -> None:
        """Have watchers look whether their client is gone."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End every watch."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        """Sample until nobody watches. The first moment comes soon: rates need two samples."""
        previous = self._sample_all()
        due = time.monotonic() + _FIRST_S
        while self._wait_until(due):
            current = self._sample_all()
            usage = Usage(now_ns(), {c.id: (c.namespace, _row(c, s, previous)) for c, s in current.values()})
            previous = current
            with self._changed:
                self._latest = usage
                self._number += 1
                self._changed.notify_all()
            due = max(due + _PERIOD_S, time.monotonic())

    def _wait_until(self, due: float) -> bool:
        """Wait for the next moment; False, and the thread is given up, when nobody watches any more."""
        with self._changed:
            while self._watchers and not self._closed:
                left = due - time.monotonic()
                if left <= 0:
                    return True
                self._changed.wait(left)
            self._thread = None
            return False

    def _sample_all(self) -> dict[str, tuple[Container, Sample]]:
        found = {}
        for container in self._containers():
            try:
                sample = self._sample(container)
            except Exception:
                _log.exception("a container's use could not be read container=%s", container.id)
                continue
            if sample is not None:
                found[container.id] = (container, sample)
        return found


def _row(container: Container, sample: Sample, previous: Mapping[str, tuple[Container, Sample]]) -> Row:
    before = previous.get(container.id)
    if before is not None and before[0].state.started_ns == container.state.started_ns:
        used, passed = sample.cpu.total - before[1].cpu.total, sample.read_ns - before[1].read_ns
    else:
        used, passed = sample.cpu.total, sample.read_ns - container.state.started_ns
    return Row(
        cpu=round(max(0, used) / max(1, passed) * 100, 2),
        mem=sample.memory.working_set,
        limit=sample.memory.limit,
        rx=sum(interface.rx_bytes for interface in sample.interfaces.values()),
        tx=sum(interface.tx_bytes for interface in sample.interfaces.values()),
        read=_moved(sample.disk_bytes, "read"),
        write=_moved(sample.disk_bytes, "write"),
        pids=sample.pids,
        throttled=sample.cpu.throttled_ns,
    )


def _moved(entries: Iterable[DiskEntry], operation: str) -> int:
    return sum(entry.value for entry in entries if entry.operation.lower() == operation)
