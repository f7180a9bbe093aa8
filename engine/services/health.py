"""Runs the health checks of running containers: one thread keeps the times, a pool runs the commands."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from engine.clock import now_ns
from engine.containers import health
from engine.containers.model import Container, Health, HealthResult, Status
from engine.containers.store import ContainerStore
from engine.errors import BerthError
from engine.locks import NamedLocks
from engine.services.container_events import container_event
from engine.storage.db import Database

_log = logging.getLogger(__name__)

RunCheck = Callable[[Container, tuple[str, ...], float], tuple[int | None, bytes]]
"""Runs a command in a container with a time limit in seconds: exit code (None: out of time) and output."""

_PARALLEL_CHECKS = 32


class HealthChecks:
    """Follows the lifecycle: `observe` it. Idle while no container has a check."""

    def __init__(self, *, database: Database, store: ContainerStore, locks: NamedLocks, run: RunCheck) -> None:
        self._database = database
        self._store = store
        self._locks = locks
        self._run = run
        self._wake = threading.Condition()
        self._due: list[tuple[float, str, int]] = []
        self._closed = False
        self._pool = ThreadPoolExecutor(_PARALLEL_CHECKS, thread_name_prefix="health")
        self._thread = threading.Thread(target=self._keep_times, name="health-times", daemon=True)
        self._thread.start()

    def observe(self, container: Container) -> None:
        """Take note of a start (or of a container adopted at boot); ends are found out at the next check."""
        config = container.config.healthcheck
        if container.state.status is Status.RUNNING and config is not None and health.check_argv(container.config):
            state = container.state.health or Health()
            self._schedule(container, health.delay_seconds(config, state, now_ns() - container.state.started_ns))

    def close(self) -> None:
        """Stop checking; a check under way is not waited for."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _schedule(self, container: Container, delay: float) -> None:
        with self._wake:
            if not self._closed:
                heapq.heappush(self._due, (time.monotonic() + delay, container.id, container.state.started_ns))
                self._wake.notify()

    def _keep_times(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (not self._due or self._due[0][0] > time.monotonic()):
                    self._wake.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._closed:
                    return
                _, container_id, started_ns = heapq.heappop(self._due)
                self._pool.submit(self._check, container_id, started_ns)

    def _check(self, container_id: str, started_ns: int) -> None:
        container = self._store.find(container_id)
        if container is None or container.state.started_ns != started_ns:
            return  # ended, or another run of it, which has a schedule of its own
        config = container.config.healthcheck
        if config is None or not container.state.is_running:
            return
        if container.state.status is Status.RUNNING:
            result = self._one_result(container, health.timeout_seconds(config))
            container = self._record(container_id, started_ns, result) or container
        state = container.state.health or Health()
        self._schedule(container, health.delay_seconds(config, state, now_ns() - started_ns))

    def _one_result(self, container: Container, timeout: float) -> HealthResult:
        start = now_ns()
        try:
            code, output = self._run(container, health.check_argv(container.config), timeout)
        except (BerthError, OSError) as error:
            code, output = 1, str(error).encode()
        if code is None:
            code, output = health.TIMED_OUT, f"Health check exceeded timeout ({timeout:g}s)".encode()
        text = output[: health.OUTPUT_LIMIT].decode(errors="replace")
        return HealthResult(start, now_ns(), code, text)

    def _record(self, container_id: str, started_ns: int, result: HealthResult) -> Container | None:
        with self._locks.hold(container_id):
            container = self._store.find(container_id)
            if container is None or container.state.started_ns != started_ns or not container.state.is_running:
                return None
            config, before = container.config.healthcheck, container.state.health or Health()
            if config is None:
                return None
            after = health.judge(config, before, result, result.end_ns - started_ns)
            changed = replace(container, state=replace(container.state, health=after))
            with self._database.transaction() as transaction:
                self._store.save(transaction, changed)
                if after.status != before.status:
                    action = f"health_status: {after.status}"
                    transaction.record(container_event(changed, action, by="engine"))
            return changed
