"""What /proc tells of processes (proc(5)). A process that is gone is `None` or empty, never an error."""

from __future__ import annotations

import os
import resource
import select
import signal
from dataclasses import dataclass

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """The fields of /proc/PID/stat that we use. Times are in clock ticks (`CLOCK_TICKS` a second)."""

    pid: int
    name: str
    state: str
    """One letter: R, S, D, Z (zombie), T, X …"""
    parent: int
    session: int
    user_ticks: int
    system_ticks: int
    start_ticks: int
    """Since boot: with the pid, the identity of a process."""


def read(pid: int, name: str) -> bytes:
    """Return a file of /proc/PID, empty when the process is gone."""
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        chunks = []
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return b""
    finally:
        os.close(fd)


def stat(pid: int) -> ProcessStat | None:
    """Return what /proc/PID/stat says; None when the process is gone."""
    text = read(pid, "stat").decode(errors="replace")
    if not text:
        return None
    # The name may hold blanks and parentheses: it ends at the last one.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return ProcessStat(
        pid=pid,
        name=head.partition("(")[2],
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        user_ticks=int(fields[11]),
        system_ticks=int(fields[12]),
        start_ticks=int(fields[19]),
    )


def is_alive(pid: int) -> bool:
    """Say whether a process exists and is no zombie."""
    found = stat(pid) if pid > 0 else None
    return found is not None and found.state not in "ZX"


def argv(pid: int) -> list[str]:
    """Return a process's command line; empty for kernel threads, zombies and the dead."""
    text = read(pid, "cmdline").decode(errors="replace")
    return text.rstrip("\0").split("\0") if text else []


def status(pid: int) -> dict[str, str]:
    """Return the lines of /proc/PID/status by name; empty when the process is gone."""
    lines = read(pid, "status").decode(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def cgroup_of(pid: int) -> dict[str, str]:
    """Return a process's cgroup by controller (`name=systemd` among them; v2 is ``""``)."""
    found: dict[str, str] = {}
    for line in read(pid, "cgroup").decode(errors="replace").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def open_pidfd(pid: int) -> int | None:
    """Return a pidfd (close-on-exec) for `pid`, None when the process is gone (pidfd_open(2))."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait until a process has ended; False if it has not within `seconds`."""
    fd = open_pidfd(pid)
    if fd is None:
        return True
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    finally:
        os.close(fd)


def raise_open_files() -> tuple[int, int]:
    """Lift this process's soft limit of open files to the hard one; return (soft, hard) as they were."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


def send_signal(pid: int, number: int) -> bool:
    """Signal a process by a pidfd, so that a recycled pid is never hit between look and call; False when gone."""
    fd = open_pidfd(pid) if pid > 0 else None
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True
