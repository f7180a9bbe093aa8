"""The real docker CLI as a test drives it: plain calls, calls under a terminal, and what is needed to clean up."""

from __future__ import annotations

import ctypes
import fcntl
import http.client
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
LABEL = "berth.test"
"""Every container that a test makes through `Docker` has this label, with the runner's own token as its value."""


@dataclass(frozen=True)
class Result:
    """What a finished call left: exit status, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.out.splitlines()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float = 30) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    """Runs `docker` against one engine; `host` is a DOCKER_HOST such as unix:///run/berth/engine.sock.

    `netns` is the network namespace (a path) in which the engine publishes its ports; None: ours.
    """

    def __init__(self, host: str, image: str, config: Path, netns: str | None = None) -> None:
        self.host = host
        self.image = image
        self.netns = netns
        self.token = uuid.uuid4().hex[:8]
        self._config = config

    # ---- calls ---------------------------------------------------------------------------------------------------

    def __call__(self, *args: str | Path, stdin: str | bytes | None = None, timeout: float = 60) -> Result:
        """Run `docker ARGS` to its end; never raises for its exit status."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self.argv(*args),
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            timeout=timeout,
            env=self.environ(),
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def ok(self, *args: str | Path, stdin: str | bytes | None = None, timeout: float = 60) -> str:
        """Run `docker ARGS`, demand success, return stdout without the last newline."""
        result = self(*args, stdin=stdin, timeout=timeout)
        assert result.code == 0, f"docker {' '.join(map(str, args))}: {result}"
        return result.out.rstrip("\n")

    def fails(self, *args: str | Path, code: int = 1) -> str:
        """Run `docker ARGS`, demand exit status `code`, return stderr."""
        result = self(*args)
        assert result.code == code, f"docker {' '.join(map(str, args))}: {result}"
        return result.err.strip()

    @contextmanager
    def spawn(self, *args: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run `docker ARGS` with pipes for stdio in the background; killed at the end if it still runs."""
        process = subprocess.Popen(
            self.argv(*args),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environ(),
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        pass
            process.wait()

    @contextmanager
    def terminal(self, *args: str | Path, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
        """Run `docker ARGS` with a terminal of its own, as a person at a keyboard has it."""
        master, slave = pty.openpty()
        _set_size(master, rows, columns)
        process = subprocess.Popen(
            self.argv(*args), stdin=slave, stdout=slave, stderr=slave, env=self.environ(), start_new_session=True
        )
        os.close(slave)
        terminal = Terminal(process, master)
        try:
            yield terminal
        finally:
            terminal.close()

    def argv(self, *args: str | Path) -> list[str]:
        """Return the whole command; `run` and `create` get the label by which `clean` finds their containers."""
        words = [str(arg) for arg in args]
        at = 1 if words[0] == "container" else 0
        if words[at] in ("run", "create"):
            words[at + 1 : at + 1] = ["--label", f"{LABEL}={self.token}"]
        return ["docker", *words]

    def environ(self) -> dict[str, str]:
        """Return the environment of a call: this engine, and nothing of the person who runs the tests."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        return kept | {"DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self._config), "DOCKER_CLI_HINTS": "false"}

    # ---- what most tests need ------------------------------------------------------------------------------------

    def name(self, what: str = "c") -> str:
        """Return a name that nobody else uses."""
        return f"t-{self.token}-{what}-{uuid.uuid4().hex[:6]}"

    def inspect(self, ref: str) -> dict[str, Any]:
        """Return `docker inspect` of one object."""
        found: dict[str, Any] = json.loads(self.ok("inspect", ref))[0]
        return found

    def running(self, *args: str, script: str = "") -> str:
        """Start a container that stays, with further `args` of `run`; return its id.

        With `script`, that shell script is its command; without, it sleeps and ends at once on SIGTERM.
        """
        # A shell as PID 1 ignores SIGTERM unless it traps it; `wait` lets the trap run at once.
        sleeper = "trap 'exit 143' TERM INT; while :; do sleep 1000 & wait $!; done"
        return self.ok("run", "-d", *args, self.image, "sh", "-c", script or sleeper)

    def wait_log(self, ref: str, text: str, timeout: float = 10) -> str:
        """Wait until the container's log holds `text`; return the log (stdout and stderr)."""

        def log() -> str:
            result = self("logs", ref)
            return result.out + result.err

        return eventually(lambda: (seen := log()) and text in seen and seen, timeout, f"{text!r} in the log of {ref}")

    # ---- the API, where the CLI is too slow or hides something -------------------------------------------------

    def api(self, method: str, path: str, body: Any = None, timeout: float = 30) -> tuple[int, Any]:
        """Send one request to the engine; return status and decoded JSON (or text)."""
        connection = UnixConnection(self.host.removeprefix("unix://"), timeout)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.headers.get("Content-Type", "").startswith("application/json") and data:
            return response.status, json.loads(data)
        return response.status, data.decode(errors="replace")

    def speaks(self, major: int, minor: int) -> bool:
        """Return whether the engine's API version is at least this one."""
        version: str = self.api("GET", "/version")[1]["ApiVersion"]
        return tuple(map(int, version.split("."))) >= (major, minor)

    def clean(self) -> None:
        """Remove every container, volume and network that this runner's tests made."""
        query = urllib.parse.quote(json.dumps({"label": [f"{LABEL}={self.token}"]}))
        for row in self.api("GET", f"/containers/json?all=1&filters={query}")[1]:
            self.api("DELETE", f"/containers/{row['Id']}?force=1&v=1")
        prefix = f"t-{self.token}-"
        for volume in self.api("GET", "/volumes")[1].get("Volumes") or ():
            if volume["Name"].startswith(prefix):
                self.api("DELETE", f"/volumes/{volume['Name']}?force=1")
        for network in self.api("GET", "/networks")[1]:
            if network["Name"].startswith(prefix):
                self.api("DELETE", f"/networks/{network['Id']}")

    # ---- reaching ports ------------------------------------------------------------------------------------------

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Return an IPv4 socket in the network namespace where the engine publishes ports."""
        return socket_in(self.netns, kind)

    def fetch(self, port: int, path: str = "/", address: str = "127.0.0.1") -> str:
        """Return the body of an HTTP/1.0 answer from a published port; OSError when nobody answers."""
        with self.socket() as client:
            client.settimeout(5)
            client.connect((address, port))
            client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            received = b"".join(iter(lambda: client.recv(65536), b""))
        return received.partition(b"\r\n\r\n")[2].decode()


class Terminal:
    """The keyboard and screen of a running `docker`."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.seen = ""
        self._master = master

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def expect(self, pattern: str, timeout: float = 10) -> re.Match[str]:
        """Read the screen until `pattern` (a regular expression) shows in what is new; return the match."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.seen, re.DOTALL)
            if match:
                self.seen = self.seen[match.end() :]
                return match
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"no {pattern!r} on the terminal, which shows {self.seen!r}")

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size, as a window manager does."""
        _set_size(self._master, rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def wait(self, timeout: float = 10) -> int:
        """Wait for the end; return the exit status. What came until then is in `seen`."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def close(self) -> None:
        """Kill what still runs and close the terminal."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self, timeout: float) -> bool:
        if timeout <= 0 or not select.select([self._master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: the last process with the other end has gone
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)


def eventually(probe: Callable[[], T], timeout: float = 10, what: str = "") -> T:
    """Call `probe` until it returns something true; return that. Fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or probe}")
        time.sleep(0.02)


def socket_in(netns: str | None, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return an IPv4 socket that belongs to the network namespace at the path `netns` (None: ours)."""
    if netns is None:
        return socket.socket(socket.AF_INET, kind)
    made: list[socket.socket] = []

    def enter() -> None:
        # A thread of its own enters and ends there; a socket stays in the namespace that it was made in.
        with Path(netns).open() as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), f"setns {netns}")
        made.append(socket.socket(socket.AF_INET, kind))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return made[0]


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _set_size(fd: int, rows: int, columns: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
