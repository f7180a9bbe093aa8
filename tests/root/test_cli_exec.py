"""`docker exec`: a further process in a running container, its stdio, its terminal, its exit status."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack

import pytest

from tests.support.docker_cli import Docker, Terminal, eventually


@pytest.fixture
def box(docker: Docker) -> str:
    """A running container."""
    return docker.running()


def test_stdout_stderr_and_exit_status(docker: Docker, box: str) -> None:
    result = docker("exec", box, "sh", "-c", "echo out; echo err >&2; exit 12")
    assert (result.code, result.out, result.err) == (12, "out\n", "err\n")


def test_a_signalled_process_gives_128_plus_its_number(docker: Docker, box: str) -> None:
    assert docker("exec", box, "sh", "-c", "kill -KILL $$").code == 137


def test_a_command_that_does_not_exist_gives_127(docker: Docker, box: str) -> None:
    result = docker("exec", box, "no-such-command")
    # Docker before API 1.44 said 126 here.
    assert result.code == (127 if docker.speaks(1, 44) else 126)
    assert 'exec: "no-such-command": executable file not found in $PATH' in result.out + result.err


def test_a_file_that_may_not_be_executed_gives_126(docker: Docker, box: str) -> None:
    result = docker("exec", box, "/not-executable")
    assert result.code == 126
    assert "permission denied" in result.out + result.err


def test_input_arrives_and_its_end_too(docker: Docker, box: str) -> None:
    result = docker("exec", "-i", box, "sh", "-c", "cat; echo end", stdin="a\nb\n")
    assert result.out == "a\nb\nend\n"


def test_output_goes_on_after_the_end_of_input(docker: Docker, box: str) -> None:
    result = docker("exec", "-i", box, "sh", "-c", "cat >/dev/null; sleep 0.5; echo late; exit 3", stdin="x")
    assert (result.code, result.out) == (3, "late\n")


def test_a_megabyte_goes_in_and_comes_back(docker: Docker, box: str) -> None:
    data = "0123456789abcde\n" * 65536
    assert docker("exec", "-i", box, "cat", stdin=data).out == data


def test_many_lines_arrive_whole_on_both_streams(docker: Docker, box: str) -> None:
    result = docker("exec", box, "sh", "-c", "seq 1 20000 & seq 1 20000 >&2; wait")
    expected = "".join(f"{i}\n" for i in range(1, 20001))
    assert result.out == expected
    assert result.err == expected


def test_the_containers_environment_and_more(docker: Docker) -> None:
    box = docker.running("-e", "OF_CONTAINER=1")
    out = docker.ok("exec", "-e", "OF_EXEC=2", box, "env")
    seen = dict(line.split("=", 1) for line in out.splitlines())
    assert (seen["OF_CONTAINER"], seen["OF_EXEC"], seen["FROM_IMAGE"]) == ("1", "2", "yes")
    assert seen["HOSTNAME"] == box[:12]
    assert seen["HOME"] == "/root"


def test_user_and_folder(docker: Docker, box: str) -> None:
    out = docker.ok("exec", "-u", "app", "-w", "/www", box, "sh", "-c", "id; pwd")
    assert out.splitlines() == ["uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)", "/www"]


def test_the_containers_user_holds_for_exec(docker: Docker) -> None:
    box = docker.running("--user", "1000", "-w", "/tmp")
    assert docker.ok("exec", box, "sh", "-c", "id -u; pwd").splitlines() == ["1000", "/tmp"]
    assert docker.ok("exec", "--user", "0", box, "id", "-u") == "0"


def test_an_unknown_user_is_refused(docker: Docker, box: str) -> None:
    result = docker("exec", "-u", "nosuch", box, "id")
    assert result.code in (1, 126)
    assert "unable to find user nosuch: no matching entries in passwd file" in result.out + result.err


def test_exec_shares_the_containers_namespaces(docker: Docker, box: str) -> None:
    out = docker.ok("exec", box, "sh", "-c", "readlink /proc/1/ns/pid; readlink /proc/self/ns/pid; hostname")
    first, second, hostname = out.splitlines()
    assert first == second
    assert hostname == box[:12]


def test_exec_is_confined_as_the_container_is(docker: Docker, box: str) -> None:
    fields = ("CapEff", "CapBnd", "Seccomp:", "NoNewPrivs")
    pattern = "|".join(fields)
    of_one = docker.ok("exec", box, "sh", "-c", f"grep -E '{pattern}' /proc/1/status")
    of_exec = docker.ok("exec", box, "sh", "-c", f"grep -E '{pattern}' /proc/self/status")
    assert of_one == of_exec
    assert re.search(r"Seccomp:\t2", of_exec)


def test_privileged_exec_has_all_capabilities(docker: Docker, box: str) -> None:
    plain = docker.ok("exec", box, "sh", "-c", "grep CapEff /proc/self/status")
    more = docker.ok("exec", "--privileged", box, "sh", "-c", "grep CapEff /proc/self/status")
    assert int(more.split()[1], 16) & int(plain.split()[1], 16) == int(plain.split()[1], 16)
    assert int(more.split()[1], 16) > int(plain.split()[1], 16)


def test_a_terminal_echoes_and_knows_its_size(docker: Docker, box: str) -> None:
    with docker.terminal("exec", "-it", box, "sh", rows=33, columns=99) as terminal:
        terminal.expect("# ")
        eventually(lambda: _size_seen(terminal) == "33 99", 5, "the first size")
        terminal.resize(44, 111)
        eventually(lambda: _size_seen(terminal) == "44 111", 5, "the new size")
        terminal.type("exit 8\n")
        assert terminal.wait() == 8


def test_ctrl_d_ends_the_shell_in_the_terminal(docker: Docker, box: str) -> None:
    with docker.terminal("exec", "-it", box, "sh") as terminal:
        terminal.expect("# ")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_with_a_terminal_both_streams_are_one(docker: Docker, box: str) -> None:
    with docker.terminal("exec", "-t", box, "sh", "-c", "echo out; echo err >&2; test -t 1 && echo tty") as terminal:
        # Without -i the local terminal is not raw and adds its own carriage returns.
        terminal.expect(r"out\r+\nerr\r+\ntty\r+\n")
        assert terminal.wait() == 0


def test_detached_prints_nothing_and_runs(docker: Docker, box: str) -> None:
    result = docker("exec", "-d", box, "sh", "-c", "sleep 0.2; echo done > /done")
    assert (result.code, result.out) == (0, "")
    eventually(lambda: docker("exec", box, "cat", "/done").out == "done\n", 5, "the file")


def test_a_container_that_does_not_run_is_named(docker: Docker) -> None:
    cid = docker.ok("create", docker.image)
    assert re.search(rf"[Cc]ontainer {cid} is not running", docker.fails("exec", cid, "true"))


def test_an_unknown_container_is_named(docker: Docker) -> None:
    name = docker.name()
    assert f"No such container: {name}" in docker.fails("exec", name, "true")


def test_exec_ends_with_its_container(docker: Docker, box: str) -> None:
    with docker.spawn("exec", box, "sh", "-c", "echo ready; sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        docker.ok("kill", box)
        assert process.wait(10) == 137


def test_inspect_of_an_exec_tells_its_state(docker: Docker, box: str) -> None:
    status, made = docker.api("POST", f"/containers/{box}/exec", {"Cmd": ["sh", "-c", "exit 5"], "AttachStdout": True})
    assert status == 201
    exec_id = made["Id"]
    found = docker.api("GET", f"/exec/{exec_id}/json")[1]
    assert (found["Running"], found["ExitCode"], found["ContainerID"]) == (False, None, box)
    assert docker.api("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": False})[0] == 200

    def ended() -> bool:
        return docker.api("GET", f"/exec/{exec_id}/json")[1]["ExitCode"] == 5

    eventually(ended, 5, "the exit code of the exec")
    found = docker.api("GET", f"/exec/{exec_id}/json")[1]
    assert found["ProcessConfig"]["entrypoint"] == "sh"
    assert found["ProcessConfig"]["arguments"] == ["-c", "exit 5"]
    assert docker.api("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": False})[0] == 409


def test_an_unknown_exec_is_named(docker: Docker) -> None:
    status, body = docker.api("GET", "/exec/nosuch/json")
    assert status == 404
    assert "nosuch" in body["message"]


def test_running_execs_are_listed_at_their_container(docker: Docker, box: str) -> None:
    with docker.spawn("exec", box, "sh", "-c", "echo ready; sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        ids = docker.inspect(box)["ExecIDs"]
        assert len(ids) == 1
        assert docker.api("GET", f"/exec/{ids[0]}/json")[1]["Running"] is True
    docker.ok("kill", box)


def test_twenty_execs_at_once_keep_their_streams_apart(docker: Docker, box: str) -> None:
    with ExitStack() as stack:
        scripts = [f"for i in 1 2 3; do echo {n}; done; exit {n}" for n in range(20)]
        processes = [stack.enter_context(docker.spawn("exec", box, "sh", "-c", script)) for script in scripts]
        for n, process in enumerate(processes):
            assert process.stdout is not None
            assert process.stdout.read() == f"{n}\n".encode() * 3
            assert process.wait(20) == n


def test_exec_start_is_quick_to_return_its_exit_status(docker: Docker, box: str) -> None:
    docker.ok("exec", box, "true")
    started = time.monotonic()
    docker.ok("exec", box, "true")
    assert time.monotonic() - started < 2


def test_json_field_of_a_wrong_type_is_refused(docker: Docker, box: str) -> None:
    status, body = docker.api("POST", f"/containers/{box}/exec", {"Cmd": "not a list", "Tty": "yes"})
    assert status == 400, json.dumps(body)


def _size_seen(terminal: Terminal) -> str:
    terminal.type("stty size\n")
    # Not the echo before it: the shell draws its line anew when the window changes.
    return terminal.expect(r"\n(\d+ \d+)\r\n").group(1)


@pytest.mark.parametrize(("command", "code"), [("nosuch", 127), ("/etc", 126)])
def test_exec_under_a_terminal_says_why_it_failed(docker: Docker, command: str, code: int) -> None:
    cid = docker.running()
    with docker.terminal("exec", "-it", cid, command) as terminal:
        terminal.expect("executable file not found" if code == 127 else "permission denied")
        assert terminal.wait() == code
