"""A web tier of a test's own as a real process, and the browser's side of it: HTTP and the live channel."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import socketio

from tests.support.docker_cli import eventually, free_port

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
OURS = {"Sec-Fetch-Site": "same-origin"}


class WebProcess:
    """`app.py web` with its own data; `engine_socket` is what its web.sock leads to (None: no engine)."""

    def __init__(self, engine_socket: Path | None = None, run_root: Path | None = None, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bw-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.run_root = run_root or self.folder / "run"
        self.run_root.mkdir(exist_ok=True)
        if engine_socket:
            (self.run_root / "web.sock").symlink_to(engine_socket)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "BERTH_DATA_ROOT": str(self.folder / "data"),
            "BERTH_RUN_ROOT": str(self.run_root),
            "BERTH_WEB_BIND": f"127.0.0.1:{self.port}",
            "BERTH_WEB_USER": "root",
            **settings,
        }
        self.output = ""
        self.process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self, argv: list[str] | None = None) -> None:
        """Start it and wait until it listens."""
        environ = {key: value for key, value in os.environ.items() if not key.startswith("BERTH_")}
        self.process = subprocess.Popen(
            argv or [sys.executable, "-u", str(REPOSITORY / "app.py"), "web"],
            env=environ | self.settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd="/",
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        eventually(self._listens, 20, "the web tier")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Stop it; return its exit status and how many seconds that took."""
        assert self.process
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        took = time.monotonic() - began
        if self._reader:
            self._reader.join(5)
        if self.process.stdout:
            self.process.stdout.close()
        return status, took

    def destroy(self) -> None:
        """Stop it and remove its folder."""
        if self.process:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def setup_token(self) -> str:
        """Return the one-time token that was printed."""
        found = eventually(lambda: re.findall(r"/setup\?token=(\S+)", self.output), 5, "the setup link")
        return str(found[-1])

    def set_up(self) -> Browser:
        """Make the first administrator; return the browser that did."""
        browser = Browser(self.url)
        answer = browser.post("/api/v1/setup", {"token": self.setup_token(), "name": "root", "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return browser

    def healthy(self, browser: Browser, *, want: bool = True) -> None:
        """Wait until the local host is (un)healthy."""

        def look() -> bool:
            return bool(browser.get("/api/v1/hosts").json()[0]["healthy"]) is want

        eventually(look, 10, f"healthy={want}")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            self.output += line

    def _listens(self) -> bool:
        assert self.process
        assert self.process.poll() is None, f"the web tier ended:\n{self.output}"
        try:
            with requests.get(f"{self.url}/api/v1/session", timeout=5) as answer:
                return answer.status_code == 200
        except requests.ConnectionError:
            return False


class Browser:
    """A browser's requests: its cookies, and the header that says our own page sent them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET."""
        return self.http.get(self.url + path, headers=headers, timeout=20)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> requests.Response:
        """POST JSON."""
        return self.http.post(self.url + path, json=body, headers=OURS if headers is None else headers, timeout=30)

    def delete(self, path: str) -> requests.Response:
        """DELETE."""
        return self.http.delete(self.url + path, headers=OURS, timeout=30)

    def sign_in(self, name: str = "root", password: str = PASSWORD) -> requests.Response:
        """Sign in."""
        return self.post("/api/v1/session", {"name": name, "password": password})

    def token(self) -> str:
        """Make a personal token and return its secret."""
        answer = self.post("/api/v1/tokens", {"name": "test", "expires_days": 1})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret"])

    def cookie(self) -> str:
        """Return the Cookie header."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies)

    def live(self) -> Live:
        """Open the live channel."""
        return Live(self.url, {"Cookie": self.cookie()})

    def close(self) -> None:
        """Close connections."""
        self.http.close()


class Live:
    """The live channel: subscriptions whose frames are collected and acknowledged as the UI does."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.client = socketio.Client(reconnection=False)
        self.frames: dict[int, queue.Queue[dict[str, Any]]] = {}
        self.ended: dict[int, dict[str, Any]] = {}
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.acknowledge = True
        self._seen: dict[int, int] = {}
        self._lock = threading.Lock()
        self.client.on("*", self._on_event)
        self.client.connect(url, headers=headers, transports=["websocket"])

    def call(self, event: str, data: dict[str, Any] | None = None) -> Any:
        """Send an event and return its answer."""
        return self.client.call(event, data, timeout=15)

    def subscribe(self, topic: str, **parameters: Any) -> int:
        """Subscribe, demand success, return the number."""
        answer = self.call("subscribe", {"topic": topic, "host": "local", **parameters})
        assert "sub" in answer, answer
        number = int(answer["sub"])
        self._queue(number)
        return number

    def next(self, number: int, timeout: float = 10) -> dict[str, Any]:
        """Return the next frame of a subscription."""
        return self._queue(number).get(timeout=timeout)

    def until(self, number: int, wanted: Callable[[dict[str, Any]], Any], timeout: float = 10) -> dict[str, Any]:
        """Return the first frame that is wanted; others are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.next(number, max(0.01, deadline - time.monotonic()))
            if wanted(frame):
                return frame

    def event(self, name: str, timeout: float = 10) -> Any:
        """Return the data of the next other event of that name."""
        deadline = time.monotonic() + timeout
        while True:
            found, data = self.events.get(timeout=max(0.01, deadline - time.monotonic()))
            if found == name:
                return data

    def close(self) -> None:
        """Disconnect."""
        if self.client.connected:
            self.client.disconnect()
        self.client.wait() if self.client.eio.state == "connected" else None

    def _queue(self, number: int) -> queue.Queue[dict[str, Any]]:
        with self._lock:
            return self.frames.setdefault(number, queue.Queue())

    def _on_event(self, event: str, data: Any = None) -> None:
        if event == "frame":
            number = data["sub"]
            self._queue(number).put(data)
            self._seen[number] = self._seen.get(number, 0) + 1
            if self.acknowledge and self._seen[number] % 8 == 0:
                self.client.emit("ack", {"sub": number, "n": 8})
        elif event == "end":
            self.ended[data["sub"]] = data
        else:
            self.events.put((event, data))
