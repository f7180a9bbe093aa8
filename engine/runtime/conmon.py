"""conmon, the monitor of one process: its command line, its answer, its sockets (conmon(8), API version 1).

Facts of conmon 2.1 that the code below stands on:
* `--sync` makes it fork once, so it is our child; it has its own session and goes on when we die.
* `_OCI_SYNCPIPE` carries one JSON line: `{"data": pid}`, or a negative number with "message", what the runtime wrote.
  For an exec a second line carries the exit code.
* `--full-attach` puts `attach`, `ctl` and `winsz` into the bundle folder; it binds by /proc/self/fd, so the length of
  the path is no matter; we connect the same way.
* attach is SOCK_SEQPACKET: the first byte of each packet is 2 (stdout) or 3 (stderr). An empty read ends stdin
  unless `--leave-stdin-open`.
* An exec's exit file is named after the container, so each exec has an exit folder of its own.
* Exec with attach: conmon waits for a byte on `_OCI_STARTPIPE`, says on `_OCI_ATTACHPIPE` that it listens, waits for a
  second byte: between the two we connect, and no output is lost.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import NotFound
from engine.runtime import bundle

SYNC_FD = 3
START_FD = 4
ATTACH_FD = 5
HANDSHAKE_SECONDS = 30.0

_STREAMS = {2: 1, 3: 2}
_PACKET = 32 * 1024
_SEND_CHUNK = 8192
_RESIZE, _REOPEN = 1, 2
WORDS = "runtime.log"
"""In a bundle: what the runtime says of a process with a terminal."""


@dataclass(frozen=True, slots=True)
class Program:
    """Where conmon and the OCI runtime are, and the runtime's state folder."""

    conmon: str
    runtime: str
    state: Path

    def argv(self, container_id: str, folder: Path, *, exit_dir: Path, log: str, options: Sequence[str]) -> list[str]:
        """Return the part of the command line that create and exec share."""
        # With a terminal conmon keeps none of the runtime's words: a file does.
        words = ["--runtime-arg", "--log", "--runtime-arg", f"{folder}/{WORDS}"] if "-t" in options else []
        # fmt: off
        return [
            self.conmon, "--api-version", "1", "--sync", "--full-attach", "--no-sync-log", "--log-level", "error",
            "-c", container_id, "-u", container_id,
            "-r", self.runtime, "--runtime-arg", "--root", "--runtime-arg", str(self.state), *words,
            "-b", str(folder), "-p", f"{folder}/pid", "--exit-dir", str(exit_dir), "-l", log,
            *options,
        ]
        # fmt: on


def stdio_options(*, tty: bool, stdin: bool, stdin_once: bool) -> list[str]:
    """Return the options for a process's terminal and stdin."""
    options = ["-t"] if tty else []
    if stdin:
        options += ["-i"] if stdin_once else ["-i", "--leave-stdin-open"]
    return options


@dataclass(frozen=True, slots=True)
class Answer:
    """conmon's line: `number` is a pid, or negative with the runtime's words. None: it ended without a word."""

    number: int | None
    message: str = ""


