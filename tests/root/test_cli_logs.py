"""`docker logs`: both streams, tail, since, until, follow, timestamps."""

from __future__ import annotations

import datetime
import re
import threading
import time

import pytest

from tests.support.docker_cli import Docker

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


def finished(docker: Docker, script: str, *args: str) -> str:
    """Run a container to its end; return its id."""
    cid = docker.ok("run", "-d", *args, docker.image, "sh", "-c", script)
    docker.ok("wait", cid)
    return cid


def test_stdout_and_stderr_are_kept_apart(docker: Docker) -> None:
    cid = finished(docker, "echo out; echo err >&2; echo out2")
    result = docker("logs", cid)
    assert (result.out, result.err) == ("out\nout2\n", "err\n")


def test_a_last_line_without_newline_stays_so(docker: Docker) -> None:
    assert docker("logs", finished(docker, "echo one; printf two")).out == "one\ntwo"


def test_empty_lines_and_odd_bytes_stay_as_they_are(docker: Docker) -> None:
    assert docker("logs", finished(docker, r"printf '\n\n  x\t\n\033[31mred\033[0m\n'")).out == (
        "\n\n  x\t\n\x1b[31mred\x1b[0m\n"
    )


def test_a_line_longer_than_any_buffer_comes_whole(docker: Docker) -> None:
    cid = finished(docker, "head -c 100000 /dev/zero | tr '\\0' x; echo; echo short")
    assert docker("logs", cid).out == "x" * 100_000 + "\nshort\n"


@pytest.mark.parametrize(("tail", "expected"), [("3", "8\n9\n10\n"), ("0", ""), ("100", None), ("all", None)])
def test_tail(docker: Docker, tail: str, expected: str | None) -> None:
    cid = finished(docker, "seq 1 10")
    everything = "".join(f"{i}\n" for i in range(1, 11))
    assert docker("logs", "--tail", tail, cid).out == (everything if expected is None else expected)


def test_timestamps_are_rfc_3339_with_nanoseconds_and_grow(docker: Docker) -> None:
    before = datetime.datetime.now(datetime.UTC)
    cid = finished(docker, "echo a; echo b >&2; sleep 0.1; echo c")
    result = docker("logs", "-t", cid)
    stamps = re.findall(f"^({STAMP}) (?:a|c)$", result.out, re.MULTILINE)
    assert len(stamps) == 2
    assert stamps == sorted(stamps)
    assert re.fullmatch(f"{STAMP} b\n", result.err)
    first = datetime.datetime.fromisoformat(stamps[0][:26] + "+00:00")
    assert before - datetime.timedelta(seconds=1) < first < datetime.datetime.now(datetime.UTC)


def test_since_and_until_cut_by_time(docker: Docker) -> None:
    cid = finished(docker, "echo early; sleep 1.2; echo late")
    lines = docker("logs", "-t", cid).out.splitlines()
    early, late = (line.split()[0] for line in lines)
    assert docker("logs", "--since", late, cid).out == "late\n"
    assert docker("logs", "--since", early, cid).out == "early\nlate\n"
    assert docker("logs", "--until", early, cid).out == "early\n"
    middle = datetime.datetime.fromisoformat(late[:26] + "+00:00") - datetime.timedelta(milliseconds=600)
    text = middle.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert docker("logs", "--since", text, cid).out == "late\n"
    assert docker("logs", "--until", text, cid).out == "early\n"
    assert docker("logs", "--since", "1h", cid).out == "early\nlate\n"
    assert docker("logs", "--until", "1h", cid).out == ""


def test_follow_shows_what_is_there_then_what_comes_and_ends_with_the_container(docker: Docker) -> None:
    script = "for i in 1 2 3 4 5; do echo $i; sleep 0.2; done; echo e >&2"
    cid = docker.ok("run", "-d", docker.image, "sh", "-c", script)
    result = docker("logs", "-f", cid)
    assert (result.code, result.out, result.err) == (0, "1\n2\n3\n4\n5\n", "e\n")


