"""A container's processes as `ps` shows them: the host's own ps, its output cut down to them, as Docker does."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from engine.containers.model import Container, Status
from engine.errors import Conflict, Internal, InvalidArgument
from engine.kernel import command
from engine.kernel.cgroups import Cgroups

_RENAMED_PID = re.compile(r"\s+(\S*)=\s*(PID\S*)")
"""`-o ppid=PID` would show a foreign column as the pid, by which rows are chosen."""


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """ps's column titles and its rows."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Top:
    """Lists processes of containers."""

    def __init__(self, cgroups: Cgroups, *, cgroup_of: Callable[[Container], str]) -> None:
        self._cgroups = cgroups
        self._cgroup_of = cgroup_of

    def processes(self, container: Container, ps_args: str) -> ProcessTable:
        """Return the container's processes with the columns that `ps_args` (`-ef`) gives. Conflict if it doesn't run.

        Raises InvalidArgument for arguments that hide the pid, Internal with ps's words for ones that it refuses.
        """
        if container.state.status is Status.RESTARTING:
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if not container.state.is_running:
            raise Conflict(f"Container {container.id} is not running")
        for name, title in _RENAMED_PID.findall(f" {ps_args}"):
            if name != "pid":
                raise InvalidArgument(f'specifying "{name}={title}" is not allowed')
        pids = self._cgroups.pids(self._cgroup_of(container))
        return parse_ps(_run_ps(ps_args.split(), pids), set(pids))


def _run_ps(arguments: list[str], pids: Collection[int]) -> str:
    """Ask for these processes only; some options of ps can't be combined with that."""
    chosen = ["-q", ",".join(map(str, pids))] if pids else []
    done = command.run(["ps", *arguments, *chosen], timeout=10, check=False)
    if done.code != 0:
        done = command.run(["ps", *arguments], timeout=10, check=False)
    if done.code != 0:
        raise Internal(f"ps: {done.stderr.decode(errors='replace').partition(chr(10))[0]}")
    return done.text


def parse_ps(output: str, pids: Collection[int]) -> ProcessTable:
    """Return the rows of `pids`. The last column takes the rest of its line; a thread (`-`) goes with its process."""
    first, *lines = output.splitlines() or [""]
    titles = tuple(first.split())
    if "PID" not in titles:
        raise Internal("Couldn't find PID field in ps output")
    column = titles.index("PID")
    rows = []
    mine = False
    for line in lines:
        fields = line.split(None, len(titles) - 1)
        if len(fields) <= column:
            continue
        if fields[column] != "-":
            mine = fields[column].isdigit() and int(fields[column]) in pids
        if mine:
            rows.append(tuple(field.strip() for field in fields))
    return ProcessTable(titles, tuple(rows))