class LineReader:
    """Reads conmon's lines from a pipe, with a deadline for each."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poller = select.poll()
        self._poller.register(fd, select.POLLIN)
        self._buffer = b""

    def read(self, seconds: float) -> Answer:
        """Return the next line. Raises TimeoutError after `seconds`."""
        while b"\n" not in self._buffer:
            if not self._poller.poll(seconds * 1000):
                raise TimeoutError(f"no answer within {seconds:g} s")
            chunk = os.read(self._fd, 65536)
            if not chunk:
                return Answer(None)
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return parse_answer(line)


def parse_answer(line: bytes) -> Answer:
    """Return what a line of the sync pipe says; conmon escapes badly, so text that is no JSON is a message."""
    try:
        found = json.loads(line, strict=False)
        return Answer(int(found["data"]), str(found.get("message", "")))
    except (ValueError, KeyError, TypeError):
        return Answer(-1, line.decode(errors="replace"))


class ExecPipes:
    """The pipes between us and the conmon of an exec. A context manager: leaving it closes what is still open."""

    def __init__(self, *, attach: bool) -> None:
        self._open: set[int] = set()
        sync, child_sync = self._pipe()
        self.sync = LineReader(sync)
        self.child_fds = {SYNC_FD: child_sync}
        self.environment: dict[str, str] = {}
        self._start = -1
        if attach:
            child_start, self._start = self._pipe()
            ready, child_ready = self._pipe()
            self._ready = LineReader(ready)
            self.child_fds |= {START_FD: child_start, ATTACH_FD: child_ready}
            self.environment = {"_OCI_STARTPIPE": str(START_FD), "_OCI_ATTACHPIPE": str(ATTACH_FD)}

    def __enter__(self) -> ExecPipes:
        return self

    def __exit__(self, *_: object) -> None:
        self._close(list(self._open))

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe2(os.O_CLOEXEC)
        self._open |= set(ends)
        return ends

    def _close(self, fds: Iterable[int]) -> None:
        for fd in fds:
            self._open.discard(fd)
            os.close(fd)

    def close_child_side(self) -> None:
        """Close our copies of the child's ends, so that its death reads as an end of file."""
        self._close(self.child_fds.values())

    def shake_hands(self, folder: Path, size: tuple[int, int]) -> SocketAttachment:
        """Connect to the process's stdio before it runs; the process starts when this returns.

        `size` is a terminal's (width, height), zeros for none: conmon sets it as soon as it has the terminal.
        """
        os.write(self._start, b"\0")
        if self._ready.read(HANDSHAKE_SECONDS).number is None:
            raise NotFound("conmon ended before the process ran")
        attachment = connect(folder)
        try:
            if all(size):
                resize(folder, *size)
            os.write(self._start, b"\0")
        except BaseException:
            attachment.close()
            raise
        return attachment


class SocketAttachment:
    """An `Attachment` on conmon's socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def recv(self) -> tuple[int, bytes] | None:
        """Return (1 stdout or 2 stderr, data), None at the end."""
        while True:
            try:
                packet = self._socket.recv(_PACKET)
            except OSError:
                return None
            if not packet:
                return None
            stream = _STREAMS.get(packet[0])
            if stream is not None and len(packet) > 1:
                return stream, packet[1:]

    def send(self, data: bytes) -> None:
        """Write to stdin; dropped when the process is gone."""
        try:
            for start in range(0, len(data), _SEND_CHUNK):
                self._socket.send(data[start : start + _SEND_CHUNK])
        except OSError:
            return

    def close_stdin(self) -> None:
        """Send an end of file."""
        self._shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go; a waiting `recv` returns None."""
        self._shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _shutdown(self, how: int) -> None:
        try:
            self._socket.shutdown(how)
        except OSError:
            return


def connect(folder: Path) -> SocketAttachment:
    """Connect to the attach socket in a bundle folder. Raises NotFound where nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{fd}/{bundle.ATTACH}")
        finally:
            os.close(fd)
    except OSError as error:
        connection.close()
        raise NotFound(f"process of {folder.name} has no stdio to attach to: {error.strerror}") from error
    return SocketAttachment(connection)


def resize(folder: Path, width: int, height: int) -> None:
    """Set the size of the process's terminal. Raises NotFound where its monitor is gone."""
    _control(folder, f"{_RESIZE} {height} {width}\n")


def reopen_log(folder: Path) -> None:
    """Have conmon open its log path anew. Raises NotFound where it is gone."""
    _control(folder, f"{_REOPEN} 0 0\n")


def _control(folder: Path, line: str) -> None:
    try:
        fd = os.open(folder / bundle.CONTROL, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise NotFound(f"the monitor of {folder.name} does not listen: {error.strerror}") from error
