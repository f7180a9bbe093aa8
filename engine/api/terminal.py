"""Joining a hijacked connection to the standard streams of a process (attach, exec)."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from engine.api import streams
from engine.api.router import Hijacked
from engine.errors import BerthError, InvalidArgument

DEFAULT_DETACH = b"\x10\x11"
"""Ctrl-P, Ctrl-Q."""
_MULTIPLEXED_SINCE = (1, 42)
_CTRL = re.compile(r"ctrl-([a-z@\[\\\]^_])\Z", re.IGNORECASE)
_log = logging.getLogger(__name__)


class Streams(Protocol):
    """The process's side: `recv` gives (1 stdout | 2 stderr, bytes), None at the end."""

    def recv(self) -> tuple[int, bytes] | None: ...
    def send(self, data: bytes) -> None: ...
    def close_stdin(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams the client wants, and how."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    close_stdin: bool = True
    """Whether the client's half-close is passed on; else it detaches."""
    detach_keys: bytes = DEFAULT_DETACH
    raw: bool = False
    """Output without frames though there is no terminal (a websocket)."""


def content_type(version: tuple[int, int], *, tty: bool) -> str:
    """Return the type of the hijacked stream: raw for terminals and for old clients."""
    return streams.RAW if tty or version < _MULTIPLEXED_SINCE else streams.MULTIPLEXED


def parse_detach_keys(text: str) -> bytes:
    """Return the bytes of `ctrl-p,ctrl-q` or `a`; "" is the default."""
    if not text:
        return DEFAULT_DETACH
    found = bytearray()
    for key in text.split(","):
        match = _CTRL.match(key)
        if match:
            found.append(ord(match[1].upper()) & 0x1F)
        elif len(key) == 1 and key.isascii() and key.isalnum():
            found.append(ord(key))
        else:
            raise InvalidArgument(f"Invalid detach keys ({text}) provided")
    return bytes(found)


class DetachFilter:
    """Finds the detach keys in what a client types; bytes that may begin them are held back until it is clear."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return (bytes to pass on, whether the keys were complete)."""
        data, self._held = self._held + data, b""
        found = data.find(self._keys) if self._keys else -1
        if found >= 0:
            return data[:found], True
        for length in range(min(len(self._keys) - 1, len(data)), 0, -1):
            if data.endswith(self._keys[:length]):
                self._held = data[-length:]
                return data[:-length], False
        return data, False


def join(pipe: Hijacked, process: Streams, wanted: Wanted, replay: Iterable[bytes] = ()) -> bool:
    """Carry bytes both ways until the process's output ends or the client leaves; close both sides.

    `replay` goes first (earlier output, ready for the wire). Returns whether the client typed the detach keys.
    """
    detached = threading.Event()
    reader = None
    if wanted.stdin:
        reader = threading.Thread(target=_carry_in, args=(pipe, process, wanted, detached), name="stdin", daemon=True)
        reader.start()
    try:
        for data in replay:
            pipe.sendall(data)
        _carry_out(pipe, process, wanted)
    except OSError as error:
        _log.debug("client left: %s", error)
    finally:
        pipe.shutdown_write()
        pipe.close()
        process.close()
        if reader is not None:
            reader.join(5)
    return detached.is_set()


def _carry_out(pipe: Hijacked, process: Streams, wanted: Wanted) -> None:
    asked = {number for number, on in ((1, wanted.stdout), (2, wanted.stderr)) if on}
    while (item := process.recv()) is not None:
        number, data = item
        if wanted.tty:
            pipe.sendall(data)
        elif number in asked:
            pipe.sendall(data if wanted.raw else streams.frame(number, data))


def _carry_in(pipe: Hijacked, process: Streams, wanted: Wanted, detached: threading.Event) -> None:
    keys = DetachFilter(wanted.detach_keys if wanted.tty else b"")
    passed: Callable[[bytes], None] = process.send
    try:
        while data := pipe.recv():
            data, leaves = keys.feed(data)
            if data:
                passed(data)
            if leaves:
                detached.set()
                process.close()
                return
        if wanted.close_stdin and not wanted.tty:
            process.close_stdin()
        else:
            process.close()
    except (BerthError, OSError) as error:
        _log.debug("stdin ended: %s", error)
