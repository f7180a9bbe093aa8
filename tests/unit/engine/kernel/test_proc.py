"""What /proc tells of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from engine.kernel import proc


def test_own_process_is_described() -> None:
    found = proc.stat(os.getpid())
    assert found is not None
    assert (found.parent, found.session, found.state) == (os.getppid(), os.getsid(0), "R")
    assert proc.is_alive(os.getpid())
    assert proc.status(os.getpid())["Pid"] == str(os.getpid())
    assert proc.argv(os.getpid())
    assert proc.cgroup_of(os.getpid())


def test_a_name_with_parentheses_is_read_right() -> None:
    child = subprocess.Popen(["/bin/sh", "-c", "echo -n 'a) b (' > /proc/self/comm; read x"], stdin=-1, stdout=-1)
    assert child.stdin is not None
    try:
        while (found := proc.stat(child.pid)) is None or not found.name.startswith("a)"):
            pass
        assert found.name == "a) b ("
        assert found.parent == os.getpid()
    finally:
        child.communicate(b"\n")


def test_signal_reaches_a_process_and_not_a_dead_one() -> None:
    child = subprocess.Popen(["/bin/sleep", "5"])
    assert proc.send_signal(child.pid, signal.SIGTERM) is True
    while proc.is_alive(child.pid):
        pass
    assert child.wait() == -signal.SIGTERM
    assert proc.send_signal(child.pid, signal.SIGTERM) is False
    assert proc.stat(child.pid) is None
    assert proc.read(child.pid, "stat") == b""
    assert not proc.is_alive(child.pid)
    assert proc.argv(child.pid) == []


def test_open_files_are_raised_to_the_hard_limit_in_a_process_of_its_own() -> None:
    script = (
        "import resource; from engine.kernel import proc\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))\n"
        "print(proc.raise_open_files(), resource.getrlimit(resource.RLIMIT_NOFILE), proc.raise_open_files())"
    )
    root = Path(proc.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(100, 200) (200, 200) (200, 200)"


def test_end_of_a_process_is_waited_for() -> None:
    child = subprocess.Popen(["/bin/sleep", "60"])
    assert proc.wait_gone(child.pid, 0.01) is False
    child.kill()
    assert proc.wait_gone(child.pid, 5) is True
    child.wait()
    assert proc.wait_gone(child.pid, 0) is True
