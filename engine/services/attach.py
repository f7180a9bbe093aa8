"""Attaching to a container's standard streams, before it runs as well as while it does.

A client may attach first and start afterwards (`docker run` does): its source waits, and is joined to conmon after
the process was created and before it is let go, so that not one byte is missed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.errors import BerthError
from engine.runtime.base import Attachment


class AttachSource:
    """One client's view of the streams. Same calls as `Attachment`; each waits until the container runs."""

    def __init__(self, on_close: Callable[[AttachSource], None]) -> None:
        self._on_close = on_close
        self._ready = threading.Event()
        self._attachment: Attachment | None = None

    def join(self, attachment: Attachment | None) -> None:
        """Give the source its streams; None ends it (the container will not run)."""
        self._attachment = attachment
        self._ready.set()

    def recv(self) -> tuple[int, bytes] | None:
        """Return the next (stream, bytes), 1 stdout and 2 stderr; None at the end."""
        self._ready.wait()
        return self._attachment.recv() if self._attachment is not None else None

    def send(self, data: bytes) -> None:
        """Write to the container's stdin; dropped when it has ended."""
        self._ready.wait()
        if self._attachment is not None:
            self._attachment.send(data)

    def close_stdin(self) -> None:
        """Pass the client's half-close on."""
        self._ready.wait()
        if self._attachment is not None:
            self._attachment.close_stdin()

    def close(self) -> None:
        """Detach; the container goes on."""
        self._on_close(self)
        self._ready.set()
        if self._attachment is not None:
            self._attachment.close()


class AttachPoints:
    """The sources that wait for their container's start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[AttachSource]] = {}

    def wait_for(self, container_id: str) -> AttachSource:
        """Return a source that `open` of this container joins to its streams."""
        source = AttachSource(lambda gone: self._drop(container_id, gone))
        with self._lock:
            self._waiting.setdefault(container_id, []).append(source)
        return source

    def open(self, container_id: str, attach: Callable[[], Attachment]) -> None:
        """Join every waiting source of the container to a connection of its own."""
        for source in self._take(container_id):
            try:
                source.join(attach())
            except (BerthError, OSError):
                source.join(None)
                raise

    def abandon(self, container_id: str) -> None:
        """End every waiting source: the container failed to start or is gone."""
        for source in self._take(container_id):
            source.join(None)

    def _take(self, container_id: str) -> list[AttachSource]:
        with self._lock:
            return self._waiting.pop(container_id, [])

    def _drop(self, container_id: str, source: AttachSource) -> None:
        with self._lock:
            waiting = self._waiting.get(container_id, [])
            if source in waiting:
                waiting.remove(source)
            if not waiting:
                self._waiting.pop(container_id, None)
