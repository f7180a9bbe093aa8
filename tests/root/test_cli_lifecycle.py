"""create, start, stop, restart, kill, pause, wait, rename, rm: the states of a container and who may change them."""

from __future__ import annotations

import re
import time

import pytest

from tests.support.docker_cli import Docker, eventually


def state_of(docker: Docker, ref: str) -> str:
    """Return Docker's word for the container's state."""
    return docker.ok("inspect", "--format", "{{.State.Status}}", ref)


def test_create_prints_the_id_and_starts_nothing(docker: Docker) -> None:
    cid = docker.ok("create", docker.image, "true")
    assert re.fullmatch("[0-9a-f]{64}", cid)
    state = docker.inspect(cid)["State"]
    assert (state["Status"], state["Running"], state["Pid"]) == ("created", False, 0)
    assert state["StartedAt"] == state["FinishedAt"] == "0001-01-01T00:00:00Z"


def test_start_prints_what_was_named(docker: Docker) -> None:
    name = docker.name()
    docker.ok("create", "--name", name, docker.image, "sleep", "60")
    assert docker.ok("start", name) == name
    state = docker.inspect(name)["State"]
    assert (state["Status"], state["Running"]) == ("running", True)
    assert state["Pid"] > 0
    docker.ok("kill", name)


def test_start_of_a_running_container_changes_nothing(docker: Docker) -> None:
    cid = docker.running()
    before = docker.inspect(cid)["State"]
    assert docker.ok("start", cid) == cid
    assert docker.inspect(cid)["State"] == before
    assert docker.api("POST", f"/containers/{cid}/start")[0] == 304


def test_start_attached_gives_output_and_exit_status(docker: Docker) -> None:
    cid = docker.ok("create", docker.image, "sh", "-c", "echo out; echo err >&2; exit 9")
    result = docker("start", "-a", cid)
    assert (result.code, result.out, result.err) == (9, "out\n", "err\n")


def test_start_with_input(docker: Docker) -> None:
    cid = docker.ok("create", "-i", docker.image, "cat")
    result = docker("start", "-a", "-i", cid, stdin="through\n")
    assert (result.code, result.out) == (0, "through\n")


def test_a_container_starts_again_with_its_files(docker: Docker) -> None:
    cid = docker.ok("create", docker.image, "sh", "-c", "echo line >> /kept; cat /kept")
    assert docker("start", "-a", cid).out == "line\n"
    assert docker("start", "-a", cid).out == "line\nline\n"


def test_what_the_container_left_is_on_record(docker: Docker) -> None:
    cid = docker.ok("run", "-d", docker.image, "sh", "-c", "exit 3")
    assert docker.ok("wait", cid) == "3"
    state = docker.inspect(cid)["State"]
    assert (state["Status"], state["ExitCode"], state["Pid"], state["OOMKilled"]) == ("exited", 3, 0, False)
    assert state["FinishedAt"] > state["StartedAt"] > "2020"


def test_wait_gives_the_exit_status_of_a_container_that_has_ended(docker: Docker) -> None:
    cid = docker.ok("run", "-d", docker.image, "sh", "-c", "exit 4")
    assert docker.ok("wait", cid) == "4"
    assert docker.ok("wait", cid) == "4"


def test_wait_waits(docker: Docker) -> None:
    cid = docker.ok("run", "-d", docker.image, "sleep", "1")
    started = time.monotonic()
    assert docker.ok("wait", cid) == "0"
    assert time.monotonic() - started > 0.2


def test_wait_for_several_prints_them_in_order(docker: Docker) -> None:
    first = docker.ok("run", "-d", docker.image, "sh", "-c", "sleep 0.3; exit 1")
    second = docker.ok("run", "-d", docker.image, "sh", "-c", "exit 2")
    assert docker.ok("wait", first, second).splitlines() == ["1", "2"]


def test_stop_sends_sigterm_and_the_exit_status_is_the_handlers(docker: Docker) -> None:
    cid = docker.running(script="trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done")
    docker.wait_log(cid, "ready")
    started = time.monotonic()
    assert docker.ok("stop", cid) == cid
    assert time.monotonic() - started < 5
    assert docker.inspect(cid)["State"]["ExitCode"] == 5
    assert "bye" in docker.ok("logs", cid)


