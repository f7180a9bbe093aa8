"""A client of the Engine API over a unix socket, as thin as can be: what is measured is the engine."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

IMAGE = "berth-bench:latest"
_PREFIX = "berth-bench-"


class ApiError(Exception):
    """An engine answered with an error."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One engine by its socket. Calls go over one connection that is kept open; one thread at a time."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self._kept = _Connection(path, 120)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the decoded answer of one request (None where it has none); ApiError for an error."""
        data = None if body is None else json.dumps(body).encode()
        self._kept.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        response = self._kept.getresponse()
        payload = response.read()
        if response.status >= 400:
            raise ApiError(f"{self.name}: {method} {path}: {response.status} {payload[:300].decode(errors='replace')}")
        return json.loads(payload) if payload.strip() else None

    @contextmanager
    def stream(self, path: str, body: bytes | None = None, kind: str = "") -> Iterator[http.client.HTTPResponse]:
        """Open a request (GET, or POST with `body`) on a connection of its own; yield the answer to be read."""
        connection = _Connection(self.path, 120)
        try:
            headers = {"Content-Type": kind} if kind else {}
            connection.request("GET" if body is None else "POST", path, body, headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise ApiError(f"{self.name}: {path}: {response.status} {response.read(300)!r}")
            yield response
        finally:
            connection.close()

    def load(self, archive: bytes) -> None:
        """Load an image archive."""
        with self.stream("/images/load?quiet=1", archive, "application/x-tar") as response:
            answer = response.read()
        if b'"error"' in answer:
            raise ApiError(f"{self.name}: load: {answer[-300:]!r}")

    def create(self, *command: str, network: str = "bridge") -> str:
        """Create a container of the test image; return its id."""
        body = {"Image": IMAGE, "Cmd": command, "HostConfig": {"NetworkMode": network}}
        answer = self.call("POST", f"/containers/create?name={_PREFIX}{uuid.uuid4().hex[:12]}", body)
        return str(answer["Id"])

    def start(self, container: str) -> None:
        """Start a container."""
        self.call("POST", f"/containers/{container}/start")

    def launch(self, *command: str, network: str = "bridge") -> str:
        """Create and start a container; return its id."""
        container = self.create(*command, network=network)
        self.start(container)
        return container

    def wait(self, container: str) -> int:
        """Wait for a container's end; return its exit code."""
        return int(self.call("POST", f"/containers/{container}/wait")["StatusCode"])

    def remove(self, container: str) -> None:
        """Remove a container, running or not."""
        self.call("DELETE", f"/containers/{container}?force=1&v=1")

    def execute(self, container: str, *command: str) -> None:
        """Run a command in a container, read its output to the end, and demand exit code 0."""
        body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
        identifier = self.call("POST", f"/containers/{container}/exec", body)["Id"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(60)
            sock.connect(self.path)
            sock.sendall(
                f"POST /exec/{identifier}/start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}".encode()
            )
            while sock.recv(65536):
                pass
        deadline = time.monotonic() + 10
        while (code := self.call("GET", f"/exec/{identifier}/json")["ExitCode"]) is None:
            if time.monotonic() > deadline:
                raise ApiError(f"{self.name}: exec has no exit code")
        if code:
            raise ApiError(f"{self.name}: exec ended with {code}")

    def clean(self) -> None:
        """Remove what a benchmark left."""
        for row in self.call("GET", "/containers/json?all=1"):
            if any(name.lstrip("/").startswith(_PREFIX) for name in row["Names"]):
                self.remove(row["Id"])


def split_frames(buffer: bytes) -> tuple[bytes, bytes]:
    """Split the whole frames off a multiplexed stream: (their payload, the rest)."""
    payload, at = bytearray(), 0
    while len(buffer) - at >= 8:
        size = struct.unpack_from(">I", buffer, at + 4)[0]
        if len(buffer) - at - 8 < size:
            break
        payload += buffer[at + 8 : at + 8 + size]
        at += 8 + size
    return bytes(payload), buffer[at:]
