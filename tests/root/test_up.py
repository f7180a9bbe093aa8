"""`app.py up`: both programs from one command, their walls, and containers that outlive them."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker_cli import Docker, eventually
from tests.support.instance import REPOSITORY, Instance


@pytest.fixture
def instance() -> Iterator[Instance]:
    """A Berth that is not started yet."""
    fresh = Instance()
    yield fresh
    left = fresh.destroy()
    assert not left


def docker_of(instance: Instance, tmp_path: Path) -> Docker:
    """Return the docker CLI on an instance, with the seed image."""
    return Docker(instance.docker_host, "busybox", tmp_path)


def children_of(pid: int) -> dict[str, int]:
    """Return the pid of each child by the last word of its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(fields[1]) == pid and len(words) > 2:
                found[words[-2].decode()] = int(entry.name)
    return found


def test_up_prints_the_address_and_a_setup_link_and_serves(instance: Instance) -> None:
    instance.start("up")
    instance.wait_output(rf"Berth is on {instance.url}\n")
    link = instance.wait_output(r"Set it up: (\S+)").group(1)
    with urllib.request.urlopen(link, timeout=10) as answer:
        assert answer.status == 200
        assert "<script" in answer.read().decode()


def test_the_seed_image_makes_the_first_container_without_any_registry(instance: Instance, tmp_path: Path) -> None:
    instance.start("up")
    docker = docker_of(instance, tmp_path)
    eventually(lambda: "busybox" in docker("images", "--format", "{{.Repository}}").out, 15, "the seed image")
    assert docker.ok("run", "--rm", "busybox", "echo", "first") == "first"


def test_sigterm_stops_both_and_containers_go_on_and_are_found_again(instance: Instance, tmp_path: Path) -> None:
    instance.start("up")
    instance.wait_output("Berth is on")
    docker = docker_of(instance, tmp_path)
    eventually(lambda: docker.ok("images", "-q"), 15, "the seed image")
    cid = docker.running(script="i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done")
    docker.wait_log(cid, "\n3\n")
    pid = docker.inspect(cid)["State"]["Pid"]
    assert instance.stop(signal.SIGTERM) == 0
    assert Path(f"/proc/{pid}").exists()
    time.sleep(0.3)
    started = time.monotonic()
    instance.start("up")
    instance.wait_output("Berth is on")
    assert time.monotonic() - started < 5
    state = docker.inspect(cid)["State"]
    assert (state["Running"], state["Pid"]) == (True, pid)
    assert docker.ok("exec", cid, "echo", "again") == "again"
    docker.ok("kill", cid)
    numbers = [int(line) for line in docker.ok("logs", cid).split()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_ctrl_c_stops_both(instance: Instance) -> None:
    instance.start("up")
    instance.wait_output("Berth is on")
    assert instance.process is not None
    parts = children_of(instance.process.pid)
    assert set(parts) == {"engine", "web"}
    assert instance.stop(signal.SIGINT) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in parts.values())


@pytest.mark.parametrize("part", ["engine", "web"])
def test_when_one_dies_up_says_so_and_ends(instance: Instance, part: str) -> None:
    instance.start("up")
    instance.wait_output("Berth is on")
    assert instance.process is not None
    os.kill(children_of(instance.process.pid)[part], signal.SIGKILL)
    assert instance.process.wait(20) == 1
    assert instance.stop() == 1
    other = "web" if part == "engine" else "engine"
    assert f"berth: the {part} ended by SIGKILL; stopping the {other} too" in instance.output


def test_a_second_up_on_the_same_roots_is_refused(instance: Instance) -> None:
    instance.start("up")
    done = _up(instance.settings)
    assert done.returncode == 1
    assert f"berth: Berth already runs on {instance.run_root} (pid " in done.stderr


def test_up_beside_a_running_engine_is_refused(instance: Instance) -> None:
    instance.start("engine")
    done = _up(instance.settings)
    assert done.returncode == 1
    assert f"an engine already runs on {instance.run_root}" in done.stderr
    done = _up(instance.settings, "engine")
    assert done.returncode == 1
    assert "another engine" in done.stderr


def test_the_web_tier_has_no_privileges_and_cannot_reach_behind_the_wall(instance: Instance) -> None:
    instance.start("up")
    instance.wait_output("Berth is on")
    assert instance.process is not None
    web = children_of(instance.process.pid)["web"]
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{web}/status").read_text().splitlines() if ":\t" in line
    )
    user = pwd.getpwnam("berth")
    assert set(status["Uid"].split()) == {str(user.pw_uid)}
    assert set(status["Gid"].split()) == {str(user.pw_gid)}
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert stat.S_IMODE(instance.admin_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(instance.web_socket.stat().st_mode) == 0o660
    for attempt, allowed in (
        (f"socket.socket(socket.AF_UNIX).connect({str(instance.admin_socket)!r})", False),
        (f"os.listdir({str(instance.data_root / 'engine')!r})", False),
        (f"os.kill({children_of(instance.process.pid)['engine']}, 0)", False),
        (f"socket.socket(socket.AF_UNIX).connect({str(instance.web_socket)!r})", True),
    ):
        done = subprocess.run(
            ["/usr/bin/python3", "-c", f"import os, socket; {attempt}"],
            user=user.pw_uid, group=user.pw_gid, extra_groups=[], capture_output=True, text=True, cwd="/", check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is allowed, (attempt, done.stderr)
        if not allowed:
            assert "PermissionError" in done.stderr


def test_two_instances_run_side_by_side(instance: Instance, tmp_path: Path) -> None:
    other = Instance()
    try:
        instance.start("engine")
        other.start("engine")
        first, second = docker_of(instance, tmp_path), docker_of(other, tmp_path)
        for docker in (first, second):
            eventually(lambda docker=docker: docker.ok("images", "-q"), 15, "the seed image")
        one = first.running("--name", "same-name")
        two = second.running("--name", "same-name")
        assert first.ok("ps", "-q", "--no-trunc") == one
        assert second.ok("ps", "-q", "--no-trunc") == two
    finally:
        assert not other.destroy()


def _up(settings: dict[str, str], command: str = "up") -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("BERTH_")}
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "app.py"), command],
        env=environ | settings, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
