"""Health checks and the end by want of memory, as the docker CLI shows them."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.docker_cli import Docker, eventually

QUICK = ("--health-interval", "100ms", "--health-timeout", "2s", "--health-retries", "2")


def health(docker: Docker, cid: str) -> str:
    return docker.ok("inspect", "--format", "{{.State.Health.Status}}", cid)


def events_of(docker: Docker, cid: str, template: str) -> str:
    now = f"{time.time():.9f}"  # "0s" is the beginning of this second
    return docker.ok("events", "--since", "1m", "--until", now, "--filter", f"container={cid}", "--format", template)


def test_a_container_without_a_check_has_no_health(docker: Docker) -> None:
    assert docker.inspect(docker.running())["State"].get("Health") is None


def test_health_follows_the_check_and_is_shown(docker: Docker) -> None:
    cid = docker.ok("run", "-d", *QUICK, "--health-cmd", "test -e /ok", docker.image, "sleep", "60")
    assert health(docker, cid) in ("starting", "unhealthy")
    eventually(lambda: health(docker, cid) == "unhealthy", 10)
    assert "(unhealthy)" in docker.ok("ps", "--filter", f"id={cid}", "--format", "{{.Status}}")
    docker.ok("exec", cid, "touch", "/ok")
    eventually(lambda: health(docker, cid) == "healthy", 10)
    log = docker.inspect(cid)["State"]["Health"]["Log"]
    assert 1 <= len(log) <= 5
    assert log[-1]["ExitCode"] == 0
    assert docker.ok("ps", "-q", "--no-trunc", "--filter", "health=healthy", "--filter", f"id={cid}") == cid


def test_changes_of_health_are_events(docker: Docker) -> None:
    cid = docker.ok("run", "-d", *QUICK, "--health-cmd", "echo seen; exit 1", docker.image, "sleep", "60")
    eventually(lambda: health(docker, cid) == "unhealthy", 10)
    events = events_of(docker, cid, "{{.Action}}")
    assert "health_status: unhealthy" in events.splitlines()
    assert docker.inspect(cid)["State"]["Health"]["Log"][-1]["Output"] == "seen\n"


def test_a_check_that_takes_too_long_fails_and_is_ended(docker: Docker) -> None:
    cid = docker.ok(
        "run", "-d", "--health-interval", "100ms", "--health-timeout", "300ms", "--health-retries", "1",
        "--health-cmd", "sleep 77", docker.image, "sleep", "60",
    )  # fmt: skip
    eventually(lambda: health(docker, cid) == "unhealthy", 10)
    log = docker.inspect(cid)["State"]["Health"]["Log"]
    assert log[-1]["ExitCode"] == -1
    assert "exceeded timeout" in log[-1]["Output"]
    docker.ok("pause", cid)
    assert docker.ok("top", cid).count("sleep 77") <= 1
    docker.ok("unpause", cid)


def test_a_container_starts_anew_with_its_health(docker: Docker) -> None:
    cid = docker.ok("run", "-d", *QUICK, "--health-cmd", "true", docker.image, "sleep", "60")
    eventually(lambda: health(docker, cid) == "healthy", 10)
    docker.ok("restart", "-t", "0", cid)
    eventually(lambda: health(docker, cid) == "healthy", 10)


def test_the_kernels_kill_for_memory_is_told_with_its_numbers(docker: Docker) -> None:
    script = "x=a; while true; do x=$x$x; done"
    cid = docker.ok("run", "-d", "-m", "16m", docker.image, "sh", "-c", script)
    assert docker.ok("wait", cid, timeout=60) == "137"
    state = docker.inspect(cid)["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)
    lines = events_of(docker, cid, "{{json .}}")
    events = [json.loads(line) for line in lines.splitlines()]
    actions = [event["Action"] for event in events]
    assert actions.index("oom") < actions.index("die")
    told = next(event["Actor"]["Attributes"] for event in events if event["Action"] == "oom")
    if "memoryLimit" in told:  # Berth's own
        assert int(told["memoryLimit"]) == 16 * 1024 * 1024
        assert 0 < int(told["memoryPeak"]) <= int(told["memoryLimit"])


@pytest.mark.parametrize("test", [["NONE"], []], ids=["none", "empty"])
def test_a_check_can_be_switched_off(docker: Docker, test: list[str]) -> None:
    status, made = docker.api(
        "POST", "/containers/create", {"Image": docker.image, "Cmd": ["true"], "Healthcheck": {"Test": test}}
    )
    assert status == 201
    try:
        docker.ok("start", made["Id"])
        assert docker.inspect(made["Id"])["State"].get("Health") is None
    finally:
        docker.ok("rm", "-f", made["Id"])
