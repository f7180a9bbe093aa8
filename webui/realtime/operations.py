"""The operations of a team: a snapshot, then each one that changed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from gevent.event import Event

from webui.realtime.hub import Hub, Source
from webui.realtime.pending import Merged, Payload
from webui.services.operations import Operations, State, render

_SHOWN = 100


class OperationSource(Source):
    """One team's operations; fed by `changed`, no upstream."""

    def __init__(self, hub: Hub, key: Hashable, operations: Operations, namespace: str) -> None:
        super().__init__(hub, key)
        self._operations, self._namespace = operations, namespace

    def run(self) -> None:
        """Wait to be fed."""
        Event().wait()

    def pending(self) -> Merged:
        """Return the rows that wait for a slow client."""
        return Merged("id")

    def first(self) -> Iterable[Payload]:
        """Return the newest operations."""
        return [{"snapshot": [render(state) for state in self._operations.list_(self._namespace, _SHOWN)]}]

    def changed(self, state: State) -> None:
        """Tell an operation's new state, if it is of this team."""
        if state["namespace"] == self._namespace:
            self.publish({"upsert": [render(state)]})
