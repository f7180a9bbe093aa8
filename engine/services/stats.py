"""Samples of one container's use, once or each second, for the API's `stats`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from engine.containers.model import Container, Status
from engine.kernel.cgroups import Cgroups
from engine.services.sampling import Sample, read_sample

PERIOD_S = 1.0
_PAIR_S = 0.5
"""Between the two samples of an answer that needs a difference."""


class Stats:
    """Reads samples. `find` finds a container's record, `cgroup_of` names its cgroup."""

    def __init__(
        self, cgroups: Cgroups, *, find: Callable[[str], Container | None], cgroup_of: Callable[[Container], str]
    ) -> None:
        self._cgroups = cgroups
        self._find = find
        self._cgroup_of = cgroup_of

    def sample(self, container: Container) -> Sample | None:
        """Return what the container uses now; None where it does not run."""
        if not container.state.is_running:
            return None
        own_network = container.host_config.network_mode != "host"
        return read_sample(self._cgroups, self._cgroup_of(container), container.state.pid, own_network=own_network)

    def pair(self, container: Container, gone: threading.Event) -> tuple[Sample | None, Sample | None]:
        """Return two samples, far enough from each other to tell the rate; both None where it does not run."""
        first = self.sample(container)
        if first is None:
            return None, None
        gone.wait(_PAIR_S)
        return first, self.sample(self._find(container.id) or container)

    def stream(self, container: Container, gone: threading.Event) -> Iterator[tuple[Container, Sample | None]]:
        """Yield the record and a sample (None while it does not run) each second, until it is removed or `gone`."""
        current: Container | None = container
        while current is not None and current.state.status is not Status.REMOVING and not gone.is_set():
            yield current, self.sample(current)
            gone.wait(PERIOD_S)
            current = self._find(container.id)
