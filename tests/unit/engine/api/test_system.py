import pytest

from engine.api import system, unsupported
from engine.api.router import Router
from engine.containers.model import State, Status
from engine.errors import Unauthorized
from engine.services.system import Facts, Limits, Program
from tests.fakes.containers import FakeContainers, a_container
from tests.fakes.http import ask

FACTS = Facts(
    id="abcd1234",
    host_name="vm",
    kernel_version="6.1",
    operating_system="Debian",
    os_version="12",
    machine="x86_64",
    architecture="amd64",
    cpus=2,
    memory_bytes=1 << 30,
    cgroup_version="1",
    limits=Limits(True, False, True, True, True, True, True),
    data_root="/var/lib/berth",
    programs=(Program("conmon", "2.1.6", ""), Program("crun", "1.8.1", "abc")),
    python_version="3.11.2",
    address_pool="10.88.0.0/14",
    insecure_registries=("reg:5000", "10.0.0.0/8"),
    registry_mirrors=("http://mirror",),
)

IMAGE = {
    "Id": "sha256:1",
    "ParentId": "",
    "RepoTags": ["a:latest"],
    "RepoDigests": [],
    "Created": 1,
    "Size": 1,
    "SharedSize": -1,
    "Labels": {},
    "Containers": -1,
}
VOLUME = {"Name": "v", "Driver": "local", "Mountpoint": "/v", "Labels": {}, "Scope": "local", "Options": {}}


class FakeSystem:
    def facts(self):
        return FACTS

    def warnings(self):
        return ("WARNING: No swap limit support",)

    def forwards_ipv4(self):
        return True


def login(server, user, password):
    if password != "right":
        raise Unauthorized(f"{server}: unauthorized: incorrect username or password")
    return "token"


@pytest.fixture
def routes():
    containers = FakeContainers()
    containers.add(a_container(1))
    containers.add(a_container(2, state=State(Status.RUNNING)))
    containers.add(a_container(3, state=State(Status.PAUSED)))
    containers.add(a_container(4, state=State(Status.RUNNING), namespace="team"))
    usage = system.Usage(images=lambda scope: [IMAGE], layers_bytes=lambda scope: 77, volumes=lambda scope: [VOLUME])
    return system.routes(FakeSystem(), containers, usage, login)


def test_ping_has_its_headers_by_get_and_head(routes):
    for method in ("GET", "HEAD"):
        answer = ask(routes, method, "/_ping")
        assert (answer.status, answer.body) == (200, b"OK")
        assert answer.headers["Builder-Version"] == "1"
        assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"


def test_version_names_the_engine_and_its_programs(routes):
    found = ask(routes, "GET", "/v1.24/version").json
    assert (found["ApiVersion"], found["MinAPIVersion"], found["Os"]) == ("1.50", "1.24", "linux")
    assert [component["Name"] for component in found["Components"]] == ["Engine", "conmon", "crun"]


def test_info_counts_what_the_caller_sees(routes):
    found = ask(routes, "GET", "/info").json
    counts = {name: found[name] for name in found if name.startswith("Containers")}
    assert counts == {"Containers": 3, "ContainersRunning": 1, "ContainersPaused": 1, "ContainersStopped": 1}
    assert (found["Images"], found["SwapLimit"], found["Warnings"]) == (1, False, ["WARNING: No swap limit support"])
    assert found["Swarm"]["LocalNodeState"] == "inactive"
    registries = found["RegistryConfig"]
    assert registries["InsecureRegistryCIDRs"] == ["127.0.0.0/8", "10.0.0.0/8"]
    assert registries["IndexConfigs"]["reg:5000"]["Secure"] is False
    assert ask(routes, "GET", "/info", headers={"Berth-Namespace": "team"}).json["Containers"] == 1


def test_df_tells_what_it_was_asked_for(routes):
    found = ask(routes, "GET", "/system/df").json
    assert (found["LayersSize"], len(found["Containers"]), found["Volumes"], found["BuildCache"]) == (
        77,
        3,
        [VOLUME],
        [],
    )
    only = ask(routes, "GET", "/system/df?type=volume").json
    assert (only["Images"], only["Containers"], only["Volumes"]) == (None, None, [VOLUME])
    assert ask(routes, "GET", "/system/df?type=x").message == "unknown object type: x"


def test_a_login_is_tried_at_the_registry(routes):
    body = {"username": "ann", "password": "right", "serveraddress": "reg:5000"}
    assert ask(routes, "POST", "/auth", json=body).json == {"Status": "Login Succeeded", "IdentityToken": "token"}
    refused = ask(routes, "POST", "/auth", json=body | {"password": "wrong"})
    assert refused.status == 401
    assert "incorrect username or password" in refused.message


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/swarm/init", 501, "swarm mode: not supported by Berth"),
        ("GET", "/nodes", 503, "This node is not a swarm manager."),
        ("GET", "/services/x", 503, "This node is not a swarm manager."),
        ("POST", "/session", 501, "BuildKit sessions: not supported"),
        ("GET", "/plugins/a/b:latest/json", 404, 'plugin "a/b:latest" not found'),
        ("POST", "/plugins/a/b:latest/enable", 501, "managed plugins: not supported"),
        ("GET", "/images/a/b/get", 501, "image export: not supported"),
    ],
)
def test_what_is_not_there_says_so_by_name(method, path, status, words):
    answer = ask(unsupported.routes(), method, path)
    assert answer.status == status
    assert answer.message.startswith(words)


def test_a_docker_without_plugins_and_build_cache_lists_none():
    assert ask(unsupported.routes(), "GET", "/plugins").json == []
    assert ask(unsupported.routes(), "POST", "/build/prune").json == {"CachesDeleted": None, "SpaceReclaimed": 0}


def test_a_route_that_is_served_replaces_its_refusal():
    mine = [route for route in unsupported.routes() if route.path == "/containers/{id}/top"]
    Router([*mine, *unsupported.routes(mine)])
    assert not [r for r in unsupported.routes(mine) if r.path == "/containers/{id}/top"]
