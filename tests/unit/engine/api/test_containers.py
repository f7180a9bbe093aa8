import json

import pytest

from engine.api import containers as handlers
from engine.api.router import App
from engine.api.wire.container import Places
from engine.containers.model import RestartPolicy, State, Status
from engine.values import Surface
from tests.fakes.containers import FakeContainers, a_container
from tests.fakes.http import FakeExchange, ask

WEB = {"Berth-Namespace": "team", "Berth-Actor": "ann"}


class NoExecs:
    def ids_of(self, container_id):
        return ["e1"] if container_id == "0" * 63 + "1" else []


@pytest.fixture
def service():
    return FakeContainers()


@pytest.fixture
def routes(service):
    return handlers.routes(service, NoExecs(), Places("/c", "/n", "/s", "/r"))


def test_a_created_container_is_answered_with_id_and_warnings(routes, service):
    answer = ask(routes, "POST", "/v1.41/containers/create?name=web&platform=linux/amd64", json={"Image": "a"})
    assert answer.status == 201
    assert answer.json == {"Id": f"{1:064x}", "Warnings": ["careful"]}
    assert service.records[f"{1:064x}"].name == "web"
    assert service.calls == [("create", "linux/amd64")]


def test_an_unknown_image_is_dockers_text(routes):
    answer = ask(routes, "POST", "/containers/create", json={"Image": "missing"})
    assert (answer.status, answer.message) == (404, "No such image: missing:latest")


def test_a_bad_field_is_named(routes):
    answer = ask(routes, "POST", "/containers/create", json={"Image": "a", "HostConfig": {"Memory": "x"}})
    assert (answer.status, answer.message) == (400, "HostConfig.Memory: expected an integer, got a string")


def test_a_caller_without_grants_gets_no_host_mount(routes):
    body = {"Image": "a", "HostConfig": {"Binds": ["/etc:/x"]}}
    answer = ask(routes, "POST", "/containers/create", json=body, headers=WEB, surface=Surface.WEB)
    assert answer.status == 403
    assert answer.message.startswith("HostConfig.Binds: not allowed")
    granted = WEB | {"Berth-Grants": "binds"}
    assert ask(routes, "POST", "/containers/create", json=body, headers=granted, surface=Surface.WEB).status == 201


def test_what_is_made_belongs_to_the_callers_namespace(routes, service):
    ask(routes, "POST", "/containers/create", json={"Image": "a"}, headers=WEB, surface=Surface.WEB)
    record = next(iter(service.records.values()))
    assert (record.namespace, record.created_by) == ("team", "ann")
    assert ask(routes, "GET", f"/containers/{record.id}/json").status == 404


def test_the_list_passes_its_parameters_on(routes, service):
    service.add(a_container(1))
    service.add(a_container(2, state=State(Status.RUNNING, started_ns=1)))
    filters = '{"status":["created"]}'
    answer = ask(routes, "GET", f"/containers/json?all=1&limit=5&filters={filters}&size=1")
    assert [row["Names"] for row in answer.json] == [["/box1"], ["/box2"]]
    assert answer.json[0]["SizeRw"] == 11
    assert service.calls == [("list", True, 5, {"status": ("created",)})]
    assert "SizeRw" not in ask(routes, "GET", "/containers/json").json[0]


def test_an_inspection_names_the_running_execs(routes, service):
    service.add(a_container(1))
    found = ask(routes, "GET", "/containers/box1/json?size=1").json
    assert (found["Name"], found["ExecIDs"], found["SizeRootFs"]) == ("/box1", ["e1"], 1111)


def test_a_container_that_is_not_there_is_dockers_text(routes):
    answer = ask(routes, "GET", "/containers/nope/json")
    assert (answer.status, answer.message) == (404, "No such container: nope")


def test_starting_twice_is_not_modified(routes, service):
    service.add(a_container(1))
    assert ask(routes, "POST", "/containers/box1/start").status == 204
    again = ask(routes, "POST", "/containers/box1/start")
    assert (again.status, again.body) == (304, b"")


def test_a_start_takes_no_body(routes, service):
    service.add(a_container(1))
    assert ask(routes, "POST", "/containers/box1/start", json={"Binds": []}).status == 400


