"""The engine dies by kill -9; its containers don't notice, and the next engine misses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from engine.kernel import proc
from engine.runtime.watcher import ConmonWatcher
from tests.support.runtime_bench import Bench, until

_ENGINE = """
import json, sys, threading
from pathlib import Path
from tests.support.runtime_bench import Bench
bench = Bench(Path(sys.argv[1]), Path(sys.argv[2]))
count = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; sleep 0.002; done; exit 11"
container, created = bench.run(["sh", "-c", count])
done = bench.runtime.exec_(container, "e1", {
    "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"], "cwd": "/", "args": ["sh", "-c", "sleep 0.6; exit 12"]})
print(json.dumps([container, created.pid, created.conmon_pid, done.conmon_pid]), flush=True)
threading.Event().wait()
"""


def test_container_goes_on_its_log_is_whole_and_its_end_is_told(bench: Bench) -> None:
    root = bench.root / "victim"
    root.mkdir()
    victim = subprocess.Popen(
        [sys.executable, "-c", _ENGINE, str(root), str(bench.rootfs)], stdout=subprocess.PIPE, env=_environment()
    )
    assert victim.stdout
    with victim.stdout:
        container, pid, monitor, exec_monitor = json.loads(victim.stdout.readline())
    log = root / f"{container}.log"
    until(lambda: log.exists() and len(log.read_bytes().splitlines()) > 20)
    victim.kill()
    assert victim.wait() == -signal.SIGKILL
    assert proc.is_alive(pid)
    assert proc.is_alive(monitor)
    at_death = len(log.read_bytes().splitlines())
    heir = Bench(root, bench.rootfs)
    truth = heir.runtime.probe(container)
    assert (truth.alive, truth.started, truth.pid, truth.conmon_pid) == (True, True, pid, monitor)
    heir.watcher.watch(container, monitor)
    assert heir.runtime.running_execs(container) == {"e1": exec_monitor}
    heir.watcher.watch_exec(container, "e1", exec_monitor)
    ends = {heir.notice(10).exit_code, heir.notice(10).exit_code}
    assert ends == {11, 12}
    lines = [line.split(" ", 3)[3] for line in log.read_text().splitlines()]
    assert lines == [f"line {i}" for i in range(1, 401)]
    assert at_death < 400
    heir.close()


def test_end_while_there_was_no_engine_is_told_to_the_next(bench: Bench) -> None:
    container, created = bench.run(["sh", "-c", "sleep 0.1; exit 5"])
    bench.watcher.close()
    until(lambda: (bench.folders.exits / container).exists())
    until(lambda: os.waitpid(created.conmon_pid, os.WNOHANG) != (0, 0))
    bench.watcher = ConmonWatcher(bench.folders.exits, bench.folders.bundles, bench.runtime)
    bench.watcher.start(bench.notices.put)
    truth = bench.runtime.probe(container)
    assert truth.exit is not None
    assert (truth.alive, truth.exit.exit_code) == (False, 5)
    bench.watcher.watch(container, truth.conmon_pid)
    assert bench.notice().exit_code == 5


def test_monitor_is_in_a_session_of_its_own(bench: Bench) -> None:
    _, created = bench.run(["sleep", "60"])
    found = proc.stat(created.conmon_pid)
    assert found is not None
    assert (found.session, found.parent) == (created.conmon_pid, os.getpid())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
