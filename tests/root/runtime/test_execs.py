"""Exec sessions as a service, on real processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.containers.exec_model import ExecConfig
from engine.containers.model import Container, State, Status
from engine.errors import Conflict, InvalidArgument, NotFound, RuntimeFailed
from engine.events import Bus, Event
from engine.kernel import proc
from engine.services.execs import Execs
from engine.services.specs import Specs
from engine.storage import migrate
from engine.storage.db import Database
from engine.storage.paths import Paths
from engine.values import Scope
from tests.fakes.make import a_container
from tests.support.runtime_bench import Bench, until

ME = Scope(actor="tester")


class Containers:
    """The containers that there are."""

    def __init__(self) -> None:
        self.known: dict[str, Container] = {}

    def get(self, scope: Scope, reference: str) -> Container:
        found = self.known.get(reference)
        if found is None or not scope.sees(found.namespace):
            raise NotFound(f"No such container: {reference}")
        return found


class Stage:
    """The service on a bench with one running container."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        paths = Paths(folder / "data", folder / "run")
        paths.ensure()
        migrate.upgrade(paths.database)
        self.bus = Bus()
        self.database = Database(paths.database, self.bus)
        self.events = self.bus.subscribe()
        self.containers = Containers()
        specs = Specs(paths, bench.cgroups, "h1exec", find=self.containers.known.get)
        self.build_process = specs.process
        self.execs = self.service()
        identifier, created = bench.run(["sleep", "60"])
        state = State(status=Status.RUNNING, pid=created.pid, started_ns=1)
        self.container = replace(a_container(id=identifier), state=state)
        self.containers.known[identifier] = self.container

    def service(self) -> Execs:
        return Execs(self.database, self.containers, self.bench.runtime, self.bench.watcher, self.build_process)

    def create(self, *cmd: str, **config: object) -> str:
        asked = {"attach_stdout": True, "attach_stderr": True, **config}
        return self.execs.create(ME, self.container.id, ExecConfig(cmd=cmd, **asked))  # type: ignore[arg-type]

    def run(self, *cmd: str, **config: object) -> tuple[bytes, int | None]:
        identifier = self.create(*cmd, **config)
        attachment = self.execs.start(ME, identifier)
        assert attachment is not None
        output = b""
        while packet := attachment.recv():
            output += packet[1]
        attachment.close()
        return output, self.execs.get(ME, identifier).exit_code

    def event(self, action: str) -> Event:
        while True:
            found = self.events.get(5)
            assert found is not None, f"no event {action}"
            if found.action.startswith(action):
                return found


