"""Containers as values, and a service of them in memory for tests of the API's handlers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from typing import Any

from engine.containers.model import Config, Container, HostConfig, RestartPolicy, State, Status
from engine.errors import Conflict, NotFound, NotModified
from engine.values import EndpointConfig, Scope

SECOND = 1_000_000_000


def a_container(number: int = 1, **changes: Any) -> Container:
    """Return a created container; `changes` replace fields."""
    container = Container(
        id=f"{number:064x}",
        namespace="default",
        name=f"box{number}",
        created_ns=1_700_000_000 * SECOND,
        image_id="sha256:" + "1" * 64,
        chain=(),
        config=Config(image="busybox", cmd=("sleep", "9"), hostname=f"{number:012x}"),
        host_config=HostConfig(network_mode="bridge", shm_size=67108864, ipc_mode="private", cgroupns_mode="host"),
    )
    return replace(container, **changes)


@dataclass(frozen=True)
class FakeCreated:
    id: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class FakePruned:
    ids: tuple[str, ...]
    reclaimed: int


class FakeWaiter:
    def __init__(self) -> None:
        self._ready = threading.Event()
        self._result: tuple[int, str] | None = None
        self.closed = False

    def resolve(self, code: int, error: str = "") -> None:
        self._result = (code, error)
        self._ready.set()

    def result(self, timeout: float | None = None) -> tuple[int, str]:
        assert self._ready.wait(timeout or 5)
        if self._result is None:
            raise CancelledError
        return self._result

    def close(self) -> None:
        self.closed = True
        self._ready.set()


@dataclass
class FakeContainers:
    """Keeps records and their states; nothing runs."""

    records: dict[str, Container] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    waiter: FakeWaiter = field(default_factory=FakeWaiter)

    def add(self, container: Container) -> Container:
        self.records[container.id] = container
        return container

    def get(self, scope: Scope, reference: str) -> Container:
        for container in self.records.values():
            if scope.sees(container.namespace) and reference in (container.id, container.name, container.id[:12]):
                return container
        raise NotFound(f"No such container: {reference}")

    def create(
        self,
        scope: Scope,
        name: str | None,
        config: Config,
        host_config: HostConfig,
        networking: Sequence[EndpointConfig] = (),
        platform: str | None = None,
    ) -> FakeCreated:
        if config.image == "missing":
            raise NotFound(f"No such image: {config.image}:latest")
        number = len(self.records) + 1
        container = a_container(
            number,
            name=name or f"box{number}",
            namespace=scope.home,
            config=config,
            host_config=host_config,
            networks=tuple(networking),
            created_by=scope.actor,
        )
        self.add(container)
        self.calls.append(("create", platform))
        return FakeCreated(container.id, ("careful",))

    def list_(
        self,
        scope: Scope,
        *,
        all_: bool = False,
        limit: int = 0,
        filters: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Container]:
        self.calls.append(("list", all_, limit, dict(filters or {})))
        return [c for c in self.records.values() if scope.sees(c.namespace) and (all_ or c.state.is_running)]

    def size(self, container: Container) -> tuple[int, int]:
        return 11, 1111

    def start(self, scope: Scope, reference: str) -> None:
        container = self.get(scope, reference)
        if container.state.is_running:
            raise NotModified("container already started")
        self.add(replace(container, state=State(status=Status.RUNNING, pid=42, started_ns=SECOND)))

    def stop(self, scope: Scope, reference: str, signal: str | None = None, timeout: int | None = None) -> None:
        self.calls.append(("stop", reference, signal, timeout))

    def restart(self, scope: Scope, reference: str, signal: str | None = None, timeout: int | None = None) -> None:
        self.calls.append(("restart", reference, signal, timeout))

    def kill(self, scope: Scope, reference: str, signal: str) -> None:
        container = self.get(scope, reference)
        if not container.state.is_running:
            raise Conflict(f"Cannot kill container: {reference}: Container {container.id} is not running")
        self.calls.append(("kill", reference, signal))

    def image_names(self, found: Iterable[Container]) -> dict[str, str]:
        return {container.id: container.config.image for container in found}

    def with_link_names(self, container: Container) -> Container:
        return container

    def remove_link(self, scope: Scope, reference: str, alias: str) -> None:
        self.calls.append(("remove_link", reference, alias))

    def note_detach(self, scope: Scope, container_id: str) -> None:
        self.calls.append(("detach", container_id))

    def pause(self, scope: Scope, reference: str) -> None:
        self.calls.append(("pause", reference))

    def unpause(self, scope: Scope, reference: str) -> None:
        self.calls.append(("unpause", reference))

    def remove(self, scope: Scope, reference: str, *, force: bool, volumes: bool) -> None:
        self.calls.append(("remove", reference, force, volumes))

    def rename(self, scope: Scope, reference: str, name: str) -> None:
        self.calls.append(("rename", reference, name))

    def resize(self, scope: Scope, reference: str, width: int, height: int) -> None:
        self.calls.append(("resize", reference, width, height))

    def update(
        self, scope: Scope, reference: str, changes: Mapping[str, Any], policy: RestartPolicy | None = None
    ) -> Sequence[str]:
        self.calls.append(("update", reference, dict(changes), policy))
        return ()

    def wait(self, scope: Scope, reference: str, condition: str = "") -> FakeWaiter:
        self.get(scope, reference)
        self.calls.append(("wait", condition))
        return self.waiter

    def prune(self, scope: Scope, filters: Mapping[str, Sequence[str]] | None = None) -> FakePruned:
        self.calls.append(("prune", dict(filters or {})))
        return FakePruned(("a", "b"), 5)