def test_follow_gives_a_line_as_soon_as_it_is_written(docker: Docker) -> None:
    name = docker.name()
    with docker.spawn("run", "-i", "--name", name, docker.image, "cat") as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(b"first\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == b"first\n"
        with docker.spawn("logs", "-f", name) as follower:
            assert follower.stdout is not None
            assert follower.stdout.readline() == b"first\n"
            started = time.monotonic()
            writer.stdin.write(b"second\n")
            writer.stdin.flush()
            assert follower.stdout.readline() == b"second\n"
            assert time.monotonic() - started < 0.5


def test_follow_with_tail_begins_at_the_end(docker: Docker) -> None:
    cid = docker.running(script="seq 1 10; trap 'echo new; exit' TERM; while :; do sleep 0.05; done")
    docker.wait_log(cid, "10")
    with docker.spawn("logs", "-f", "--tail", "1", cid) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"10\n"
        docker.ok("stop", cid)
        assert process.stdout.read() == b"new\n"


def test_follow_survives_a_busy_writer_without_loss(docker: Docker) -> None:
    cid = docker.ok("run", "-d", docker.image, "sh", "-c", "seq 1 200000")
    result = docker("logs", "-f", cid, timeout=60)
    assert result.out == "".join(f"{i}\n" for i in range(1, 200_001))


def test_several_followers_see_the_same(docker: Docker) -> None:
    cid = docker.ok("run", "-d", docker.image, "sh", "-c", "for i in $(seq 1 50); do echo $i; sleep 0.01; done")
    outputs: list[str] = []
    threads = [threading.Thread(target=lambda: outputs.append(docker("logs", "-f", cid).out)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == ["".join(f"{i}\n" for i in range(1, 51))] * 4


def test_logs_of_a_terminal_are_one_raw_stream(docker: Docker) -> None:
    cid = finished(docker, "echo out; echo err >&2", "-t")
    result = docker("logs", cid)
    assert (result.out, result.err) == ("out\r\nerr\r\n", "")


def test_logs_go_on_over_a_restart(docker: Docker) -> None:
    cid = finished(docker, "echo run")
    docker.ok("start", cid)
    docker.ok("wait", cid)
    assert docker("logs", cid).out == "run\nrun\n"


def test_logs_of_an_unknown_container_are_an_error(docker: Docker) -> None:
    name = docker.name()
    assert f"No such container: {name}" in docker.fails("logs", name)


def test_neither_stream_chosen_is_a_bad_request(docker: Docker) -> None:
    cid = finished(docker, "true")
    status, body = docker.api("GET", f"/containers/{cid}/logs")
    assert status == 400
    assert "you must choose at least one stream" in body["message"]


def test_a_bad_time_is_a_bad_request(docker: Docker) -> None:
    cid = finished(docker, "true")
    assert docker.api("GET", f"/containers/{cid}/logs?stdout=1&since=yesterday")[0] in (400, 500)


def test_the_log_driver_none_keeps_nothing(docker: Docker) -> None:
    cid = finished(docker, "echo lost", "--log-driver", "none")
    assert "configured logging driver does not support reading" in docker.fails("logs", cid)


def test_a_rotated_log_keeps_its_newest_lines(docker: Docker) -> None:
    # A file may grow past its size by what is written until the engine has turned it: write as programs do.
    script = "for part in $(seq 0 1000 19000); do seq $((part + 1)) $((part + 1000)); sleep 0.05; done"
    cid = finished(docker, script, "--log-opt", "max-size=100k", "--log-opt", "max-file=2")
    numbers = [int(line) for line in docker("logs", cid).out.split()]
    assert numbers[-1] == 20_000
    assert numbers == list(range(numbers[0], 20_001))
    assert 1 < numbers[0] < 19_500