@pytest.fixture
def stage(bench: Bench, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(bench, tmp_path)
    yield made
    made.execs.close()
    made.database.close()


def test_exit_code_is_known_when_the_stream_ends(stage: Stage) -> None:
    for code in range(10):
        assert stage.run("sh", "-c", f"echo $((6*7)); exit {code}") == (b"42\n", code)


def test_environment_user_and_folder(stage: Stage) -> None:
    output, _ = stage.run("sh", "-c", "id; pwd; echo $A $HOME", user="web", working_dir="/tmp", env=("A=b",))
    assert output.decode().splitlines() == [
        "uid=1000(web) gid=1000(web) groups=1000(web),2000(extra)",
        "/tmp",
        "b /home/web",
    ]


def test_events_tell_of_creation_start_and_end(stage: Stage) -> None:
    identifier = stage.create("sh", "-c", "exit 3")
    assert stage.execs.ids_of(stage.container.id) == [identifier]
    attachment = stage.execs.start(ME, identifier)
    assert attachment
    assert attachment.recv() is None
    attachment.close()
    assert stage.execs.ids_of(stage.container.id) == []
    created = stage.event("exec_create")
    assert (created.action, created.attributes["execID"], created.by) == (
        "exec_create: sh -c exit 3",
        identifier,
        "tester",
    )
    assert stage.event("exec_start").action == "exec_start: sh -c exit 3"
    died = stage.event("exec_die")
    assert (died.action, died.attributes["execID"], died.attributes["exitCode"]) == ("exec_die", identifier, "3")
    assert died.actor_id == stage.container.id


def test_detached_exec_runs_on_its_own(stage: Stage) -> None:
    identifier = stage.create("sh", "-c", "sleep 0.1; exit 6")
    assert stage.execs.start(ME, identifier, detach=True) is None
    found = stage.execs.get(ME, identifier)
    assert found.running
    assert proc.is_alive(found.pid)
    until(lambda: not stage.execs.get(ME, identifier).running)
    assert stage.execs.get(ME, identifier).exit_code == 6


def test_terminal_has_the_size_asked_for(stage: Stage) -> None:
    # conmon sets it as soon as it has the terminal: a process that is quicker sees none for a moment.
    script = "until stty size 2>/dev/null; do :; done"
    identifier = stage.create("sh", "-c", script, tty=True, attach_stdin=True)
    attachment = stage.execs.start(ME, identifier, console_size=(33, 111))
    assert attachment
    try:
        assert attachment.recv() == (1, b"33 111\r\n")
    finally:
        attachment.close()


def test_terminal_is_resized_while_it_runs(stage: Stage) -> None:
    identifier = stage.create("sh", "-c", "read x; stty size", tty=True, attach_stdin=True)
    with pytest.raises(Conflict):
        stage.execs.resize(ME, identifier, 99, 22)
    attachment = stage.execs.start(ME, identifier)
    assert attachment
    stage.execs.resize(ME, identifier, 99, 22)
    attachment.send(b"\n")
    output = b""
    while b"22 99" not in output:
        packet = attachment.recv()
        assert packet
        output += packet[1]
    attachment.close()


def test_command_that_is_not_there_fails_and_is_over(stage: Stage) -> None:
    identifier = stage.create("nosuch")
    with pytest.raises(RuntimeFailed, match="executable file not found"):
        stage.execs.start(ME, identifier)
    found = stage.execs.get(ME, identifier)
    assert (found.running, found.exit_code) == (False, 127)
    with pytest.raises(Conflict, match="has already run"):
        stage.execs.start(ME, identifier)


def test_unknown_user_fails_in_dockers_words(stage: Stage) -> None:
    identifier = stage.create("true", user="nobodyhere")
    with pytest.raises(InvalidArgument, match="unable to find user nobodyhere: no matching entries in passwd file"):
        stage.execs.start(ME, identifier)
    assert stage.execs.get(ME, identifier).exit_code == 126


def test_running_exec_can_not_start_again(stage: Stage) -> None:
    identifier = stage.create("sleep", "60")
    stage.execs.start(ME, identifier, detach=True)
    with pytest.raises(Conflict, match="is already running"):
        stage.execs.start(ME, identifier, detach=True)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.EXITED, "is not running"),
        (Status.PAUSED, "is paused, unpause the container before exec"),
        (Status.RESTARTING, "is restarting"),
    ],
)
def test_container_must_run(stage: Stage, status: Status, words: str) -> None:
    state = replace(stage.container.state, status=status)
    stage.containers.known[stage.container.id] = replace(stage.container, state=state)
    with pytest.raises(Conflict, match=words):
        stage.create("true")


def test_no_command_no_instance_and_anothers_instance(stage: Stage) -> None:
    with pytest.raises(InvalidArgument, match="No exec command specified"):
        stage.create()
    with pytest.raises(NotFound, match="No such exec instance: abc"):
        stage.execs.get(ME, "abc")
    identifier = stage.create("true")
    with pytest.raises(NotFound, match="No such exec instance"):
        stage.execs.get(Scope(namespace="other"), identifier)
    del stage.containers.known[stage.container.id]
    with pytest.raises(NotFound, match="No such exec instance"):
        stage.execs.get(ME, identifier)


def test_many_at_once(stage: Stage) -> None:
    results: list[tuple[bytes, int | None]] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(stage.run("sh", "-c", f"echo {n}; exit {n}")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [(f"{n}\n".encode(), n) for n in range(8)]


def test_container_that_ends_takes_its_execs_along(stage: Stage) -> None:
    identifier = stage.create("sleep", "60")
    stage.execs.start(ME, identifier, detach=True)
    stage.bench.runtime.signal(stage.container.id, stage.container.state.pid, 9)
    until(lambda: not stage.execs.get(ME, identifier).running)
    assert stage.execs.get(ME, identifier).exit_code == 137


def test_check_gives_exit_code_and_output(stage: Stage) -> None:
    assert stage.execs.run_check(stage.container, ("sh", "-c", "echo fine; exit 1"), 5) == (1, b"fine\n")
    assert stage.execs.ids_of(stage.container.id) == []


def test_check_that_takes_too_long_is_killed(stage: Stage) -> None:
    code, output = stage.execs.run_check(stage.container, ("sh", "-c", "echo began; sleep 60"), 0.3)
    assert (code, output) == (None, b"began\n")
    until(lambda: b"60" not in b"".join(proc.read(p, "cmdline") for p in _others(stage)))


def _others(stage: Stage) -> list[int]:
    name = f"/berth/h1contract/default/{stage.container.id}"
    return [pid for pid in stage.bench.cgroups.pids(name) if pid != stage.container.state.pid]


def test_a_new_engine_finds_what_still_runs_and_its_end(stage: Stage) -> None:
    identifier = stage.create("sh", "-c", "sleep 0.2; exit 8")
    stage.execs.start(ME, identifier, detach=True)
    successor = stage.service()
    successor.recover([stage.container])
    found = successor.get(ME, identifier)
    assert found.running
    until(lambda: not successor.get(ME, identifier).running)
    assert successor.get(ME, identifier).exit_code == 8
    successor.close()
