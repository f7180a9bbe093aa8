"""kill -9 of the engine while containers run: they and their logs go on, and the next engine knows all about them."""

from __future__ import annotations

import datetime
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker_cli import Docker, eventually, free_port
from tests.support.instance import Instance


@pytest.fixture(autouse=True)
def leaving_nothing() -> None:
    """Tests end and start the module's engine; `instance` looks at what is left in the end."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """An engine that tests kill."""
    instance = Instance()
    instance.start("engine")
    yield instance
    left = instance.destroy()
    assert not left, f"left behind by the engine: {left}"


@pytest.fixture
def docker(instance: Instance, tmp_path: Path) -> Iterator[Docker]:
    """The CLI on it; it runs again at the end of every test."""
    docker = Docker(instance.docker_host, "busybox:latest", tmp_path)
    yield docker
    assert instance.process is not None
    if instance.process.poll() is not None:
        instance.start("engine")
    docker.clean()


def _crash(instance: Instance) -> None:
    instance.kill()
    instance.start("engine")


def test_a_busy_log_loses_and_doubles_nothing(instance: Instance, docker: Docker) -> None:
    """Lines are written before, during and after the death; followers of old and new engine see each once."""
    script = "for j in 0 1 2 3 4 5 6 7; do seq $((j * 20000 + 1)) $((j * 20000 + 20000)); sleep 0.3; done; exit 7"
    expected = "".join(f"{n}\n" for n in range(1, 160_001))
    cid = docker.ok("run", "-d", docker.image, "sh", "-c", script)
    docker.wait_log(cid, "20000")
    with docker.spawn("logs", "-f", cid) as before:
        time.sleep(0.2)
        instance.kill()
        time.sleep(0.5)
        assert before.stdout is not None
        seen = before.stdout.read().decode()
        before.wait(10)
    assert expected.startswith(seen)
    assert len(seen) > 1000
    instance.start("engine")
    assert docker("logs", "-f", cid, timeout=60).out == expected
    assert docker.ok("wait", cid) == "7"
    assert docker("logs", "--tail", "3", cid).out == "159998\n159999\n160000\n"


def test_everything_works_on_an_adopted_container(instance: Instance, docker: Docker) -> None:
    """Exec, logs -f, top, stats, stop with its signal, exit code."""
    script = "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done"
    cid = docker.ok("run", "-d", docker.image, "sh", "-c", script)
    docker.wait_log(cid, "up")
    pid = docker.inspect(cid)["State"]["Pid"]
    _crash(instance)
    assert docker.inspect(cid)["State"]["Pid"] == pid
    assert docker.ok("exec", cid, "echo", "in") == "in"
    assert docker("exec", cid, "sh", "-c", "exit 5").code == 5
    assert "trap" in docker.ok("top", cid)
    assert cid[:12] in docker.ok("stats", "--no-stream", cid)
    with docker.spawn("logs", "-f", cid) as follower, docker.spawn("wait", cid) as waiter:
        assert follower.stdout is not None
        assert waiter.stdout is not None
        assert follower.stdout.readline() == b"up\n"
        docker.ok("stop", cid)
        assert follower.stdout.read() == b"bye\n"
        assert waiter.stdout.read() == b"9\n"
    assert docker.inspect(cid)["State"]["ExitCode"] == 9
    docker.ok("start", cid)
    docker.ok("rm", "-f", cid)


def test_attach_reaches_an_adopted_container(instance: Instance, docker: Docker) -> None:
    """Its stdin is still open."""
    cid = docker.ok("run", "-d", "-i", docker.image, "cat")
    _crash(instance)
    with docker.spawn("attach", cid) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"hello\n"


@pytest.mark.parametrize(("command", "code"), [("exit 7", 7), ("true", 0)])
def test_an_end_while_the_engine_is_down_is_known(instance: Instance, docker: Docker, command: str, code: int) -> None:
    """With its code and its own time."""
    cid = docker.ok("run", "-d", docker.image, "sh", "-c", f"sleep 0.7; echo last; {command}")
    instance.kill()
    time.sleep(1.5)
    instance.start("engine")
    state = docker.inspect(cid)["State"]
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", code, 0)
    assert 0 < _seconds(state["FinishedAt"]) - _seconds(state["StartedAt"]) < 1.4
    assert docker.ok("wait", cid) == str(code)
    assert docker.ok("logs", cid) == "last"


def test_a_death_by_signal_while_the_engine_is_down_is_known(instance: Instance, docker: Docker) -> None:
    """As 128 and the signal's number."""
    cid = docker.running()
    pid = docker.inspect(cid)["State"]["Pid"]
    instance.kill()
    os.kill(pid, signal.SIGKILL)
    instance.start("engine")
    assert docker.inspect(cid)["State"]["ExitCode"] == 137


def _seconds(stamp: str) -> float:
    return datetime.datetime.fromisoformat(f"{stamp[:26].rstrip('Z')}+00:00").timestamp()


def test_policies_are_asked_after_an_end_while_the_engine_was_down(instance: Instance, docker: Docker) -> None:
    """A container that removes itself is gone, one that restarts is back."""
    gone = docker.ok("run", "-d", "--rm", docker.image, "sleep", "0.5")
    back = docker.ok("run", "-d", "--restart", "always", docker.image, "sh", "-c", "echo run; sleep 0.5; exit 1")
    instance.kill()
    time.sleep(1.2)
    instance.start("engine")
    eventually(lambda: docker("inspect", gone).code == 1, 5, "the end of --rm")
    eventually(lambda: docker("logs", back).out.count("run") >= 2, 5, "the restart")


