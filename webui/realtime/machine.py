"""A host's load, memory and disk, every few seconds while somebody watches: asked once for all who look."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import gevent

from webui.errors import WebError
from webui.realtime.hub import Hub, Source
from webui.realtime.pending import Newest, Payload
from webui.services.hosts import Hosts

_PERIOD_S = 5.0


class MachineSource(Source):
    """The machine of one host. A host that isn't Berth's does not tell: its subscribers get no frame."""

    def __init__(self, hub: Hub, key: Hashable, hosts: Hosts, at: tuple[str, str]) -> None:
        super().__init__(hub, key)
        self._hosts, self._at = hosts, at
        self._last: Payload | None = None

    def run(self) -> None:
        """Ask again and again; an engine that is away is asked until it is back."""
        while True:
            try:
                found = self._hosts.watcher(*self._at).call("GET", "/berth/machine")
                if isinstance(found, dict):
                    self._last = {"machine": found}
                    self.publish(self._last)
            except (WebError, OSError):
                pass
            gevent.sleep(_PERIOD_S)

    def pending(self) -> Newest:
        """Return the newest frame's place."""
        return Newest()

    def first(self) -> Iterable[Payload]:
        """Return the last figures."""
        return [self._last] if self._last else []
