"""What the crash tests need: the engine's named crash points, and a look at everything that must belong to a record."""

from __future__ import annotations

import ast
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import leaks
from tests.support.docker_cli import UnixConnection
from tests.support.instance import REPOSITORY, Instance


def crash_points() -> list[str]:
    """Return the name of every `faults.point(…)` in the engine's source, in the order of files and lines."""
    names: list[str] = []
    for path in sorted((REPOSITORY / "engine").rglob("*.py")):
        names += _points_of(ast.parse(path.read_text()), path)
    doubled = {name for name in names if names.count(name) > 1}
    assert not doubled, f"crash points need names of their own: {doubled}"
    return names


def _points_of(tree: ast.AST, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "faults.point":
            argument = node.args[0]
            assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: a crash point's name must be a constant"
            yield str(argument.value)


class Api:
    """The engine's API as a crash test uses it: every answer is checked, a lost connection is an OSError."""

    def __init__(self, instance: Instance) -> None:
        self._path = str(instance.admin_socket)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send JSON, or bytes as a tar; return status and decoded body (JSON, else text)."""
        connection = UnixConnection(self._path, 60)
        try:
            kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
            headers = {"Content-Type": kind, "Berth-Namespace": "*" if method == "GET" else "default"}
            data = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        try:
            return response.status, json.loads(answer) if answer else None
        except ValueError:
            return response.status, answer.decode(errors="replace")

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        """Return the body of an answer that is no error."""
        status, answer = self.ask(method, path, body)
        assert status < 400, f"{method} {path}: {status} {answer}"
        return answer


def left_behind(instance: Instance) -> list[str]:
    """Return a line for everything on disk and in the kernel that belongs to no record of the engine, which runs."""
    api = Api(instance)
    rows = api.ok("GET", "/containers/json?all=1")
    known = {row["Id"] for row in rows}
    running = {row["Id"] for row in rows if row["State"] in ("running", "paused")}
    return [
        *_folders(instance, known, running, api),
        *_kernel_objects(instance, running),
        *_sandboxes(instance, running, api),
        *_volumes(instance, api),
        *_database(instance, known),
    ]


def _folders(instance: Instance, known: set[str], running: set[str], api: Api) -> Iterator[str]:
    engine, run = instance.data_root / "engine", instance.run_root
    for folder, owners in (
        (engine / "snapshots", known),
        (engine / "containers", known),
        (run / "bundles", running),
        (run / "rootfs", running),
        (run / "exits", running),
        (run / "crun", running),
    ):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if not entry.name.startswith(".") and not any(owner in entry.name for owner in owners):
                yield f"{entry} (of no {'container' if owners is known else 'running container'})"
    archived = {row["id"] for row in api.ok("GET", "/berth/logs?state=archived&limit=1000")["sources"]}
    for entry in (engine / "log-archive").glob("*/*"):
        if entry.name not in archived:
            yield f"{entry} (of no archived log)"
    for entry in (engine / "ingest").iterdir():
        yield f"{entry} (a download that nobody continues)"


def _kernel_objects(instance: Instance, running: set[str]) -> Iterator[str]:
    for line in Path(f"/proc/{engine_pid(instance)}/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if point.startswith(f"{instance.run_root / 'rootfs'}/") and not any(owner in point for owner in running):
            yield f"mount {point}"
    for folder in leaks.cgroups_of(instance.name):
        for inner in folder.rglob("*"):
            if inner.is_dir() and len(inner.relative_to(folder).parts) == 2 and inner.name not in running:
                yield f"cgroup {inner}"
    for pid, line in leaks.processes_of(instance.folder).items():
        if ("conmon" in line or "crun" in line) and not any(owner in line for owner in running):
            yield f"process {pid} {line}"


def _sandboxes(instance: Instance, running: set[str], api: Api) -> Iterator[str]:
    used = 0
    for container in running:
        shown = api.ok("GET", f"/containers/{container}/json")
        used += shown["HostConfig"]["NetworkMode"] != "host"
    # The pool keeps some ready for each bridge network, and some for containers without one.
    bridges = sum(network["Driver"] == "bridge" for network in api.ok("GET", "/networks"))
    allowed = used + int(instance.settings["BERTH_SANDBOX_POOL"]) * (1 + bridges)
    names = [entry.name for entry in (instance.run_root / "netns").iterdir()]
    if len(names) > allowed:
        yield f"{len(names)} network namespaces, at most {allowed} have a use: {names}"


def _volumes(instance: Instance, api: Api) -> Iterator[str]:
    known = {volume["Name"] for volume in api.ok("GET", "/volumes")["Volumes"] or ()}
    for namespace in (instance.data_root / "engine" / "volumes").iterdir():
        for folder in namespace.iterdir():
            if folder.name not in known:
                yield f"{folder} (of no volume)"


def _database(instance: Instance, known: set[str]) -> Iterator[str]:
    with sqlite3.connect(f"file:{instance.data_root / 'engine' / 'engine.db'}?mode=ro", uri=True) as database:
        recorded = {row[0] for row in database.execute("SELECT id FROM containers")}
    database.close()
    for container in recorded ^ known:
        yield f"container {container} is in the database or in memory only"


def unreferenced_content(instance: Instance) -> list[str]:
    """Return blobs and layers on disk: when no image is left, nothing may be."""
    engine = instance.data_root / "engine"
    return [str(entry) for folder in (engine / "blobs" / "sha256", engine / "layers") for entry in folder.iterdir()]


def engine_pid(instance: Instance) -> int:
    """Return the pid of the engine's process."""
    return int((instance.run_root / "engine.pid").read_text())
