"""Logs: a gigabyte written, archived and searched, a flood followed, one log watched by a hundred browsers.

`python -m benchmarks.logs` starts an engine and web tier of its own on fresh roots and prints what it saw. Needs root,
the docker CLI, and some 3 GB of disk for a while. Figures are of the machine and the hour. Writing and reading back
beside Docker is a part of `make bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
import socketio

from benchmarks.browser import _docker, _free_port, _start, _sweep
from benchmarks.client import Engine

_NEEDLE = "needle-7f3a-in-the-haystack"
_PART = 50_000_000
_FLOOD_S = 15
_TICKS = os.sysconf("SC_CLK_TCK")


def _lines(path: Path) -> None:
    """Write 50 MB of lines as services do: a time, a level, a request."""
    random.seed(4)
    words = "GET POST /api/v1/containers latency user connection reset accepted payload checksum worker retry".split()
    levels = ["INFO"] * 8 + ["WARN", "ERROR"]
    with path.open("w") as out:
        size = number = 0
        while size < _PART:
            when = f"2026-11-24T10:{number // 60000 % 60:02}:{number // 1000 % 60:02}.{number % 1000:03}"
            text = " ".join(random.choices(words, k=9))
            size += out.write(f"{when} {random.choice(levels)} request={random.getrandbits(40):x} {text}\n")
            number += 1


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss(pid: int) -> float:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024  # type: ignore[index]


def _search(engine: Engine, **query: str) -> dict[str, Any]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    with engine.stream(f"/v1.50/berth/logs/search?{words}") as answer:
        return dict(json.loads(answer.read().splitlines()[-1])["end"])


def _median(engine: Engine, turns: int, **query: str) -> str:
    ends = [_search(engine, **query) for _ in range(turns)]
    return f"{statistics.median(end['seconds'] for end in ends):.2f} s ({ends[0]['hits']} hits)"


def _archive(root: Path, engine: Engine, parts: int) -> None:
    run = root / "run"
    half = " ".join(["cat /lines.txt;"] * (parts // 2))
    _docker(run, "create", "--name", "big", "busybox", "sh", "-c", f"{half} echo {_NEEDLE}; {half}")
    _docker(run, "cp", str(root / "lines.txt"), "big:/lines.txt")
    began = time.monotonic()
    _docker(run, "start", "big")
    _docker(run, "wait", "big")
    took = time.monotonic() - began
    raw = sum(path.stat().st_size for path in (root / "data" / "engine" / "containers").glob("*/log*"))
    print(f"written: {parts * _PART / 1e6 / took:.0f} MB/s; on disk as conmon writes it {raw / 1e6:.0f} MB")
    print(f"search in it while it lives: {_median(engine, 3, q=_NEEDLE)}")
    _docker(run, "rm", "big")
    pid = int((run / "engine.pid").read_text())
    began, cpu = time.monotonic(), _cpu(pid)
    while (found := engine.call("GET", "/v1.50/berth/logs?name=big")["sources"][0])["lines"] is None:
        time.sleep(0.5)
    took = time.monotonic() - began
    print(f"archived behind the answer in {took:.0f} s, {(_cpu(pid) - cpu) / took * 100:.0f} % of a processor")
    text, stored = found["bytes"], found["stored"]
    print(f"archive: {text / 1e6:.0f} MB of text, {found['lines']} lines, {stored / 1e6:.0f} MB on disk:")
    print(f"  {stored / text * 100:.0f} % of the text, {stored / raw * 100:.0f} % of conmon's file")


def _searches(root: Path, engine: Engine) -> None:
    for path in (root / "data" / "engine" / "log-archive").glob("*/*/log.zst"):
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
    print(f"search, cold: {_median(engine, 1, q=_NEEDLE)}")
    print(f"search, warm: {_median(engine, 5, q=_NEEDLE)}")
    print(f"  any case: {_median(engine, 3, q=_NEEDLE.upper(), case='ignore')}")
    print(f"  regex: {_median(engine, 3, q='needle-%5B0-9a-f%5D%7B4%7D-in', mode='regex')}")
    print(f"  newest 200 errors of one worker: {_median(engine, 3, q='worker', level='error')}")
    began = time.monotonic()
    engine.call("GET", "/v1.50/berth/logs/histogram?name=big")
    print(f"histogram: {time.monotonic() - began:.2f} s")


def _flood(root: Path, engine: Engine) -> None:
    """A container writes 50 MB/s; one follower reads, one has stopped reading."""
    run, pid = root / "run", int((root / "run" / "engine.pid").read_text())
    options = ["--log-opt", "max-size=20m", "--log-opt", "max-file=5"]
    script = "head -c 5000000 /lines.txt > /part; while :; do cat /part; sleep 0.1; done"
    cid = _docker(run, "create", "--name", "flood", *options, "busybox", "sh", "-c", script)
    _docker(run, "cp", str(root / "lines.txt"), "flood:/lines.txt")
    _docker(run, "start", "flood")
    alone = _share(pid)
    path = f"/v1.50/berth/logs/stream?id={cid}&follow=1&tail=0"
    lines = skipped = 0
    stop = threading.Event()

    def follow() -> None:
        nonlocal lines, skipped
        with engine.stream(path) as answer:
            while not stop.is_set() and (head := answer.readline()):
                block = json.loads(head)
                answer.read(block["bytes"])
                lines, skipped = lines + block["lines"], skipped + block.get("skipped", 0)

    with engine.stream(path) as stuck:
        reader = threading.Thread(target=follow)
        reader.start()
        before = _rss(pid)
        began, first = time.monotonic(), lines
        followed = _share(pid)
        rate = (lines - first) / (time.monotonic() - began)
        after = _rss(pid)
        stop.set()
        reader.join()
        size = 0
        lost = 0
        while not lost and (head := stuck.readline()):
            block = json.loads(head)
            size += len(stuck.read(block["bytes"]))
            lost = block.get("skipped", 0)
    _docker(run, "rm", "-f", "flood")
    print(f"50 MB/s with rotation: {alone:.0f} % of a processor for the engine; with a follower {followed:.0f} %")
    print(f"  the follower gets {rate:.0f} lines/s (skipped {skipped}); memory {before:.0f} → {after:.0f} MiB")
    print(f"  one that did not read for {_FLOOD_S} s: {size / 1e6:.1f} MB of old lines, then told of {lost} lines lost")


def _share(pid: int) -> float:
    began, cpu = time.monotonic(), _cpu(pid)
    time.sleep(_FLOOD_S)
    return (_cpu(pid) - cpu) / (time.monotonic() - began) * 100


class _Watcher:
    """One browser's socket on one log; notes how late each frame's newest line is."""

    def __init__(self, url: str, cookie: str, container: str, late: list[float]) -> None:
        self._late = late
        self.lines = self.skipped = self._frames = 0
        self._client = socketio.Client(reconnection=False)
        self._client.on("frame", self._frame)
        self._client.connect(url, headers={"Cookie": cookie}, transports=["websocket"])
        self._client.call("subscribe", {"topic": "logs", "host": "local", "id": container, "tail": 0}, timeout=30)

    def _frame(self, data: dict[str, Any]) -> None:
        now = time.time()
        last = data["lines"].rpartition("\n")[2]
        when = datetime.fromisoformat(last[1:27] + "+00:00").timestamp()
        self._late.append((now - when) * 1000)
        self.lines += data["lines"].count("\n") + 1
        self.skipped += data.get("skipped", 0)
        self._frames += 1
        if self._frames % 8 == 0:
            self._client.emit("ack", {"sub": data["sub"], "n": 8})

    def close(self) -> None:
        self._client.disconnect()


def _fan_out(root: Path, url: str, link: str, sockets: int) -> None:
    session = requests.Session()
    session.headers["Origin"] = url
    token = link.rpartition("token=")[2]
    body = {"token": token, "name": "admin", "password": "correct horse battery staple"}
    session.post(f"{url}/api/v1/setup", json=body).raise_for_status()
    run = root / "run"
    ten = "for n in 0 1 2 3 4 5 6 7 8 9; do i=$((i+1)); echo line number $i of the log; done"
    script = f"i=0; while :; do {ten}; sleep 0.01; done"
    cid = _docker(run, "run", "-d", "--name", "watched", "busybox", "sh", "-c", script)
    late: list[float] = []
    watchers = []
    for number in range(sockets):
        if number % 25 == 0:  # a session may have 32 sockets
            made = session.post(f"{url}/api/v1/session", json={"name": "admin", "password": body["password"]})
            made.raise_for_status()
            cookie = "; ".join(f"{c.name}={c.value}" for c in session.cookies)
        watchers.append(_Watcher(url, cookie, cid, late))
    web = _web_pid(root)
    time.sleep(2)
    late.clear()
    began, cpu, lines = time.monotonic(), _cpu(web), sum(w.lines for w in watchers)
    time.sleep(10)
    took = time.monotonic() - began
    delivered = (sum(w.lines for w in watchers) - lines) / took
    seen = sorted(late)
    print(f"{sockets} sockets on one log: {delivered:.0f} lines/s delivered ({delivered / sockets:.0f} each)")
    print(f"  newest line of a frame p50 {seen[len(seen) // 2]:.0f} ms, p99 {seen[int(len(seen) * 0.99)]:.0f} ms old")
    print(
        f"  web tier {(_cpu(web) - cpu) / took * 100:.0f} % of a processor; skipped {sum(w.skipped for w in watchers)}"
    )
    for watcher in watchers:
        watcher.close()


def _web_pid(root: Path) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                env = (entry / "environ").read_bytes()
            except OSError:
                continue
            if b"web" in words and f"BERTH_RUN_ROOT={root}/run".encode() in env:
                return int(entry.name)
    raise SystemExit("the web tier was not found")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=20, help="of 50 MB each; an even number")
    parser.add_argument("--sockets", type=int, default=100)
    parser.add_argument("--only", default="archive,flood,sockets")
    options = parser.parse_args()
    wanted = options.only.split(",")
    with tempfile.TemporaryDirectory(prefix="berth-logs-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        port = _free_port()
        process, link = _start(root, port)
        engine = Engine("berth", str(root / "run" / "engine.sock"))
        try:
            _lines(root / "lines.txt")
            if "archive" in wanted:
                _archive(root, engine, options.parts)
                _searches(root, engine)
            if "flood" in wanted:
                _flood(root, engine)
            if "sockets" in wanted:
                _fan_out(root, f"http://127.0.0.1:{port}", link, options.sockets)
        finally:
            left = _docker(root / "run", "ps", "-aq").split()
            if left:
                _docker(root / "run", "rm", "-f", *left)
            process.terminate()
            process.wait(30)
            _sweep()


if __name__ == "__main__":
    sys.exit(main())
