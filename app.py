"""Berth's one entry point: `python app.py up | engine | web | audit | settings | version`.

`up` is a small supervisor: it starts the engine and the web tier as child processes, passes their output through and
stops both when it is told to stop. It restarts neither: when one ends, it says so and ends too. Containers belong to
their monitors and go on in any case.
"""

import sys

if sys.argv[1:2] == ["web"]:
    # Before anything imports socket or threading; the engine and the supervisor must stay unpatched.
    from gevent import monkey

    monkey.patch_all()

import errno
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from config import contract, settings

USAGE = """usage: app.py COMMAND

  up         start the engine and the web tier, stop both on Ctrl-C; containers go on running
  engine     the engine alone, in the foreground (root)
  web        the web tier alone, in the foreground
  audit      verify the audit record's chain; say where it breaks first
  settings   print the page of all settings (docs/settings.md)
  version    print the version

Settings are read from the environment, then from the TOML file named by BERTH_CONFIG; docs/settings.md lists them.
"""
STOP_SECONDS = 15.0
"""How long a child may take to stop before it is killed."""
ENGINE_START_SECONDS = 30.0


class Refused(Exception):
    """Starting makes no sense as things are; the message tells the person at the terminal what to do."""


def check_root() -> None:
    """Raise Refused unless we are root: only root can make namespaces, mounts and cgroups for containers."""
    if os.geteuid() != 0:
        raise Refused("the engine needs root: try again with sudo")


def check_port_free(bind: str) -> None:
    """Raise Refused when the web tier's address (`host:port`) is taken or malformed."""
    host, _, port = bind.rpartition(":")
    if not port.isdigit():
        raise Refused(f"BERTH_WEB_BIND={bind!r}: expected an address and a port, such as 127.0.0.1:8080")
    host = host.strip("[]") or "0.0.0.0"  # noqa: S104 - what an empty host means
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Refused(f"{bind} is in use by another program; set BERTH_WEB_BIND to a free port") from error
            raise Refused(f"can't listen on {bind}: {error.strerror}") from error


def lock_instance(run_root: Path) -> TextIO:
    """Return the locked file that makes this the one supervisor of `run_root`; raise Refused when there is one."""
    try:
        run_root.mkdir(parents=True, exist_ok=True, mode=0o755)
        lock = (run_root / "up.pid").open("a+")
    except OSError as error:
        raise Refused(f"BERTH_RUN_ROOT={run_root}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with lock:
            lock.seek(0)
            raise Refused(f"Berth already runs on {run_root} (pid {lock.read().strip()})") from error
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def check_no_engine(run_root: Path) -> None:
    """Raise Refused when an engine answers on the admin socket of `run_root`."""
    if _answers(run_root / contract.ADMIN_SOCKET):
        raise Refused(f"an engine already runs on {run_root}; stop it, or set BERTH_RUN_ROOT and BERTH_DATA_ROOT")


class Supervisor:
    """The two children of `up` and the signals that end them."""

    def __init__(self, loaded: settings.Settings) -> None:
        self._settings = loaded
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    def run(self) -> int:
        """Start both, wait for a signal or for one to end, stop what is left; return the exit status."""
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)
        try:
            self._start("engine")
            if self._engine_ready():
                self._start("web")
                return self._wait()
            return 0 if self._stopping else self._report()
        finally:
            self._stop_all()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _start(self, part: str) -> None:
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops them in order.
        argv = [sys.executable, str(Path(__file__).resolve()), part]
        self._children[part] = subprocess.Popen(argv, start_new_session=True, stdin=subprocess.DEVNULL)

    def _engine_ready(self) -> bool:
        deadline = time.monotonic() + ENGINE_START_SECONDS
        while not self._stopping and self._children["engine"].poll() is None:
            if _answers(self._settings.run_root / contract.ADMIN_SOCKET):
                return True
            if time.monotonic() > deadline:
                print(f"berth: the engine did not answer within {ENGINE_START_SECONDS:.0f} seconds", file=sys.stderr)
                return False
            time.sleep(0.02)
        return False

    def _wait(self) -> int:
        while not self._stopping:
            if any(child.poll() is not None for child in self._children.values()):
                return self._report()
            time.sleep(0.2)
        return 0

    def _report(self) -> int:
        for part, child in self._children.items():
            status = child.poll()
            if status is not None:
                others = [other for other in self._children if other != part]
                rest = f"; stopping the {' and the '.join(others)} too" if others else ""
                print(f"berth: the {part} ended {_describe(status)}{rest}", file=sys.stderr)
        return 1

    def _stop_all(self) -> None:
        for part in ("web", "engine"):
            child = self._children.get(part)
            if child is None or child.poll() is not None:
                continue
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"berth: the {part} did not stop within {STOP_SECONDS:.0f} seconds; killing it", file=sys.stderr)
                child.kill()
                child.wait()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
            client.sendall(b"GET /_ping HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n")
            return client.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def _describe(status: int) -> str:
    if status >= 0:
        return f"with status {status}"
    return f"by {signal.Signals(-status).name}"


def up(loaded: settings.Settings) -> int:
    """Run the engine and the web tier until a signal comes; return the exit status."""
    check_root()
    with lock_instance(loaded.run_root):
        check_no_engine(loaded.run_root)
        check_port_free(loaded.web_bind)
        return Supervisor(loaded).run()


def engine(loaded: settings.Settings) -> int:
    """Run the engine in this process."""
    from engine import cli

    check_root()
    return cli.run(loaded)


def web(loaded: settings.Settings) -> int:
    """Run the web tier in this process, which is patched for gevent."""
    from webui import cli

    return cli.run(loaded)


def main(argv: Sequence[str]) -> int:
    """Run the command named first in `argv`; return the exit status."""
    command = argv[0] if argv else ""
    try:
        if command in ("", "-h", "--help", "help"):
            print(USAGE, end="")
            return 0 if command else 2
        if command == "version":
            print(f"berth {contract.PRODUCT_VERSION} (Engine API {contract.API_VERSION})")
            return 0
        if command == "settings":
            print(settings.describe(), end="")
            return 0
        if command in COMMANDS:
            return COMMANDS[command](settings.load())
    except (Refused, settings.SettingError) as refusal:
        print(f"berth: {refusal}", file=sys.stderr)
        return 1
    print(f"berth: no command {command!r}\n\n{USAGE}", end="", file=sys.stderr)
    return 2


def audit(loaded: settings.Settings) -> int:
    """Verify the audit record; return 0 if it is whole, 1 with its first break."""
    from webui import audit_command

    return audit_command.run(loaded)


COMMANDS = {"up": up, "engine": engine, "web": web, "audit": audit}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
