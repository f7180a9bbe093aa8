"""One `/events` upstream for each host and namespace, shared by all sources that need it; reconnects by itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable
from typing import Any, Protocol

import gevent
from gevent import Greenlet

from webui.client.wire import Response
from webui.errors import WebError
from webui.services.hosts import Hosts

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.1, 3.0
DockerEvent = dict[str, Any]


class Listener(Protocol):
    """Who wants to know. Calls are short and never wait."""

    def connected(self) -> None:
        """Events come from now on: what happened before must be listed."""

    def events(self, batch: list[DockerEvent]) -> None:
        """Events, oldest first."""

    def disconnected(self, reason: str) -> None:
        """The engine went away; `connected` follows when it is back."""


class Feed:
    """The upstream of one host and namespace."""

    def __init__(self, hosts: Hosts, host_id: str, namespace: str) -> None:
        self._hosts, self._host, self._namespace = hosts, host_id, namespace
        self._listeners: list[Listener] = []
        self._response: Response | None = None
        self._up = False
        self._greenlet: Greenlet = gevent.spawn(self._run)

    def add(self, listener: Listener) -> None:
        """Tell `listener` from now on."""
        self._listeners.append(listener)
        if self._up:
            listener.connected()

    def remove(self, listener: Listener) -> bool:
        """Stop telling it; return whether nobody is left."""
        self._listeners.remove(listener)
        return not self._listeners

    def close(self) -> None:
        """End the upstream."""
        self._greenlet.kill()
        if self._response:
            self._response.close()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            reason = "the engine closed the event stream"
            try:
                engine = self._hosts.watcher(self._host, self._namespace)
                with engine.stream("GET", "/events") as self._response:
                    pause = _FIRST_PAUSE_S
                    self._tell_up()
                    self._follow(self._response)
            except WebError as error:
                reason = error.message
            except OSError as error:
                reason = str(error)
            if self._up:
                self._up = False
                for listener in list(self._listeners):
                    listener.disconnected(reason)
            gevent.sleep(pause)
            pause = min(pause * 2, _MAX_PAUSE_S)

    def _tell_up(self) -> None:
        self._up = True
        for listener in list(self._listeners):
            listener.connected()

    def _follow(self, response: Response) -> None:
        rest = b""
        for block in response.blocks():
            *lines, rest = (rest + block).split(b"\n")
            batch = [event for event in map(_parse, lines) if event]
            if batch:
                for listener in list(self._listeners):
                    listener.events(batch)


def _parse(line: bytes) -> DockerEvent | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


class Feeds:
    """Feeds by host and namespace; one ends with its last listener."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._feeds: dict[Hashable, Feed] = {}

    def listen(self, host_id: str, namespace: str, listener: Listener) -> None:
        """Add a listener."""
        key = (host_id, namespace)
        if key not in self._feeds:
            self._feeds[key] = Feed(self._hosts, host_id, namespace)
        self._feeds[key].add(listener)

    def leave(self, host_id: str, namespace: str, listener: Listener) -> None:
        """Take a listener away."""
        feed = self._feeds[(host_id, namespace)]
        if feed.remove(listener):
            del self._feeds[(host_id, namespace)]
            feed.close()
