"""The door to child processes: what they see, what comes back, how failure reads."""

from __future__ import annotations

import os
import time

import pytest

from engine.kernel import command


def test_run_returns_what_the_child_wrote() -> None:
    result = command.run(["/bin/sh", "-c", "cat; echo oops >&2"], input=b"hello\n")
    assert (result.stdout, result.stderr, result.code, result.text) == (b"hello\n", b"oops\n", 0, "hello")


def test_failure_names_the_command_for_a_shell_and_its_words() -> None:
    with pytest.raises(command.CommandError) as caught:
        command.run(["/bin/sh", "-c", "echo it broke >&2; exit 3"])
    assert str(caught.value) == "/bin/sh -c 'echo it broke >&2; exit 3': exit code 3: it broke"
    assert caught.value.code == 3


def test_check_off_returns_the_code() -> None:
    assert command.run(["/bin/sh", "-c", "exit 7"], check=False).code == 7


def test_death_by_signal_is_said() -> None:
    with pytest.raises(command.CommandError, match="ended by signal 9"):
        command.run(["/bin/sh", "-c", "kill -9 $$"])


def test_program_that_is_not_there_is_a_command_error() -> None:
    with pytest.raises(command.CommandError, match="No such file"):
        command.run(["/nowhere/prog"])


def test_child_that_outlives_its_time_is_killed() -> None:
    began = time.monotonic()
    with pytest.raises(command.CommandError, match=r"no end after 0\.02 s"):
        command.run(["/bin/sleep", "5"], timeout=0.02)
    assert time.monotonic() - began < 2


def test_environment_is_minimal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    names = {line.split("=")[0] for line in command.run(["/usr/bin/env"]).text.splitlines()}
    assert names == {"PATH", "LC_ALL"}


def test_child_has_its_own_session_and_only_the_named_descriptors() -> None:
    reader, writer = os.pipe()
    other, unused = os.pipe()
    try:
        script = f"ls /proc/self/fd; readlink /proc/self/fd/{writer}; cat /proc/self/stat"
        lines = command.run(["/bin/sh", "-c", script], pass_fds=[writer]).text.splitlines()
    finally:
        for fd in (reader, writer, other, unused):
            os.close(fd)
    assert str(writer) in lines
    assert str(other) not in lines
    assert lines[-1].split()[5] != str(os.getsid(0))


def test_launch_maps_descriptors_and_gives_a_pid_to_reap() -> None:
    reader, writer = os.pipe()
    pid = command.launch(["/bin/sh", "-c", "echo to three >&3; exit 4"], fds={3: writer})
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        assert stream.read() == b"to three\n"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4


def test_launch_of_nothing_is_a_command_error() -> None:
    with pytest.raises(command.CommandError):
        command.launch(["/nowhere/prog"], fds={})
