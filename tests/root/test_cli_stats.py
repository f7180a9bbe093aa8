"""`docker stats`, `docker top`, and Berth's own usage feed, against what the kernel says."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.docker_cli import Docker, UnixConnection, eventually

BUSY = "while :; do :; done"


def _stats(docker: Docker, ref: str, query: str) -> dict:
    status, answer = docker.api("GET", f"/containers/{ref}/stats?{query}")
    assert status == 200, answer
    return answer


def test_a_busy_container_uses_one_processor(docker: Docker) -> None:
    cid = docker.running(script=BUSY)
    time.sleep(0.3)
    shown = _stats(docker, cid, "stream=false")
    used = shown["cpu_stats"]["cpu_usage"]["total_usage"] - shown["precpu_stats"]["cpu_usage"]["total_usage"]
    machine = shown["cpu_stats"]["system_cpu_usage"] - shown["precpu_stats"]["system_cpu_usage"]
    assert 0 < used / machine * shown["cpu_stats"]["online_cpus"] < 1.2
    assert used > 50_000_000
    assert shown["read"] > shown["preread"] > "2020"


def test_memory_pids_and_limits_are_the_cgroups(docker: Docker) -> None:
    script = "head -c 20000000 /dev/zero > /dev/shm/x; sleep 1000 & sleep 1000 & echo ready; wait"
    cid = docker.ok("run", "-d", "-m", "64m", "--pids-limit", "50", docker.image, "sh", "-c", script)
    docker.wait_log(cid, "ready")
    shown = _stats(docker, cid, "stream=false&one-shot=1")
    assert shown["memory_stats"]["limit"] == 64 << 20
    assert 20_000_000 < shown["memory_stats"]["usage"] < 64 << 20
    assert shown["pids_stats"] == {"current": 3, "limit": 50}
    assert shown["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert (shown["id"], shown["name"]) == (cid, docker.inspect(cid)["Name"])


def test_network_counters_are_the_containers_own(docker: Docker) -> None:
    cid = docker.running()
    before = _stats(docker, cid, "stream=false&one-shot=1")["networks"]
    assert list(before) == ["eth0"]
    gateway = docker.inspect(cid)["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    docker.ok("exec", cid, "ping", "-c", "3", "-i", "0.1", gateway)
    after = _stats(docker, cid, "stream=false&one-shot=1")["networks"]
    assert after["eth0"]["tx_packets"] >= before["eth0"]["tx_packets"] + 3
    assert "networks" not in _stats(docker, docker.running("--network", "none"), "stream=false&one-shot=1")
    assert "networks" not in _stats(docker, docker.running("--network", "host"), "stream=false&one-shot=1")


def test_a_stopped_container_uses_nothing(docker: Docker) -> None:
    cid = docker.ok("create", docker.image, "true")
    shown = _stats(docker, cid, "stream=false")
    assert (shown["id"], shown["memory_stats"], shown["read"]) == (cid, {}, "0001-01-01T00:00:00Z")


def test_once_and_for_ever_contradict(docker: Docker) -> None:
    cid = docker.ok("create", docker.image, "true")
    status, answer = docker.api("GET", f"/containers/{cid}/stats?stream=1&one-shot=1")
    assert (status, answer["message"]) == (400, "cannot have stream=true and one-shot=true")


def test_the_cli_shows_a_line_for_each(docker: Docker) -> None:
    first, second = docker.running(), docker.running()
    lines = docker.ok("stats", "--no-stream", "--format", "{{.ID}} {{.PIDs}}", first, second).splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted([first[:12], second[:12]])


@contextmanager
def _streamed(docker: Docker, path: str) -> Iterator[Iterator[dict]]:
    connection = UnixConnection(docker.host.removeprefix("unix://"), 10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        yield (json.loads(line) for line in response)
    finally:
        connection.close()


def test_a_stream_has_a_sample_each_second_until_the_container_is_removed(docker: Docker) -> None:
    cid = docker.running()
    with _streamed(docker, f"/containers/{cid}/stats") as samples:
        first, second = next(samples), next(samples)
        assert second["preread"] == first["read"]
        assert second["precpu_stats"] == first["cpu_stats"]
        docker.ok("rm", "-f", cid)
        rest = list(samples)
    assert len(rest) <= 2


def test_the_usage_feed_shows_every_running_container(docker: Docker) -> None:
    busy, idle = docker.running(script=BUSY), docker.running()
    stopped = docker.ok("create", docker.image, "true")
    with _streamed(docker, "/berth/usage?stream=1") as moments:
        first, second = next(moments), next(moments)
        assert second["at"] > first["at"]
        rows = second["rows"]
        assert {busy, idle} <= set(rows)
        assert stopped not in rows
        assert set(rows[idle]) == {"cpu", "mem", "limit", "rx", "tx", "read", "write", "pids", "throttled"}
        assert rows[busy]["cpu"] > rows[idle]["cpu"]
        assert rows[idle]["pids"] == 2
        docker.ok("rm", "-f", busy)
        next(moments)
        assert busy not in next(moments)["rows"]


def test_watchers_of_the_feed_come_and_go(docker: Docker) -> None:
    docker.running()
    seen = []

    def watch() -> None:
        with _streamed(docker, "/berth/usage?stream=1") as moments:
            seen.append(next(moments))

    threads = [threading.Thread(target=watch) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 10
    status, once = docker.api("GET", "/berth/usage")
    assert (status, set(once)) == (200, {"at", "rows"})


def test_top_lists_the_containers_processes_alone(docker: Docker) -> None:
    cid = docker.running()
    other = docker.running()
    table = docker.api("GET", f"/containers/{cid}/top")[1]
    assert table["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    pids = {row[1] for row in table["Processes"]}
    assert str(docker.inspect(cid)["State"]["Pid"]) in pids
    assert pids.isdisjoint(row[1] for row in docker.api("GET", f"/containers/{other}/top")[1]["Processes"])
    assert docker.ok("top", cid, "-o", "pid,comm").splitlines()[0].split() == ["PID", "COMMAND"]


@pytest.mark.parametrize(
    ("ps_args", "status", "message"),
    [
        ("-o comm", 500, "Couldn't find PID field in ps output"),
        ("--foo", 500, "ps: error: unknown gnu long option"),
    ],
)
def test_top_explains_what_ps_refuses(docker: Docker, ps_args: str, status: int, message: str) -> None:
    cid = docker.running()
    path = f"/containers/{cid}/top?ps_args={urllib.parse.quote(ps_args)}"
    answer = docker.api("GET", path)
    assert (answer[0], answer[1]["message"]) == (status, message)


def test_a_stopped_container_has_no_processes(docker: Docker) -> None:
    cid = docker.ok("create", docker.image, "true")
    status, answer = docker.api("GET", f"/containers/{cid}/top")
    assert (status, answer["message"]) == (409, f"Container {cid} is not running")


def test_a_killed_container_leaves_the_feed(docker: Docker) -> None:
    cid = docker.running()

    def rows() -> dict:
        return docker.api("GET", "/berth/usage")[1]["rows"]

    eventually(lambda: cid in rows(), 5, "its row")
    docker.ok("kill", cid)
    eventually(lambda: cid not in rows(), 5, "the end of its row")
