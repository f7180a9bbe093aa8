"""Usage of running containers, each second while somebody watches.

Berth's engine streams it for all containers at once (`GET /berth/usage`). Of another engine one-shot stats are asked
for each running container, ten at a time; two samples make a CPU figure.
"""

from __future__ import annotations

import json
import time
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import gevent
from gevent.pool import Pool

from webui.client.engine import Engine
from webui.client.wire import Response
from webui.errors import EngineRefused, WebError
from webui.realtime.hub import Hub, Source
from webui.realtime.pending import Newest, Payload
from webui.services.hosts import Hosts
from webui.times import now_ms, rfc3339

_PERIOD_S = 1.0
_RETRY_S = 1.0
_AT_ONCE = 10
_ONE_SHOT = {"stream": "0", "one-shot": "1"}


class UsageSource(Source):
    """The usage of one host and namespace."""

    def __init__(self, hub: Hub, key: Hashable, hosts: Hosts, at: tuple[str, str]) -> None:
        super().__init__(hub, key)
        self._hosts, self._at = hosts, at
        self._last: Payload | None = None
        self._before: dict[str, tuple[float, int]] = {}
        self._response: Response | None = None

    def run(self) -> None:
        """Stream, or sample; again and again while the engine is away."""
        while True:
            engine = self._hosts.watcher(*self._at)
            try:
                self._stream(engine)
            except EngineRefused as error:
                if error.status not in (404, 501):
                    gevent.sleep(_RETRY_S)
                    continue
                self._sample_for_ever(engine)
            except (WebError, OSError, ValueError):
                pass
            gevent.sleep(_RETRY_S)

    def close(self) -> None:
        """Close the upstream."""
        if self._response:
            self._response.close()

    def pending(self) -> Newest:
        """Return the newest frame's place."""
        return Newest()

    def first(self) -> Iterable[Payload]:
        """Return the last figures."""
        return [self._last] if self._last else []

    def _send(self, payload: Payload) -> None:
        self._last = payload
        self.publish(payload)

    def _stream(self, engine: Engine) -> None:
        rest = b""
        with engine.stream("GET", "/berth/usage", {"stream": "1"}) as self._response:
            for block in self._response.blocks():
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    if line.strip():
                        self._send(json.loads(line))

    def _sample_for_ever(self, engine: Engine) -> None:
        try:
            while True:
                started = time.monotonic()
                self._send(self._sample(engine))
                gevent.sleep(max(0.05, _PERIOD_S - (time.monotonic() - started)))
        except (WebError, OSError):
            self._before.clear()

    def _sample(self, engine: Engine) -> Payload:
        running = engine.call("GET", "/containers/json", {"filters": '{"status":["running"]}'})
        ids = [row["Id"] for row in running]
        stats = Pool(_AT_ONCE).map(lambda i: (i, _one(engine, i)), ids)
        rows = {container: self._row(container, raw) for container, raw in stats if raw}
        self._before = {container: seen for container, seen in self._before.items() if container in rows}
        return {"at": rfc3339(now_ms()), "rows": rows}

    def _row(self, container: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        now, used = time.monotonic(), _at(raw, "cpu_stats", "cpu_usage", "total_usage")
        then, before = self._before.get(container, (now, used))
        self._before[container] = (now, used)
        cpu = 100.0 * (used - before) / ((now - then) * 1e9) if now > then else 0.0
        return {"cpu": round(max(0.0, cpu), 2), **_figures(raw)}


def _one(engine: Engine, container: str) -> Mapping[str, Any] | None:
    try:
        found = engine.call("GET", f"/containers/{container}/stats", _ONE_SHOT, timeout=5)
    except (WebError, OSError):
        return None
    return found if isinstance(found, dict) else None


def _figures(raw: Mapping[str, Any]) -> dict[str, int]:
    """Return memory (page cache taken off as `docker stats` does), totals of network and disk, processes."""
    memory = raw.get("memory_stats") or {}
    detail = memory.get("stats") or {}
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    networks = (raw.get("networks") or {}).values()
    io = (raw.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    return {
        "mem": max(0, memory.get("usage", 0) - cache),
        "limit": memory.get("limit", 0),
        "rx": sum(n.get("rx_bytes", 0) for n in networks),
        "tx": sum(n.get("tx_bytes", 0) for n in networks),
        "read": sum(e["value"] for e in io if e.get("op", "").lower() == "read"),
        "write": sum(e["value"] for e in io if e.get("op", "").lower() == "write"),
        "pids": (raw.get("pids_stats") or {}).get("current", 0),
        "throttled": _at(raw, "cpu_stats", "throttling_data", "throttled_time"),
    }


def _at(raw: Mapping[str, Any], *path: str) -> int:
    value: Any = raw
    for name in path:
        value = (value or {}).get(name)
    return int(value or 0)
