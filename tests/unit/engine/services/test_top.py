"""Cutting ps's output down to a container's processes."""

from __future__ import annotations

import os

import pytest

from engine.containers.model import Status
from engine.errors import Conflict, Internal, InvalidArgument
from engine.kernel.cgroups import Cgroups, Mode
from engine.services.top import Top, parse_ps
from tests.fakes.make import a_container

_OUTPUT = """UID          PID    PPID  C STIME TTY          TIME CMD
root           7       1  0 05:00 ?        00:00:00 sh -c sleep  60
root           -       -  0 05:00 -        00:00:00 -
root          17       1  0 05:00 ?        00:00:00 other
root           -       -  0 05:00 -        00:00:00 -
"""


class OneProcess(Cgroups):
    """A machine on which every cgroup holds this test's process."""

    def pids(self, name: str) -> list[int]:
        return [os.getpid()]


def _top() -> Top:
    return Top(OneProcess(Mode.V2, {}), cgroup_of=lambda c: f"/{c.id}")


def test_rows_of_the_container_with_their_threads() -> None:
    """The command keeps its blanks."""
    table = parse_ps(_OUTPUT, {7})
    assert table.titles == ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
    assert [row[-1] for row in table.rows] == ["sh -c sleep  60", "-"]


@pytest.mark.parametrize("output", ["", "COMMAND\nsh\n"])
def test_output_without_pids(output: str) -> None:
    """The words are Docker's."""
    with pytest.raises(Internal, match="Couldn't find PID field in ps output"):
        parse_ps(output, {1})


@pytest.mark.parametrize("ps_args", ["-ef", "aux", "-o pid,comm", "-o pid=PID,comm", "-eo pid,comm f"])
def test_real_ps(ps_args: str) -> None:
    """Options that can't be combined with a choice of processes included."""
    table = _top().processes(a_container(status=Status.RUNNING), ps_args)
    assert str(os.getpid()) in table.rows[0][table.titles.index("PID")]
    assert len({row[table.titles.index("PID")] for row in table.rows}) == 1


def test_ps_refuses() -> None:
    """Its own words come back."""
    with pytest.raises(Internal, match=r"^ps: error: unknown gnu long option"):
        _top().processes(a_container(status=Status.RUNNING), "--foo")


def test_another_column_must_not_pass_for_the_pid() -> None:
    """Rows of other containers would be shown."""
    with pytest.raises(InvalidArgument, match='specifying "ppid=PID" is not allowed'):
        _top().processes(a_container(status=Status.RUNNING), "-o ppid=PID")


@pytest.mark.parametrize(
    ("status", "words"), [(Status.EXITED, "is not running"), (Status.RESTARTING, "is restarting, wait until")]
)
def test_only_running_containers_have_processes(status: Status, words: str) -> None:
    """Conflict in Docker's words."""
    with pytest.raises(Conflict, match=words):
        _top().processes(a_container(status=status), "-ef")