@pytest.mark.parametrize(
    ("method", "target", "call"),
    [
        ("POST", "/containers/b/stop", ("stop", "b", None, None)),
        ("POST", "/containers/b/stop?t=0&signal=HUP", ("stop", "b", "HUP", 0)),
        ("POST", "/containers/b/restart?t=-1", ("restart", "b", None, -1)),
        ("POST", "/containers/b/pause", ("pause", "b")),
        ("POST", "/containers/b/unpause", ("unpause", "b")),
        ("POST", "/containers/b/rename?name=c", ("rename", "b", "c")),
        ("DELETE", "/containers/b", ("remove", "b", False, False)),
        ("DELETE", "/containers/b?force=1&v=1", ("remove", "b", True, True)),
    ],
)
def test_a_command_reaches_the_service(routes, service, method, target, call):
    answer = ask(routes, method, target)
    assert (answer.status, answer.body) == (204, b"")
    assert service.calls == [call]


def test_resize_answers_200(routes, service):
    assert ask(routes, "POST", "/containers/b/resize?h=24&w=80").status == 200
    assert service.calls == [("resize", "b", 80, 24)]
    assert ask(routes, "POST", "/containers/b/resize?h=70000&w=80").message == "h: 70000 is out of range"
    assert ask(routes, "POST", "/containers/b/resize?h=x").message == "h: expected an integer, got 'x'"


def test_kill_has_a_default_and_a_conflict(routes, service):
    container = service.add(a_container(1, state=State(Status.RUNNING)))
    assert ask(routes, "POST", "/containers/box1/kill").status == 204
    assert service.calls == [("kill", "box1", "SIGKILL")]
    service.add(a_container(1, id=container.id, state=State(Status.EXITED)))
    assert ask(routes, "POST", "/containers/box1/kill").status == 409


def test_an_update_passes_what_is_not_zero(routes, service):
    body = {"Memory": 7340032, "CpuShares": 0, "PidsLimit": -1, "RestartPolicy": {"Name": "always"}}
    answer = ask(routes, "POST", "/containers/b/update", json=body)
    assert answer.json == {"Warnings": []}
    changes = {"memory": 7340032, "pids_limit": None}
    assert service.calls == [("update", "b", changes, RestartPolicy("always", 0))]


def test_an_update_is_limited_like_a_creation(routes):
    body = {"Devices": [{"PathOnHost": "/dev/sda"}]}
    answer = ask(routes, "POST", "/containers/b/update", json=body, headers=WEB, surface=Surface.WEB)
    assert (answer.status, answer.message.partition(":")[0]) == (403, "HostConfig.Devices")


def test_a_wait_answers_when_the_container_has_ended(routes, service):
    service.add(a_container(1))
    exchange = FakeExchange("POST", "/containers/box1/wait", "condition=next-exit")
    reply = App(routes, 1024)(exchange)
    assert reply.status == 200
    service.waiter.resolve(3)
    assert json.loads(b"".join(reply.body)) == {"StatusCode": 3}
    assert service.calls == [("wait", "next-exit")]
    assert service.waiter.closed


def test_a_wait_tells_why_it_failed(routes, service):
    service.add(a_container(1))
    service.waiter.resolve(125, "no such file")
    assert ask(routes, "POST", "/containers/box1/wait").json == {
        "StatusCode": 125,
        "Error": {"Message": "no such file"},
    }


def test_a_wait_ends_when_its_client_is_gone(routes, service):
    service.add(a_container(1))
    exchange = FakeExchange("POST", "/containers/box1/wait")
    reply = App(routes, 1024)(exchange)
    for callback in exchange.gone:
        callback()
    assert list(reply.body) == []


def test_a_wait_for_nothing_is_not_found(routes):
    assert ask(routes, "POST", "/containers/nope/wait").status == 404


def test_a_prune_tells_what_it_removed(routes, service):
    answer = ask(routes, "POST", '/containers/prune?filters={"until":["1h"]}')
    assert answer.json == {"ContainersDeleted": ["a", "b"], "SpaceReclaimed": 5}
    assert service.calls == [("prune", {"until": ("1h",)})]
