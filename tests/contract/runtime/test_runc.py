"""The same promises where there is runc and no crun: the fall-back."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from engine.errors import RuntimeFailed
from engine.runtime.crun import CrunRuntime
from engine.runtime.watcher import ConmonWatcher
from tests.support.runtime_bench import Bench

RUNC = shutil.which("runc", path="/usr/sbin:/usr/bin:/usr/local/bin") or ""
pytestmark = pytest.mark.skipif(not RUNC, reason="runc is the fall-back: machines with crun need not have it")
PROCESS = {"user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"], "cwd": "/"}


@pytest.fixture
def runc(bench: Bench) -> Bench:
    """The bench with runc in crun's place."""
    bench.watcher.close()
    bench.runtime.close()
    bench.programs = replace(bench.programs, runtime=RUNC)
    bench.runtime = CrunRuntime(bench.folders, bench.programs, bench.cgroups)
    bench.watcher = ConmonWatcher(bench.folders.exits, bench.folders.bundles, bench.runtime)
    bench.watcher.start(bench.notices.put)
    return bench


def test_run_pause_exec_update_and_kill(runc: Bench) -> None:
    container, created = runc.create(["sh", "-c", "echo up; sleep 60"])
    assert not runc.runtime.loads_bpf
    runc.runtime.start(container)
    runc.runtime.pause(container)
    runc.runtime.resume(container)
    done = runc.runtime.exec_(container, "e", {**PROCESS, "args": ["sh", "-c", "echo in; exit 5"]}, attach=True)
    runc.watcher.watch_exec(container, "e", done.conmon_pid)
    assert done.attachment
    assert done.attachment.recv() == (1, b"in\n")
    assert runc.notice().exit_code == 5
    done.attachment.close()
    runc.runtime.update(container, {"pids": {"limit": 9}})
    assert runc.cgroups.read(f"/berth/h1contract/default/{container}", "pids", "pids.max").strip() == "9"
    assert runc.runtime.signal(container, created.pid, 9)
    assert (runc.notice().exit_code, runc.log(container)) == (137, ["up"])
    runc.runtime.delete(container)
    assert list(runc.folders.state.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        ("nosuch", 127, "executable file not found in $PATH"),
        ("/etc/passwd", 126, "permission denied"),
    ],
)
def test_failures_speak_dockers_words(runc: Bench, command: str, code: int, why: str) -> None:
    with pytest.raises(RuntimeFailed) as caught:
        runc.runtime.create(runc.launch([command]))
    assert caught.value.exit_code == code
    assert str(caught.value).endswith(f'unable to start container process: exec: "{command}": {why}: unknown')