def test_a_published_port_answers_before_during_and_after(instance: Instance, docker: Docker) -> None:
    """Its path goes through the kernel alone; after the end the port is free."""
    port = free_port()
    script = "mkdir /w; echo alive > /w/index.html; exec httpd -f -h /w"
    cid = docker.ok("run", "-d", "-p", f"127.0.0.1:{port}:80", docker.image, "sh", "-c", script)
    eventually(lambda: _fetched(docker, port) == "alive\n", 5, "an answer before")
    instance.kill()
    assert _fetched(docker, port) == "alive\n"
    instance.start("engine")
    assert _fetched(docker, port) == "alive\n"
    assert docker.ok("port", cid) == f"80/tcp -> 127.0.0.1:{port}"
    docker.ok("rm", "-f", cid)
    other = docker.ok("run", "-d", "-p", f"127.0.0.1:{port}:80", docker.image, "sh", "-c", script)
    eventually(lambda: _fetched(docker, port) == "alive\n", 5, "an answer of the next container")
    docker.ok("rm", "-f", other)


def _fetched(docker: Docker, port: int) -> str:
    try:
        return docker.fetch(port)
    except OSError as error:
        return str(error)


def test_a_paused_container_stays_paused(instance: Instance, docker: Docker) -> None:
    """And goes on when asked to."""
    cid = docker.running(script="while :; do echo x; sleep 0.02; done")
    docker.ok("pause", cid)
    _crash(instance)
    assert docker.inspect(cid)["State"]["Status"] == "paused"
    lines = docker.ok("logs", cid).count("x")
    docker.ok("unpause", cid)
    eventually(lambda: docker.ok("logs", cid).count("x") > lines, 5, "lines after the pause")


def test_rotation_goes_on_after_a_crash(instance: Instance, docker: Docker) -> None:
    """What is kept is the end of the log, without a gap."""
    count = "i=$((i+1)); echo line $i ..................................................; usleep 20000"
    script = f"i=0; while [ $i -lt 200 ]; do {count}; [ $i = 30 ] && while [ ! -e /go ]; do usleep 20000; done; done"
    options = ("--log-opt", "max-size=1k", "--log-opt", "max-file=3")
    cid = docker.ok("run", "-d", *options, docker.image, "sh", "-c", script)
    docker.wait_log(cid, "line 30 ")
    _crash(instance)
    docker.ok("exec", cid, "touch", "/go")
    docker.ok("wait", cid)
    numbers = [int(line.split()[1]) for line in docker.ok("logs", cid).splitlines()]
    assert numbers == list(range(numbers[0], 201))
    assert 20 < len(numbers) < 100


def test_an_exec_that_went_on_tells_what_it_is_and_how_it_ended(instance: Instance, docker: Docker) -> None:
    cid = docker.ok("run", "-d", docker.image, "sleep", "1000")
    command = ["sh", "-c", "while [ ! -e /go ]; do sleep 0.05; done; exit 7"]
    body = {"Cmd": command, "User": "root", "AttachStdout": True, "DetachKeys": "ctrl-x"}
    made = docker.api("POST", f"/v1.50/containers/{cid}/exec", body)[1]["Id"]
    docker.api("POST", f"/v1.50/exec/{made}/start", {"Detach": True})
    before = docker.api("GET", f"/v1.50/exec/{made}/json")[1]
    assert before["Pid"] > 0
    _crash(instance)
    assert docker.api("GET", f"/v1.50/exec/{made}/json")[1] == before
    assert docker.inspect(cid)["ExecIDs"] == [made]
    docker.ok("exec", cid, "touch", "/go")
    ended = eventually(lambda: (now := docker.api("GET", f"/v1.50/exec/{made}/json")[1]) and not now["Running"] and now)
    assert ended["ExitCode"] == 7


def test_names_are_answered_while_no_engine_runs_and_after(instance: Instance, docker: Docker) -> None:
    network, name = docker.name("net"), docker.name("web")
    docker.ok("network", "create", network)
    server = docker.ok("run", "-d", "--network", network, "--name", name, docker.image, "sleep", "60")
    address = docker.inspect(server)["NetworkSettings"]["Networks"][network]["IPAddress"]
    script = (
        f"while :; do nslookup -type=a {name} | grep -q 'Address: {address}' && echo yes || echo no; sleep 0.1; done"
    )
    client = docker.ok("run", "-d", "--network", network, docker.image, "sh", "-c", script)
    docker.wait_log(client, "yes")
    instance.kill()
    time.sleep(1)
    instance.start("engine")
    said = docker.ok("logs", client).split()
    assert len(said) > 5
    assert set(said) == {"yes"}
    docker.ok("network", "connect", "--alias", "later", network, docker.ok("run", "-d", docker.image, "sleep", "60"))
    assert "Address:" in docker.ok("exec", client, "nslookup", "-type=a", "later")
    docker.ok("rm", "-f", server)
    assert docker("exec", client, "nslookup", "-type=a", name).code != 0
