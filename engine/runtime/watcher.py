"""Sees every process's end, by one thread that sleeps in epoll.

Two ways lead to a notice, and whichever is first gives it: conmon's exit file moved into the exit folder (inotify),
and conmon's own end (a pidfd). The second one also reaps conmon, serves exec sessions, and finds the lost: a monitor
that is gone without an exit file. What remains of such a container is killed, since nobody holds its stdio any more.
"""

from __future__ import annotations

import logging
import os
import select
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from engine.kernel import proc, syscalls
from engine.kernel.syscalls import Watch
from engine.runtime import bundle, exits
from engine.runtime.base import ExitNotice

_log = logging.getLogger(__name__)
_EVENT = struct.Struct("iIII")
_TICKS_NS = 20_000_000


class Remains(Protocol):
    """What the watcher asks about a container that ended (met by `CrunRuntime`)."""

    def is_oom_killed(self, container_id: str) -> bool:
        """Say whether the kernel killed for want of memory."""

    def kill_all(self, container_id: str) -> bool:
        """SIGKILL what is left of it."""


@dataclass(slots=True)
class _Entry:
    container_id: str
    exec_id: str | None
    conmon_pid: int
    pidfd: int | None
    told: bool = False
    on_exit: Callable[[ExitNotice], None] | None = None


class ConmonWatcher:
    """The `ExitWatcher` for conmon. `folder` is where exit files of containers appear, `bundles` the bundles."""

    def __init__(self, folder: Path, bundles: Path, remains: Remains) -> None:
        self._folder = folder
        self._bundles = bundles
        self._remains = remains
        self._lock = threading.Lock()
        self._containers: dict[str, _Entry] = {}
        self._by_fd: dict[int, _Entry] = {}
        self._on_exit: Callable[[ExitNotice], None] | None = None
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._inotify = syscalls.inotify_init()
        syscalls.inotify_add_watch(self._inotify, folder, Watch.MOVED_TO | Watch.CLOSE_WRITE | Watch.ONLYDIR)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._epoll.register(self._inotify, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="exit-watcher", daemon=True)

    def start(self, on_exit: Callable[[ExitNotice], None]) -> None:
        """Begin to tell."""
        self._on_exit = on_exit
        self._thread.start()

    def watch(
        self, container_id: str, conmon_pid: int, on_exit: Callable[[ExitNotice], None] | None = None
    ) -> None:
        """Expect the end of a container; one that has ended already is told at once (on the watcher's thread).

        `on_exit` is told in `start`'s stead.
        """
        pidfd = proc.open_pidfd(conmon_pid) if conmon_pid > 0 else None
        self._expect(_Entry(container_id, None, conmon_pid, pidfd, on_exit=on_exit))

    def watch_exec(
        self, container_id: str, exec_id: str, conmon_pid: int, on_exit: Callable[[ExitNotice], None] | None = None
    ) -> None:
        """Expect the end of an exec session; `on_exit` is told in `start`'s stead."""
        pidfd = proc.open_pidfd(conmon_pid) if conmon_pid > 0 else None
        self._expect(_Entry(container_id, exec_id, conmon_pid, pidfd, on_exit=on_exit))

    def _expect(self, entry: _Entry) -> None:
        with self._lock:
            if entry.exec_id is None:
                self._containers[entry.container_id] = entry
            # Without a process the eventfd stands in for its pidfd: readable at once, told as ended or lost.
            fd = entry.pidfd if entry.pidfd is not None else os.eventfd(1, os.EFD_CLOEXEC)
            entry.pidfd = fd
            self._by_fd[fd] = entry
            self._epoll.register(fd, select.EPOLLIN)
        if entry.exec_id is None and os.path.exists(f"{self._folder}/{entry.container_id}"):  # noqa: PTH110 - hot
            os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Stop telling."""
        with self._lock:
            self._on_exit = None
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()
        with self._lock:
            for fd in [*self._by_fd, self._wake, self._inotify]:
                os.close(fd)
            self._by_fd.clear()
            self._epoll.close()

    def _run(self) -> None:
        while self._on_exit is not None:
            for fd, _ in self._epoll.poll():
                try:
                    self._serve(fd)
                except Exception:  # this thread is the only one to see exits: it must outlive any callback
                    _log.exception("exit watcher failed")

    def _serve(self, fd: int) -> None:
        if fd == self._wake:
            os.eventfd_read(fd)
            for container_id in [entry.container_id for entry in list(self._containers.values()) if not entry.told]:
                self._on_file(container_id)
        elif fd == self._inotify:
            for name in self._names():
                self._on_file(name)
        else:
            self._on_end(fd)

    def _names(self) -> list[str]:
        data = os.read(self._inotify, 65536)
        names, at = [], 0
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            if mask & Watch.Q_OVERFLOW:
                names += list(self._containers)
            names.append(data[at : at + length].rstrip(b"\0").decode())
            at += length
        return names

    def _on_file(self, container_id: str) -> None:
        entry = self._containers.get(container_id)
        if entry is None and "." not in container_id and not (self._bundles / container_id).exists():
            # A monitor of an earlier engine that died before it knew the monitor's pid: cleared away, it still writes.
            # (A name with a dot is conmon's temporary file, about to be renamed.)
            exits.forget(self._folder, container_id)
            return
        if entry is None or entry.told:
            return
        notice = exits.read(self._folder, container_id)
        if notice is not None:
            self._tell(entry, notice)

    def _on_end(self, fd: int) -> None:
        with self._lock:
            entry = self._by_fd.pop(fd, None)
            self._epoll.unregister(fd)
            os.close(fd)
        if entry is None:
            return
        _reap(entry.conmon_pid)
        if entry.told:
            return
        folder = self._folder
        if entry.exec_id is not None:
            folder = bundle.exec_folder(self._bundles / entry.container_id, entry.exec_id)
        notice = exits.read(folder, entry.container_id, exec_id=entry.exec_id)
        if notice is None:
            notice = self._lose(entry)
        self._tell(entry, notice)

    def _lose(self, entry: _Entry) -> ExitNotice:
        _log.warning("monitor lost container=%s exec=%s", entry.container_id, entry.exec_id)
        if entry.exec_id is None:
            self._remains.kill_all(entry.container_id)
        return ExitNotice(entry.container_id, entry.exec_id, exits.LOST, time.time_ns())

    def _tell(self, entry: _Entry, notice: ExitNotice) -> None:
        with self._lock:
            if entry.told:
                return
            entry.told = True
            if self._containers.get(entry.container_id) is entry:
                del self._containers[entry.container_id]
            on_exit = (entry.on_exit or self._on_exit) if self._on_exit is not None else None
        if on_exit is None:
            return
        oom = notice.exec_id is None and self._remains.is_oom_killed(notice.container_id)
        on_exit(replace(notice, time_ns=fine_time(notice.time_ns, time.time_ns()), oom_killed=notice.oom_killed or oom))


def fine_time(file_ns: int, now_ns: int) -> int:
    """Return when a process ended. File times may lag a clock tick behind, so an end could seem before its start."""
    return now_ns if 0 <= now_ns - file_ns < _TICKS_NS else file_ns


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except (ChildProcessError, OSError):
        return
