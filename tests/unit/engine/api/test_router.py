import time
from functools import partial

import pytest

from engine.api.router import BOTH, App, Call, Reply, Route, Router
from engine.errors import Conflict, NotModified
from engine.values import Surface
from tests.fakes import http
from tests.fakes.http import FakeExchange

ask = partial(http.ask, checked=False)
ADMIN_ONLY = frozenset((Surface.ADMIN,))


def echo(call: Call) -> Reply:
    return Reply.json({"path": dict(call.path), "version": list(call.version), "namespace": call.scope.namespace})


def route(method: str, path: str, since: str = "1.24", surfaces: frozenset[Surface] = BOTH) -> Route:
    return Route(method, path, echo, since, surfaces)


ROUTES = [
    route("GET", "/containers/json"),
    route("GET", "/containers/{id}/json"),
    route("DELETE", "/containers/{id}"),
    route("GET", "/images/json"),
    route("GET", "/images/{name:.*}/json"),
    route("GET", "/images/{name:.*}/history"),
    route("DELETE", "/images/{name:.*}"),
    route("GET", "/new", since="1.44"),
    route("GET", "/host", surfaces=ADMIN_ONLY),
]


@pytest.mark.parametrize(
    ("method", "path", "variables"),
    [
        ("GET", "/containers/json", {}),
        ("GET", "/containers/json/json", {"id": "json"}),
        ("GET", "/v1.41/containers/a%20b/json", {"id": "a b"}),
        ("DELETE", "/containers/x", {"id": "x"}),
        ("GET", "/images/json", {}),
        ("GET", "/images/reg:5000/team/app:1/json", {"name": "reg:5000/team/app:1"}),
        ("GET", "/images/a%2Fb/history", {"name": "a/b"}),
        ("DELETE", "/images/a/b/json", {"name": "a/b/json"}),
    ],
)
def test_a_path_finds_its_route_and_variables(method, path, variables):
    answer = ask(ROUTES, method, path)
    assert answer.status == 200
    assert answer.json["path"] == variables


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/containers/json"),
        ("GET", "/containers//json"),
        ("GET", "/"),
        ("GET", "/images//json"),
        ("GET", "/v1.43/new"),
        ("GET", "/vx/containers/json"),
    ],
)
def test_what_has_no_route_is_dockers_not_found(method, path):
    answer = ask(ROUTES, method, path)
    assert (answer.status, answer.message) == (404, "page not found")


def test_a_route_of_a_later_version_needs_that_version():
    assert ask(ROUTES, "GET", "/v1.44/new").json["version"] == [1, 44]
    assert ask(ROUTES, "GET", "/new").json["version"] == [1, 50]


def test_a_too_new_client_gets_dockers_text():
    answer = ask(ROUTES, "GET", "/v1.51/containers/json")
    assert answer.status == 400
    assert answer.message == "client version 1.51 is too new. Maximum supported API version is 1.50"


def test_a_too_old_client_gets_dockers_text():
    answer = ask(ROUTES, "GET", "/v1.23/containers/json")
    assert answer.message == (
        "client version 1.23 is too old. Minimum supported API version is 1.24, "
        "please upgrade your client to a newer version"
    )


def test_the_web_socket_has_the_narrower_table():
    headers = {"Berth-Namespace": "team"}
    assert ask(ROUTES, "GET", "/host", headers=headers).status == 200
    assert ask(ROUTES, "GET", "/host", headers=headers, surface=Surface.WEB).status == 404


def test_the_web_socket_must_name_a_namespace():
    answer = ask(ROUTES, "GET", "/containers/json", surface=Surface.WEB)
    assert (answer.status, answer.message) == (400, "the Berth-Namespace header is missing")


@pytest.mark.parametrize("name", ["Team", "../x", "a b", "-a", "a" * 64])
def test_a_namespace_that_is_no_name_is_refused(name):
    assert ask(ROUTES, "GET", "/containers/json", headers={"Berth-Namespace": name}).status == 400


def test_scope_comes_from_the_headers():
    seen = []
    routes = [Route("GET", "/x", lambda call: seen.append(call.scope) or Reply.empty())]
    headers = {"Berth-Namespace": "team", "Berth-Actor": "ann", "Berth-Grants": "privileged, binds"}
    ask(routes, "GET", "/x", headers=headers, surface=Surface.WEB)
    assert (seen[0].namespace, seen[0].actor) == ("team", "ann")
    assert seen[0].grants == {"privileged", "binds"}


def test_not_modified_has_no_body():
    def handler(call):
        raise NotModified("container already started")

    answer = ask([Route("POST", "/x", handler)], "POST", "/x")
    assert (answer.status, answer.body) == (304, b"")


def test_an_error_of_ours_is_its_status_and_message():
    def handler(call):
        raise Conflict("in use")

    answer = ask([Route("POST", "/x", handler)], "POST", "/x")
    assert (answer.status, answer.json) == (409, {"message": "in use"})


def test_an_unforeseen_error_tells_nothing_but_its_request():
    def handler(call):
        raise KeyError("secret")

    answer = ask([Route("POST", "/x", handler)], "POST", "/x", headers={"Berth-Request-Id": "abc"})
    assert (answer.status, answer.message) == (500, "internal error: see the engine's log at request abc")


def test_two_routes_for_one_path_are_refused():
    with pytest.raises(ValueError, match="two routes"):
        Router([route("GET", "/a/{x}"), route("GET", "/a/{y}")])


def test_a_body_over_the_limit_is_refused():
    answer = ask(
        [Route("POST", "/x", lambda call: Reply.json(call.json()))], "POST", "/x", body=b"{" + b" " * (1 << 20)
    )
    assert answer.status == 400
    assert "the limit is 1048576 bytes" in answer.message


def test_a_body_of_another_type_is_refused():
    routes = [Route("POST", "/x", lambda call: Reply.json(call.json()))]
    answer = ask(routes, "POST", "/x", body=b"a=1", headers={"Content-Type": "text/plain"})
    assert answer.message == "unsupported Content-Type header (text/plain): must be 'application/json'"


@pytest.mark.parametrize(
    ("header", "value"), [("", {}), ("e30", {}), ("###", {}), ("eyJ1c2VybmFtZSI6ImEifQ", {"username": "a"})]
)
def test_registry_credentials_are_decoded_or_none(header, value):
    routes = [Route("POST", "/x", lambda call: Reply.json(call.registry_auth()))]
    assert ask(routes, "POST", "/x", headers={"X-Registry-Auth": header}).json == value


def test_dispatch_is_cheap():
    app = App([Route("GET", "/containers/{id}/json", lambda call: Reply.empty())], 1024)
    exchange = FakeExchange("GET", "/v1.41/containers/abc/json", headers={"host": "d"})
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(200):
            app(exchange)
        best = min(best, (time.perf_counter() - begun) / 200)
    assert best < 50e-6
