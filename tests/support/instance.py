"""A Berth of a test's own: fresh roots, its own instance name, address pool and port; everything is gone afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

from tests.support import leaks
from tests.support.docker_cli import UnixConnection, eventually, free_port

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 30


class Instance:
    """An engine, or engine and web tier, as child processes.

    `destroy` ends them, tears down what the engine holds on the machine, and returns what was left over beyond that.
    """

    def __init__(self, **settings: str) -> None:
        # Short, since a unix socket's path may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="bt-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.name = f"t{uuid.uuid4().hex[:5]}"
        self.data_root = self.folder / "data"
        self.run_root = self.folder / "run"
        self.port = free_port()
        self.settings = {
            "BERTH_DATA_ROOT": str(self.data_root),
            "BERTH_RUN_ROOT": str(self.run_root),
            "BERTH_INSTANCE": self.name,
            "BERTH_WEB_BIND": f"127.0.0.1:{self.port}",
            # A pool of its own: instances that run side by side on one machine must not share subnets.
            "BERTH_BRIDGE_POOL": f"10.{100 + int(self.name[1:], 16) % 150}.0.0/16",
            **settings,
        }
        self.output = ""
        self.process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def admin_socket(self) -> Path:
        """The engine's admin socket."""
        return self.run_root / "engine.sock"

    @property
    def web_socket(self) -> Path:
        """The engine's socket for the web tier."""
        return self.run_root / "web.sock"

    @property
    def docker_host(self) -> str:
        """DOCKER_HOST of the admin socket."""
        return f"unix://{self.admin_socket}"

    @property
    def url(self) -> str:
        """The web tier's address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, command: str = "engine") -> None:
        """Start `app.py COMMAND` and wait until the engine answers."""
        assert os.geteuid() == 0, "tests that run an engine need root"
        environ = {key: value for key, value in os.environ.items() if not key.startswith("BERTH_")}
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(REPOSITORY / "app.py"), command],
            env=environ | self.settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            cwd=REPOSITORY,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        eventually(self._answers_or_ended, START_SECONDS, "an answer of the engine")
        assert self.process.poll() is None, f"app.py {command} ended:\n{self.output[-4000:]}"

    def wait_output(self, pattern: str, timeout: float = START_SECONDS) -> re.Match[str]:
        """Wait until the output so far matches `pattern`; return the match."""

        def look() -> re.Match[str] | None:
            assert self.process is not None
            found = re.search(pattern, self.output)
            assert found or self.process.poll() is None, f"ended without {pattern!r}:\n{self.output[-4000:]}"
            return found

        found = eventually(look, timeout, f"{pattern!r} in the output:\n{self.output[-2000:]}")
        assert found
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 20) -> int:
        """Send the signal to the process started, wait for its end, return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout)
        if self._reader:
            self._reader.join(5)
        if self.process.stdout:
            self.process.stdout.close()
        return status

    def kill(self) -> None:
        """End the process at once, as a crash does; containers go on."""
        self.stop(signal.SIGKILL)

    def destroy(self) -> list[str]:
        """Remove all containers, stop, sweep the machine; return what the engine itself should have removed."""
        left: list[str] = []
        if self.process is not None:
            if self.process.poll() is None and self._answers():
                left = self._remove_containers()
            self.stop()
        self._sweep()
        eventually(lambda: not leaks.left_by(self.name, self.folder) or self._sweep(), 10, f"the end of {self.folder}")
        shutil.rmtree(self.folder, ignore_errors=True)
        return left

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            self.output += line

    def _answers_or_ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None or self._answers()

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        connection = UnixConnection(str(self.admin_socket), 60)
        try:
            connection.request(method, path, headers={"Berth-Namespace": "default"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _remove_containers(self) -> list[str]:
        """Remove every container; return processes that outlive that: monitors whose container is gone."""
        for row in json.loads(self._ask("GET", "/containers/json?all=1")[1]):
            self._ask("DELETE", f"/containers/{row['Id']}?force=1&v=1")
        deadline = time.monotonic() + 5
        while (monitors := self._monitors()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [f"process {pid} {line}" for pid, line in monitors.items()]

    def _monitors(self) -> dict[int, str]:
        found = leaks.processes_of(self.folder)
        return {pid: line for pid, line in found.items() if "conmon" in line or "crun" in line}

    def _sweep(self) -> bool:
        """Take down what a stopped engine leaves by design (its namespaces, bridges, table) or by its end in a test."""
        for pid in leaks.processes_of(self.folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for cgroup in leaks.cgroups_of(self.name):
            _remove_cgroup(cgroup)
        for point in reversed(leaks.mounts_below(self.folder)):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
        for link in leaks.links_of(self.name):
            subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)
        for table in leaks.tables_of(self.name):
            subprocess.run(["nft", "delete", *table.split()], check=False, capture_output=True)
        return False


def _remove_cgroup(folder: Path) -> None:
    for inner in sorted(folder.rglob("*"), key=lambda path: -len(path.parts)):
        if inner.is_dir():
            _end_cgroup(inner)
    _end_cgroup(folder)


def _end_cgroup(folder: Path) -> None:
    try:
        for pid in (folder / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        folder.rmdir()
    except OSError:
        pass  # not empty yet, or gone: the caller looks again
