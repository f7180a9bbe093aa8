from dataclasses import replace

import pytest

from engine.api import execs, streams
from engine.containers.exec_model import Exec, ExecConfig
from engine.errors import NotFound, RuntimeFailed
from engine.values import Surface
from tests.fakes.http import PipeEnd, ask
from tests.unit.engine.api.test_terminal import FakeProcess


class FakeExecs:
    def __init__(self):
        self.records = {}
        self.calls = []
        self.process = FakeProcess((1, b"out"), (2, b"err"))
        self.failure = None

    def create(self, scope, reference, config):
        self.records["e1"] = Exec("e1", "c1", config)
        return "e1"

    def get(self, scope, exec_id):
        if exec_id not in self.records:
            raise NotFound(f"No such exec instance: {exec_id}")
        return self.records[exec_id]

    def start(self, scope, exec_id, *, detach=False, console_size=(0, 0)):
        self.calls.append(("start", exec_id, detach, console_size))
        if self.failure:
            raise self.failure
        self.records[exec_id] = replace(self.records[exec_id], started=True, running=True, pid=42)
        return None if detach else self.process

    def resize(self, scope, exec_id, width, height):
        self.calls.append(("resize", exec_id, width, height))

    def ids_of(self, container_id):
        return list(self.records)


@pytest.fixture
def service():
    return FakeExecs()


@pytest.fixture
def routes(service):
    return execs.routes(service)


BODY = {"Cmd": ["sh", "-c", "ls"], "AttachStdout": True, "AttachStderr": True, "Env": ["A=b"], "User": "5"}


def create(routes, **changes):
    return ask(routes, "POST", "/containers/box/exec", json=BODY | changes)


def test_an_exec_is_created_as_asked(routes, service):
    answer = create(routes, ConsoleSize=[24, 80], Tty=True, WorkingDir="/tmp")
    assert (answer.status, answer.json) == (201, {"Id": "e1"})
    assert service.records["e1"].config == ExecConfig(
        cmd=("sh", "-c", "ls"),
        env=("A=b",),
        user="5",
        working_dir="/tmp",
        tty=True,
        attach_stdout=True,
        attach_stderr=True,
        console_size=(24, 80),
    )


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"Cmd": []}, 400, "No exec command specified"),
        ({"Cmd": "ls"}, 400, "Cmd: expected an array, got a string"),
        ({"Tty": "yes"}, 400, "Tty: expected a boolean, got a string"),
        ({"DetachKeys": "xx"}, 400, "Invalid detach keys (xx) provided"),
        ({"Sandbox": 1}, 501, "Sandbox: not supported"),
    ],
)
def test_what_is_wrong_is_named(routes, changes, status, message):
    answer = create(routes, **changes)
    assert (answer.status, answer.message) == (status, message)


def test_what_docker_py_adds_is_ignored(routes):
    assert create(routes, Container="box", Detach=True).status == 201


def test_a_privileged_exec_takes_its_grant(routes):
    headers = {"Berth-Namespace": "team"}
    target = "/containers/box/exec"
    body = BODY | {"Privileged": True}
    assert ask(routes, "POST", target, json=body, headers=headers, surface=Surface.WEB).status == 403
    headers["Berth-Grants"] = "privileged"
    assert ask(routes, "POST", target, json=body, headers=headers, surface=Surface.WEB).status == 201


def test_output_is_framed_unless_there_is_a_terminal(routes):
    create(routes)
    pipe = PipeEnd()
    answer = ask(routes, "POST", "/v1.50/exec/e1/start", json={"Detach": False, "Tty": False}, pipe=pipe)
    assert answer.exchange.content_type == streams.MULTIPLEXED
    assert bytes(pipe.sent) == streams.frame(1, b"out") + streams.frame(2, b"err")


def test_a_terminal_is_raw_with_its_size(routes, service):
    create(routes, Tty=True)
    pipe = PipeEnd()
    answer = ask(routes, "POST", "/exec/e1/start", json={"Tty": True, "ConsoleSize": [24, 80]}, pipe=pipe)
    assert answer.exchange.content_type == streams.RAW
    assert bytes(pipe.sent) == b"outerr"
    assert service.calls == [("start", "e1", False, (24, 80))]


def test_stdin_goes_to_the_process(routes, service):
    create(routes, AttachStdin=True)
    ask(routes, "POST", "/exec/e1/start", json={}, pipe=PipeEnd(b"input"))
    assert bytes(service.process.received) == b"input"


def test_a_detached_start_answers_at_once(routes, service):
    create(routes)
    answer = ask(routes, "POST", "/exec/e1/start", json={"Detach": True})
    assert (answer.status, answer.body) == (200, b"")
    assert service.calls == [("start", "e1", True, (0, 0))]


def test_a_command_that_cannot_run_is_told_on_the_stream(routes, service):
    create(routes)
    service.failure = RuntimeFailed('exec: "nope": executable file not found in $PATH', 127)
    pipe = PipeEnd()
    ask(routes, "POST", "/exec/e1/start", json={}, pipe=pipe)
    assert bytes(pipe.sent) == streams.frame(1, b'exec: "nope": executable file not found in $PATH\r\n')


def test_starting_twice_is_a_conflict(routes, service):
    create(routes)
    ask(routes, "POST", "/exec/e1/start", json={"Detach": True})
    again = ask(routes, "POST", "/exec/e1/start", json={})
    assert (again.status, again.message) == (409, "Error: Exec command e1 is already running")
    service.records["e1"] = replace(service.records["e1"], running=False, exit_code=0)
    assert ask(routes, "POST", "/exec/e1/start", json={}).message == "Error: Exec command e1 has already run"


def test_an_inspection_has_no_exit_code_until_the_end(routes, service):
    create(routes)
    found = ask(routes, "GET", "/exec/e1/json").json
    assert (found["Running"], found["ExitCode"], found["CanRemove"]) == (False, None, False)
    assert found["ProcessConfig"]["entrypoint"] == "sh"
    service.records["e1"] = replace(service.records["e1"], exit_code=3)
    assert ask(routes, "GET", "/exec/e1/json").json["ExitCode"] == 3


def test_an_unknown_exec_is_dockers_text(routes):
    for target in ("GET /exec/x/json", "POST /exec/x/start"):
        answer = ask(routes, *target.split())
        assert (answer.status, answer.message) == (404, "No such exec instance: x")


def test_resize_reaches_the_service(routes, service):
    assert ask(routes, "POST", "/exec/e1/resize?h=24&w=80").status == 200
    assert service.calls == [("resize", "e1", 80, 24)]
