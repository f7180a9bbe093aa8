"""Hosts' health without polling: an event stream that says nothing is held open; its end means the engine is gone."""

from __future__ import annotations

import logging

import gevent

from config.contract import DEFAULT_NAMESPACE
from webui.errors import WebError
from webui.services.hosts import Hosts

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.1, 2.0
_NOTHING = {"filters": '{"type":["daemon"]}'}


class HostHealth:
    """Keeps `Hosts` up to date."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def start(self) -> None:
        """Watch every host."""
        for host in self._hosts.list_():
            gevent.spawn(self._watch, host.id)

    def _watch(self, host_id: str) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                host = self._hosts.check(host_id)
                if host.healthy:
                    _LOG.info("engine reached host=%s kind=%s version=%s", host.id, host.kind, host.version)
                    pause = _FIRST_PAUSE_S
                    self._hold(host_id)
            except Exception:
                _LOG.exception("watching a host failed host=%s", host_id)
            gevent.sleep(pause)
            pause = min(pause * 1.5, _MAX_PAUSE_S)

    def _hold(self, host_id: str) -> None:
        reason = "the engine went away"
        try:
            engine = self._hosts.watcher(host_id, DEFAULT_NAMESPACE)
            with engine.stream("GET", "/events", _NOTHING) as response:
                for _ in response.blocks():
                    pass
        except WebError as error:
            reason = error.message
        except OSError as error:
            reason = str(error)
        self._hosts.lost(host_id, reason)
        _LOG.warning("engine lost host=%s: %s", host_id, reason)
