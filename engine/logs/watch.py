"""Tells readers that a log has changed: one inotify instance and one thread for all of them.

The machine's default limit is 128 inotify instances a user, so a thousand viewers must share. A folder is watched once
for all who wait for it. Under a stream of writes the thread takes a millisecond's rest after each round, which costs a
follower at most that and saves most of the wake-ups.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
from pathlib import Path

from engine.kernel import syscalls
from engine.kernel.syscalls import Watch

_MASK = Watch.MODIFY | Watch.CREATE | Watch.MOVED_TO | Watch.DELETE | Watch.ONLYDIR
_EVENT = struct.Struct("iIII")
_REST_S = 0.001


class Ticket:
    """One reader's wish to be woken. `event` is set at each change; whoever waits clears it before looking."""

    def __init__(self, watch: LogWatch, folder: Path, event: threading.Event) -> None:
        self._watch = watch
        self.folder = folder
        self.event = event

    def close(self) -> None:
        """Take the wish back."""
        self._watch.forget(self)


class LogWatch:
    """Wakes readers when a file in a folder changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inotify = syscalls.inotify_init()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._tickets: dict[int, set[Ticket]] = {}
        self._numbers: dict[Path, int] = {}
        self._thread = threading.Thread(target=self._run, name="log-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and wake everybody once; again is fine."""
        if self.is_closed:
            return
        os.eventfd_write(self._stop, 1)
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            tickets = [ticket for group in self._tickets.values() for ticket in group]
            self._tickets.clear()
            self._numbers.clear()
            os.close(self._inotify)
            os.close(self._stop)
            self._inotify = -1
        for ticket in tickets:
            ticket.event.set()

    @property
    def is_closed(self) -> bool:
        """Whether nobody will be woken any more."""
        return self._inotify < 0

    def subscribe(self, folder: Path, event: threading.Event | None = None) -> Ticket:
        """Return a ticket for `folder`; its event is set at once where the folder is not there."""
        ticket = Ticket(self, folder, event or threading.Event())
        with self._lock:
            number = self._numbers.get(folder)
            if number is None and self._inotify >= 0:
                try:
                    number = syscalls.inotify_add_watch(self._inotify, folder, _MASK)
                except FileNotFoundError:
                    ticket.event.set()
                    return ticket
                self._numbers[folder] = number
            if number is not None:
                self._tickets.setdefault(number, set()).add(ticket)
        return ticket

    def forget(self, ticket: Ticket) -> None:
        """Drop a ticket; the folder's watch goes with its last one."""
        with self._lock:
            number = self._numbers.get(ticket.folder)
            if number is None:
                return
            tickets = self._tickets.get(number, set())
            tickets.discard(ticket)
            if not tickets:
                self._tickets.pop(number, None)
                del self._numbers[ticket.folder]
                try:
                    syscalls.inotify_rm_watch(self._inotify, number)
                except OSError:
                    pass  # the folder was deleted, and its watch with it

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._inotify, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        while True:
            ready = poll.poll()
            if any(fd == self._stop for fd, _ in ready):
                return
            self._dispatch(os.read(self._inotify, 1 << 16))
            time.sleep(_REST_S)

    def _dispatch(self, data: bytes) -> None:
        numbers, gone, overflow = set(), set(), False
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            numbers.add(number)
            overflow = overflow or bool(mask & Watch.Q_OVERFLOW)
            if mask & Watch.IGNORED:
                gone.add(number)
        with self._lock:
            tickets = [t for n, group in self._tickets.items() if overflow or n in numbers for t in group]
            for number in gone:
                for ticket in self._tickets.pop(number, ()):
                    if self._numbers.get(ticket.folder) == number:
                        del self._numbers[ticket.folder]
        for ticket in tickets:
            ticket.event.set()
