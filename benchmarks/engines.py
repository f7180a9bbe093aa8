"""Starts the engines to compare, each in a folder and in network and mount namespaces of its own, and ends them.

The namespaces, and with them bridges, rules, ports and mounts, go with their last process.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.client import Engine

_REPOSITORY = Path(__file__).resolve().parents[1]
_START_S = 60.0


@contextmanager
def berth(folder: Path) -> Iterator[Engine]:
    """Run this checkout's engine below `folder`."""
    settings = {
        "BERTH_DATA_ROOT": str(folder / "data"),
        "BERTH_RUN_ROOT": str(folder / "run"),
        "BERTH_INSTANCE": "bench",
        "BERTH_SEED_BUSYBOX": "false",
        "BERTH_LOG_LEVEL": "warning",
    }
    argv = [sys.executable, str(_REPOSITORY / "app.py"), "engine"]
    with _running("berth", argv, folder, folder / "run" / "engine.sock", settings) as engine:
        yield engine


@contextmanager
def docker(folder: Path) -> Iterator[Engine]:
    """Run the machine's dockerd below `folder`."""
    (folder / "daemon.json").write_text("{}")
    path = folder / "docker.sock"
    argv = [
        "dockerd", "--config-file", str(folder / "daemon.json"), "--data-root", str(folder / "data"),
        "--exec-root", str(folder / "run"), "--pidfile", str(folder / "pid"), "-H", f"unix://{path}",
    ]  # fmt: skip
    with _running("docker", argv, folder, path, {}) as engine:
        yield engine


def is_docker_installed() -> bool:
    """Say whether there is a dockerd to compare with."""
    return shutil.which("dockerd") is not None


@contextmanager
def _running(name: str, argv: list[str], folder: Path, path: Path, settings: dict[str, str]) -> Iterator[Engine]:
    alone = ["unshare", "--net", "--mount", "--propagation", "slave"]
    isolated = [*alone, "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *argv]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            isolated,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings},
            start_new_session=True,
        )
    try:
        _wait_for(path, process, folder / "log")
        engine = Engine(name, str(path))
        try:
            yield engine
        finally:
            engine.clean()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.connect(str(path))
        except OSError:
            time.sleep(0.1)
            continue
        if Engine("", str(path)).call("GET", "/version"):
            return
    raise SystemExit(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")
