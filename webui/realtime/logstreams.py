"""A container's log in browsers: history from the engine up to a position, then what its tail publishes, nothing twice.

Whoever joins is sent what it asks for (a tail, everything after the position it had) by itself and at its own pace; as
soon as that reaches what the tail still keeps, it goes on with everybody else's frames.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import gevent

from webui.client.logblocks import Chunk
from webui.errors import Invalid, WebError
from webui.realtime import parameters
from webui.realtime.hub import Hub, Source, Subscription
from webui.realtime.pending import Lines, Payload
from webui.realtime.tails import Tail, Tails, grouped

_MAX_POSITION = (1 << 63) - 1
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Request:
    """What a browser wants of a log's past: all after a position, or since a time, or its last lines (None: all)."""

    tail: int | None = 1000
    since: str = ""
    after: int | None = None

    def query(self, after: int | None) -> Mapping[str, Any]:
        """Return it as the engine takes it, going on after a position where there is one."""
        if after is not None:
            return {"after": after}
        if self.since:
            return {"since": self.since}
        return {"tail": "all" if self.tail is None else self.tail}


def parse_request(data: Mapping[str, Any], default_tail: int = 1000) -> Request:
    """Return the request in a subscribe's data; Invalid names the field."""
    text = str(default_tail if data.get("tail") is None else data["tail"])
    if text != "all" and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid('tail is a number or "all"', field="tail")
    since = str(data.get("since") or "")
    if len(since) > 64 or not since.isascii():
        raise Invalid("since is a time", field="since")
    after = None if data.get("after") is None else parameters.number(data, "after", 0, _MAX_POSITION)
    return Request(None if text == "all" else int(text), since, after)


def frame(chunk: Chunk) -> Payload:
    """Return a chunk as a frame of the topic `logs`."""
    skipped = {"skipped": chunk.skipped} if chunk.skipped else {}
    return {"lines": chunk.text, "position": chunk.position, **skipped}


class LogStream(Source):
    """One container's log, for everybody who watches it."""

    linger_s = 2.0

    def __init__(self, hub: Hub, key: Hashable, tails: Tails, at: tuple[str, str], container: str) -> None:
        super().__init__(hub, key)
        self._tails, self._at = tails, at
        self._tail: Tail = tails.open(at, container)
        self._tail.listen(self._publish)

    def run(self) -> None:
        """Publish until the log ends; those who are still being sent its past get it all."""
        self._tail.done.wait()
        while any(not s.started for slot in self.slots for s in slot.subscriptions.values()):
            gevent.sleep(_POLL_S)
        self.end(self._tail.error)

    def close(self) -> None:
        """Give the tail back."""
        self._tail.leave(self._publish)
        self._tails.release(self._at, self._tail)

    def pending(self) -> Lines:
        """Return the ring for a slow client."""
        return Lines()

    def join(self, subscription: Subscription, request: Request) -> None:
        """Send a newcomer the past that it wants, then let it go on with all."""
        tail = self._tail
        tail.ready.wait()
        try:
            position = send_past(self, subscription, tail, request)
        except (WebError, OSError) as error:
            tail.error = tail.error or getattr(error, "message", str(error))
            position = tail.position
        self.hub.begin(subscription, [frame(chunk) for chunk in grouped(tail.after(position, tail.position))])

    def _publish(self, chunk: Chunk) -> None:
        self.publish(frame(chunk))


def send_past(source: LogStream, subscription: Subscription, tail: Tail, request: Request) -> int:
    """Send what came before the tail's chunks; return the position from which those go on, without a wait since."""
    position = request.after
    if position is None and not request.since and request.tail is not None:
        kept = tail.last(request.tail)
        if kept is not None:
            newest = tail.position
            for chunk in grouped(kept):
                if not source.send_alone(subscription, frame(chunk)):
                    return newest
            position = newest
    while position is None or not tail.knows(position):
        if position is not None and position > tail.position:
            return tail.position  # nothing that this log has given
        target = tail.position
        for chunk in tail.history(request.query(position), target):
            if not source.send_alone(subscription, frame(chunk)):
                return target
        position = target
    return position
