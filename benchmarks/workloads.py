"""What is measured. Each function does one piece of work on an engine and returns its figures.

Names say the unit: `… ms` and `… s` are better small, `… MB/s` is better large.
"""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Mapping

from benchmarks.client import ApiError, Engine, split_frames

Figures = Mapping[str, float]


class Watch:
    """Measures the time of a block."""

    def __enter__(self) -> Watch:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.s = time.perf_counter() - self._began
        self.ms = self.s * 1000


def start(engine: Engine) -> Figures:
    """One container on the default bridge, from create to removed."""
    return _whole_life(engine, "bridge", "start+wait+remove, bridge, ms")


def start_without_network(engine: Engine) -> Figures:
    """The same without a network."""
    return _whole_life(engine, "none", "start+wait+remove, no network, ms")


def _whole_life(engine: Engine, network: str, name: str) -> Figures:
    with Watch() as whole:
        container = engine.launch("true", network=network)
        code = engine.wait(container)
        engine.remove(container)
    if code:
        raise ApiError(f"{engine.name}: true ended with {code}")
    return {name: whole.ms}


def execute(engine: Engine) -> Figures:
    """Five commands in a running container, from the request until the exit code is known."""
    container = engine.launch("sleep", "1000", network="none")
    times = []
    try:
        for _ in range(5):
            with Watch() as one:
                engine.execute(container, "true")
            times.append(one.ms)
    finally:
        engine.remove(container)
    return {"exec until exit code, ms": statistics.median(times)}


def stop(engine: Engine) -> Figures:
    """A container that ends at its stop signal, and a running one removed by force."""
    container = engine.launch("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.01; done")
    time.sleep(0.2)
    with Watch() as stopping:
        engine.call("POST", f"/containers/{container}/stop")
    engine.remove(container)
    container = engine.launch("sleep", "1000")
    with Watch() as removing:
        engine.remove(container)
    return {"stop, ms": stopping.ms, "rm -f of a running container, ms": removing.ms}


def event_latency(engine: Engine) -> Figures:
    """From the start call until a client of /events has read the `start` event."""
    seen = threading.Event()
    arrived = [0.0]
    container = engine.create("true", network="none")
    with engine.stream("/events") as response:

        def read() -> None:
            while line := response.readline():
                record = json.loads(line)
                if record.get("id") == container and record.get("status") == "start":
                    arrived[0] = time.perf_counter()
                    seen.set()
                    return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        time.sleep(0.05)
        called = time.perf_counter()
        engine.start(container)
        if not seen.wait(10):
            raise ApiError(f"{engine.name}: no start event")
        reader.join()
    engine.wait(container)
    engine.remove(container)
    return {"start called → event seen, ms": (arrived[0] - called) * 1000}


_MEGABYTES = 50


def log(engine: Engine) -> Figures:
    """A container that writes 50 MB of lines as fast as it can, and reading them back."""
    line = "x" * 96 + "END"
    script = (
        f"yes {line} | head -c 1000000 >/tmp/l; i=0; "
        f'while [ $i -lt {_MEGABYTES} ]; do set -- "$@" /tmp/l; i=$((i+1)); done; exec cat "$@"'
    )
    container = engine.create("sh", "-c", script, network="none")
    try:
        with Watch() as writing:
            engine.start(container)
            engine.wait(container)
        with Watch() as reading:
            lines = _count_lines(engine, container)
    finally:
        engine.remove(container)
    if abs(lines - _MEGABYTES * 10_000) > _MEGABYTES * 50:
        raise ApiError(f"{engine.name}: {lines} lines of {_MEGABYTES * 10_000} came back")
    return {"50 MB of lines written, s": writing.s, "log read back, MB/s": _MEGABYTES / reading.s}


def _count_lines(engine: Engine, container: str) -> int:
    """Count on a bare socket: decoding small chunks would cost more than the engine's part."""
    lines, rest = 0, b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(300)
        sock.connect(engine.path)
        sock.sendall(
            f"GET /containers/{container}/logs?stdout=1 HTTP/1.1\r\nHost: localhost\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        while chunk := sock.recv(1 << 20):
            lines += (rest + chunk).count(b"END\n")
            rest = chunk[-3:]
    return lines


def follow(engine: Engine) -> Figures:
    """From a line's writing (the container stamps it) until a follower has it; a line each 10 ms."""
    script = "sleep 0.5; i=0; while [ $i -lt 150 ]; do usleep 10000; echo | ts '%.s'; i=$((i+1)); done"
    container = engine.launch("sh", "-c", script, network="none")
    latencies: list[float] = []
    asked = time.time()
    buffer = text = b""
    try:
        with engine.stream(f"/containers/{container}/logs?stdout=1&follow=1") as response:
            while chunk := response.read1(65536):
                now = time.time()
                payload, buffer = split_frames(buffer + chunk)
                *lines, text = (text + payload).split(b"\n")
                latencies += [(now - float(line)) * 1000 for line in lines if float(line) > asked]
    finally:
        engine.remove(container)
    if len(latencies) < 120:
        raise ApiError(f"{engine.name}: {len(latencies)} of 150 lines arrived")
    return {
        "line written → follower, p50, ms": statistics.median(latencies),
        "line written → follower, p99, ms": sorted(latencies)[int(len(latencies) * 0.99)],
    }


def one_shot_stats(engine: Engine) -> Figures:
    """One sample of a running container's use."""
    container = engine.launch("sleep", "1000")
    times = []
    try:
        for _ in range(3):
            time.sleep(0.3)
            with Watch() as one:
                engine.call("GET", f"/containers/{container}/stats?stream=false&one-shot=1")
            times.append(one.ms)
    finally:
        engine.remove(container)
    return {"one-shot stats, ms": statistics.median(times)}


def listing(engine: Engine) -> Figures:
    """A list of 20 containers."""
    made = [engine.create("true", network="none") for _ in range(20)]
    times = []
    try:
        for _ in range(10):
            with Watch() as one:
                engine.call("GET", "/containers/json?all=1")
            times.append(one.ms)
    finally:
        for container in made:
            engine.remove(container)
    return {"list of 20, ms": statistics.median(times)}


WORKLOADS: Mapping[str, tuple[Callable[[Engine], Figures], int]] = {
    "start": (start, 15),
    "start-none": (start_without_network, 15),
    "exec": (execute, 5),
    "stop": (stop, 5),
    "events": (event_latency, 15),
    "log": (log, 2),
    "follow": (follow, 1),
    "stats": (one_shot_stats, 3),
    "list": (listing, 1),
}
"""Name → work and how often it is done on each engine."""