def test_stop_kills_what_does_not_listen_after_its_time(docker: Docker) -> None:
    cid = docker.running(script="trap '' TERM; echo ready; while :; do sleep 0.1; done")
    docker.wait_log(cid, "ready")
    started = time.monotonic()
    docker.ok("stop", "-t", "1", cid)
    assert 0.9 < time.monotonic() - started < 6
    state = docker.inspect(cid)["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (137, False)


def test_stop_with_time_zero_kills_at_once(docker: Docker) -> None:
    cid = docker.running(script="trap '' TERM; echo ready; while :; do sleep 0.1; done")
    docker.wait_log(cid, "ready")
    started = time.monotonic()
    docker.ok("stop", "-t", "0", cid)
    assert time.monotonic() - started < 3
    assert docker.inspect(cid)["State"]["ExitCode"] == 137


@pytest.mark.parametrize("how", ["option", "image"])
def test_stop_uses_the_stop_signal(docker: Docker, how: str) -> None:
    script = "trap 'exit 77' USR1; echo ready; while :; do sleep 0.1; done"
    if how == "option":
        cid = docker.running("--stop-signal", "USR1", script=script)
    else:
        cid = docker.ok("run", "-d", "--entrypoint", "sh", f"{docker.image}:full", "-c", script)
    docker.wait_log(cid, "ready")
    docker.ok("stop", cid)
    assert docker.inspect(cid)["State"]["ExitCode"] == 77


def test_the_containers_own_stop_timeout_holds(docker: Docker) -> None:
    cid = docker.running("--stop-timeout", "1", script="trap '' TERM; echo ready; while :; do sleep 0.1; done")
    docker.wait_log(cid, "ready")
    started = time.monotonic()
    docker.ok("stop", cid)
    assert time.monotonic() - started < 6


def test_stop_of_a_stopped_container_is_not_modified(docker: Docker) -> None:
    cid = docker.ok("create", docker.image)
    assert docker.ok("stop", cid) == cid
    assert docker.api("POST", f"/containers/{cid}/stop")[0] == 304


def test_restart_gives_a_new_process(docker: Docker) -> None:
    cid = docker.running()
    before = docker.inspect(cid)["State"]
    assert docker.ok("restart", "-t", "1", cid) == cid
    after = docker.inspect(cid)["State"]
    assert after["Running"] is True
    assert after["Pid"] != before["Pid"]
    assert after["StartedAt"] > before["StartedAt"]


def test_restart_starts_a_stopped_container(docker: Docker) -> None:
    cid = docker.ok("create", docker.image, "sleep", "60")
    docker.ok("restart", cid)
    assert state_of(docker, cid) == "running"
    docker.ok("kill", cid)


@pytest.mark.parametrize("given", ["KILL", "SIGKILL", "9"])
def test_kill_takes_a_signal_by_name_or_number(docker: Docker, given: str) -> None:
    cid = docker.running()
    assert docker.ok("kill", "--signal", given, cid) == cid
    assert docker.ok("wait", cid) == "137"


def test_kill_with_another_signal_only_sends_it(docker: Docker) -> None:
    cid = docker.running(script="trap 'echo hup' HUP; echo ready; while :; do sleep 0.1; done")
    docker.wait_log(cid, "ready")
    docker.ok("kill", "-s", "HUP", cid)
    docker.wait_log(cid, "hup")
    assert state_of(docker, cid) == "running"


def test_kill_of_a_container_that_does_not_run_is_refused(docker: Docker) -> None:
    cid = docker.ok("create", docker.image)
    error = docker.fails("kill", cid)
    # 20.10 says "Cannot kill container", 28 says "cannot kill container"
    assert re.search(rf"annot kill container: {cid}: (Container|container) {cid} is not running", error)


def test_kill_with_an_unknown_signal_is_refused(docker: Docker) -> None:
    cid = docker.running()
    assert re.search("[Ii]nvalid signal: NOSUCH", docker.fails("kill", "-s", "NOSUCH", cid))


def test_pause_freezes_and_unpause_goes_on(docker: Docker) -> None:
    cid = docker.running(script="while :; do date +%s.%N > /tick; sleep 0.02; done")
    eventually(lambda: docker("exec", cid, "cat", "/tick").out, 5, "the first tick")
    assert docker.ok("pause", cid) == cid
    state = docker.inspect(cid)["State"]
    assert (state["Status"], state["Paused"], state["Running"]) == ("paused", True, True)
    assert docker.ok("ps", "--filter", f"id={cid}", "--format", "{{.Status}}").endswith("(Paused)")
    error = docker.fails("exec", cid, "cat", "/tick")
    assert "is paused, unpause the container before exec" in error
    assert docker.ok("unpause", cid) == cid
    assert state_of(docker, cid) == "running"
    first = docker.ok("exec", cid, "cat", "/tick")
    eventually(lambda: docker.ok("exec", cid, "cat", "/tick") != first, 5, "another tick")


def test_pause_twice_and_unpause_twice_are_refused(docker: Docker) -> None:
    cid = docker.running()
    docker.ok("pause", cid)
    assert f"Container {cid} is already paused" in docker.fails("pause", cid)
    docker.ok("unpause", cid)
    assert f"Container {cid} is not paused" in docker.fails("unpause", cid)


def test_pause_of_a_container_that_does_not_run_is_refused(docker: Docker) -> None:
    cid = docker.ok("create", docker.image)
    assert re.search(f"ontainer {cid} is not running", docker.fails("pause", cid))


def test_a_paused_container_can_be_stopped_and_killed(docker: Docker) -> None:
    for verb in (["stop", "-t", "1"], ["kill"], ["rm", "-f"]):
        cid = docker.running()
        docker.ok("pause", cid)
        docker.ok(*verb, cid, timeout=20)
        if verb[0] != "rm":
            eventually(lambda cid=cid: state_of(docker, cid) == "exited", 5, f"the end after {verb}")


def test_rename(docker: Docker) -> None:
    old, new = docker.name(), docker.name()
    cid = docker.ok("create", "--name", old, docker.image)
    docker.ok("rename", old, new)
    assert docker.inspect(new)["Id"] == cid
    assert f"No such object: {old}" in docker.fails("inspect", old)
    other = docker.ok("create", "--name", old, docker.image)
    error = docker.fails("rename", other, new)
    assert f'The container name "/{new}" is already in use by container "{cid}"' in error


def test_rename_to_the_same_name_is_refused(docker: Docker) -> None:
    name = docker.name()
    docker.ok("create", "--name", name, docker.image)
    assert "Renaming a container with the same name as its current name" in docker.fails("rename", name, name)


def test_rm_removes_and_prints(docker: Docker) -> None:
    name = docker.name()
    docker.ok("create", "--name", name, docker.image)
    assert docker.ok("rm", name) == name
    assert f"No such container: {name}" in docker.fails("rm", name)


def test_rm_of_a_running_container_needs_force(docker: Docker) -> None:
    name = docker.name()
    cid = docker.running("--name", name)
    error = docker.fails("rm", name)
    # The words between differ by version: "You cannot remove a running container ID. Stop the container before …"
    # (20.10), "cannot remove container "/name": container is running: stop the container before …" (28).
    assert re.search(r"[Ss]top the container before (attempting )?remov", error)
    assert docker.ok("rm", "-f", name) == name
    assert cid not in docker.ok("ps", "-aq", "--no-trunc")


def test_rm_of_an_unknown_container_with_force_is_no_error(docker: Docker) -> None:
    result = docker("rm", "-f", docker.name())
    assert result.code == 0
    assert "No such container" in result.err


def test_several_in_one_call_do_what_can_be_done(docker: Docker) -> None:
    name = docker.name()
    docker.ok("create", "--name", name, docker.image)
    missing = docker.name()
    result = docker("rm", missing, name)
    assert (result.code, result.out) == (1, f"{name}\n")
    assert f"No such container: {missing}" in result.err


def test_prune_removes_what_does_not_run(docker: Docker) -> None:
    kept = docker.running()
    gone = docker.ok("create", docker.image)
    out = docker.ok("container", "prune", "-f", "--filter", f"label=berth.test={docker.token}")
    assert gone in out
    assert "Total reclaimed space:" in out
    assert kept in docker.ok("ps", "-q", "--no-trunc")


def test_update_changes_limits_of_a_running_container(docker: Docker) -> None:
    cid = docker.running("--memory", "64m")
    docker.ok("update", "--memory", "96m", "--memory-swap", "96m", cid)
    assert docker.inspect(cid)["HostConfig"]["Memory"] == 96 << 20
    read = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert docker.ok("exec", cid, "sh", "-c", read) == str(96 << 20)


@pytest.mark.parametrize(
    ("policy", "script", "restarts"),
    [("on-failure:2", "exit 1", 2), ("on-failure:2", "exit 0", 0), ("no", "exit 1", 0)],
    ids=["failing", "succeeding", "never"],
)
def test_the_restart_policy_decides(docker: Docker, policy: str, script: str, restarts: int) -> None:
    cid = docker.ok("run", "-d", "--restart", policy, docker.image, "sh", "-c", f"echo run; {script}")

    def settled() -> bool:
        found = docker.inspect(cid)
        return found["State"]["Status"] == "exited" and found["RestartCount"] == restarts

    eventually(settled, 15, "the last restart")
    assert docker.ok("logs", cid).splitlines() == ["run"] * (restarts + 1)


def test_a_container_that_always_restarts_stays_stopped_when_stopped(docker: Docker) -> None:
    cid = docker.running("--restart", "always")
    pid = docker.inspect(cid)["State"]["Pid"]
    docker("exec", cid, "kill", "-TERM", "1")  # which may be killed with its container before it has ended
    eventually(lambda: docker.inspect(cid)["State"]["Pid"] not in (0, pid), 10, "a new process")
    docker.ok("stop", "-t", "1", cid)
    time.sleep(0.5)
    assert state_of(docker, cid) == "exited"


def test_attach_shows_new_output_and_the_exit_status(docker: Docker) -> None:
    cid = docker.ok("create", "-i", docker.image, "sh", "-c", "read line; echo got $line; exit 6")
    docker.ok("start", cid)
    result = docker("attach", cid, stdin="hello\n")
    assert (result.code, result.out) == (6, "got hello\n")


def test_two_can_attach_to_one_container(docker: Docker) -> None:
    cid = docker.running("-i", script="read line; echo got $line")
    with docker.spawn("attach", "--no-stdin", cid) as watcher, docker.spawn("attach", cid) as writer:
        assert watcher.stdout is not None
        assert writer.stdout is not None
        assert writer.stdin is not None
        time.sleep(0.5)
        writer.stdin.write(b"both\n")
        writer.stdin.flush()
        assert writer.stdout.read() == b"got both\n"
        assert watcher.stdout.read() == b"got both\n"
        assert watcher.wait(10) == 0


def test_attach_to_a_stopped_container_is_refused(docker: Docker) -> None:
    cid = docker.ok("create", docker.image)
    error = docker.fails("attach", cid)
    assert "cannot attach to a stopped container, start it first" in error.lower()


def test_signals_of_the_caller_reach_the_command(docker: Docker) -> None:
    with docker.spawn(
        "run", "--rm", docker.image, "sh", "-c", "trap 'exit 21' TERM; echo ready; while :; do sleep 0.1; done"
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(10) == 21


def test_restart_of_a_container_with_rm_keeps_it(docker: Docker) -> None:
    cid = docker.ok("run", "-d", "--rm", docker.image, "sh", "-c", "trap exit TERM; while :; do sleep 0.1; done")
    docker.ok("restart", cid)
    assert state_of(docker, cid) == "running"
    docker.ok("stop", cid)
    eventually(lambda: docker("inspect", cid).code != 0, 5)
