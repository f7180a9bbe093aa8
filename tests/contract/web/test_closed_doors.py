"""Every door of the web tier, tried by nobody: routes, engine paths, socket events, the handshake; one error shape."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator

import pytest
import requests
import socketio

from config import settings
from tests.support.web import OURS, PASSWORD, Browser, WebProcess
from webui.access import Verb
from webui.factory import create_app, create_parts
from webui.gateway.guard import ENDPOINT_RULES
from webui.gateway.rules import ENGINE_RULES
from webui.models.database import database_url, migrate
from webui.realtime.sockets import EVENT_RULES
from webui.realtime.topics import TOPIC_RULES


@pytest.fixture(scope="module")
def web() -> Iterator[WebProcess]:
    process = WebProcess()
    process.start()
    yield process
    process.destroy()


@pytest.fixture(scope="module")
def admin(web: WebProcess) -> Iterator[Browser]:
    browser = web.set_up()
    yield browser
    browser.close()


@pytest.fixture
def nobody(web: WebProcess) -> Iterator[Browser]:
    browser = Browser(web.url)
    yield browser
    browser.close()


def all_routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """Method, path with sample parameters and endpoint of every Flask route."""
    folder = tmp_path_factory.mktemp("routes")
    loaded = settings.load({"BERTH_DATA_ROOT": str(folder), "BERTH_RUN_ROOT": str(folder)})
    migrate(database_url(loaded))
    parts = create_parts(loaded)
    app, _ = create_app(parts, {})
    parts.database.close()
    return [
        (method, re.sub(r"<[^>]+>", "x", rule.rule), rule.endpoint)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def test_every_route_refuses_nobody(web: WebProcess, nobody: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    routes = all_routes(tmp_path_factory)
    assert len(routes) >= len(ENDPOINT_RULES)
    for method, path, endpoint in routes:
        if ENDPOINT_RULES[endpoint] is Verb.PUBLIC:
            continue
        answer = nobody.http.request(method, web.url + path, headers=OURS, json={}, timeout=10)
        assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
        assert set(answer.json()) == {"message"}


def test_every_engine_path_refuses_nobody(nobody: Browser, web: WebProcess) -> None:
    for rule in ENGINE_RULES:
        path = re.sub(r"\{\w+\}", "x", rule.path)
        answer = nobody.http.request(rule.method, f"{web.url}/engine/local/v1.50{path}", timeout=10)
        expected = 502 if rule.verb is Verb.PUBLIC else 401  # no engine runs here: _ping gets as far as that
        assert answer.status_code == expected, f"{rule.method} {path}: {answer.status_code}"


@pytest.mark.parametrize("token", ["", "x", "berth_" + "A" * 43, "Basic", "\t"])
def test_a_wrong_token_is_nobody_even_with_a_good_cookie(admin: Browser, token: str) -> None:
    answer = admin.get("/engine/local/v1.50/info", Authorization=f"Bearer {token}")
    assert answer.status_code == 401
    assert admin.get("/api/v1/tokens", Authorization=f"Bearer {token}").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/engine/local/v1.50/nosuch",
        "/engine/local/v1.50/containers/..%2f..%2fplugins",
        "/engine/local/v1.50//containers/json",
        "/engine/local/containers/json%00",
        "/engine/",
        "/engine/local",
    ],
)
def test_a_path_without_a_rule_is_refused_even_to_an_administrator(admin: Browser, path: str) -> None:
    request = requests.Request("GET", admin.url + "/", cookies=admin.http.cookies).prepare()
    request.url = admin.url + path
    assert admin.http.send(request, timeout=10).status_code == 404


def test_an_unknown_host_is_unknown(admin: Browser) -> None:
    assert admin.get("/engine/nosuch/v1.50/info").status_code == 404


@pytest.mark.parametrize("path", ["/socket.io/?EIO=4&transport=websocket", "/socket.io/?EIO=4&transport=polling"])
def test_no_socket_without_a_session(nobody: Browser, path: str) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    answer = nobody.get(path, **upgrade)
    assert answer.status_code == (401 if "websocket" in path else 400)
    assert "message" in answer.json()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_no_socket_for_another_sites_page(admin: Browser, origin: str) -> None:
    client = socketio.Client(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(admin.url, headers={"Cookie": admin.cookie(), "Origin": origin}, transports=["websocket"])


@pytest.mark.parametrize("event", EVENT_RULES)
def test_every_event_needs_good_input(admin: Browser, event: str) -> None:
    live = admin.live()
    try:
        for data in (None, "text", [1], {"topic": 1, "sub": "x", "n": -1, "term": 5, "id": "../x", "cols": "a"}):
            answer = live.call(event, data)  # type: ignore[arg-type]
            status = answer["error"]["status"]
            assert status in (400, 404), f"{event} {data!r}: {answer}"
    finally:
        live.close()


@pytest.mark.parametrize("container", ["../../info", "a/b", "", "a?b", "a%2fb", "-x", "a b"])
def test_a_container_name_that_is_a_path_is_refused(admin: Browser, container: str) -> None:
    live = admin.live()
    try:
        assert live.call("subscribe", {"topic": "logs", "id": container})["error"]["status"] == 400
        answer = live.call("terminal.open", {"id": container, "cols": 80, "rows": 24})
        assert answer["error"]["status"] == 400
    finally:
        live.close()


def test_a_topic_without_a_rule_is_refused(admin: Browser) -> None:
    live = admin.live()
    try:
        assert "everything" not in TOPIC_RULES
        assert live.call("subscribe", {"topic": "everything"})["error"]["status"] == 400
        assert live.call("subscribe", {"topic": "containers", "host": "nosuch"})["error"]["status"] == 404
    finally:
        live.close()


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}],
)
def test_a_cookie_from_elsewhere_changes_nothing(admin: Browser, headers: dict[str, str]) -> None:
    assert admin.post("/api/v1/tokens", {"name": "x"}, headers).status_code == 403
    assert admin.post("/engine/local/v1.50/containers/prune", None, headers).status_code == 403
    assert admin.get("/api/v1/tokens").json() == []


def test_a_sign_in_from_elsewhere_is_refused(web: WebProcess, admin: Browser, nobody: Browser) -> None:
    body = {"name": "root", "password": PASSWORD}
    assert nobody.post("/api/v1/session", body, {"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert nobody.post("/api/v1/session", body, {"Origin": "http://evil.example"}).status_code == 403
    assert nobody.post("/api/v1/session", body, {}).status_code == 200  # curl says nothing and has no cookie


def test_setup_is_over_for_good(admin: Browser, web: WebProcess, nobody: Browser) -> None:
    body = {"token": web.setup_token(), "name": "second", "password": PASSWORD}
    assert nobody.post("/api/v1/setup", body).status_code == 409
    assert admin.get("/api/v1/session").json()["setup_required"] is False


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/v1/session", {"name": "root"}, "password"),
        ("/api/v1/session", {"name": 1, "password": "x"}, "name"),
        ("/api/v1/tokens", {"name": "x", "expires_days": 0}, "expires_days"),
        ("/api/v1/tokens", {"name": "x", "surprise": 1}, "surprise"),
        ("/api/v1/operations", {"kind": "rm -rf", "params": {"image": "a"}}, "kind"),
        ("/api/v1/operations", {"kind": "pull", "params": {}}, "params.image"),
    ],
)
def test_a_bad_field_is_named(admin: Browser, path: str, body: dict[str, object], field: str) -> None:
    answer = admin.post(path, body)
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert answer.json()["message"]


def test_errors_have_one_shape(admin: Browser, nobody: Browser) -> None:
    answers = [
        admin.get("/api/v1/nosuch"),
        nobody.get("/api/v1/tokens"),
        admin.post("/api/v1/session", {"name": "nobody", "password": "wrong password"}),
        admin.http.post(admin.url + "/api/v1/tokens", data=b"{broken", headers=OURS, timeout=10),
        admin.http.patch(admin.url + "/api/v1/tokens", headers=OURS, timeout=10),
        admin.http.post(
            admin.url + "/api/v1/tokens",
            data=b"x" * 9_000_000,
            headers=OURS | {"Content-Type": "application/json"},
            timeout=10,
        ),
        admin.get("/engine/local/v1.50/info"),
    ]
    assert [answer.status_code for answer in answers] == [404, 401, 401, 400, 405, 413, 502]
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/json"
        assert set(answer.json()) <= {"message", "field"}


def test_security_headers_are_everywhere(admin: Browser) -> None:
    for path in ("/", "/api/v1/session", "/nosuch.js"):
        headers = admin.get(path).headers
        assert "script-src 'self';" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_the_document_describes_every_route(admin: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    document = admin.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for method, path, endpoint in all_routes(tmp_path_factory):
        if endpoint.split(".")[0] in ("ui", "openapi"):
            continue
        known = {re.sub(r"\{[^}]+\}", "x", name): operations for name, operations in document["paths"].items()}
        assert method.lower() in known.get(path, {}), f"{method} {path} is not in the document"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /engine/local/_ping HTTP/1.0\r\n\r\n",
        b"GET /engine/local/_ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET /engine/local/_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
        b"GET /engine/local/info HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
        b"NONSENSE\r\n\r\n",
    ],
)
def test_ambiguous_heads_are_refused(web: WebProcess, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as client:
        client.sendall(head)
        assert client.recv(4096).startswith(b"HTTP/1.1 400")


def test_refusals_and_changes_are_on_record(admin: Browser, nobody: Browser, web: WebProcess) -> None:
    nobody.post("/engine/local/v1.50/containers/create", {})
    nobody.post("/api/v1/tokens", {"name": "x"})
    rows = audit_rows(web)
    assert ["", "POST", "/containers/create", "denied", 401] in rows
    assert ["", "POST", "/api/v1/tokens", "denied", 401] in rows
    assert any(row[1:3] == ["POST", "/api/v1/setup"] and row[3:] == ["allowed", 201] for row in rows)
    assert PASSWORD not in repr(rows)


def audit_rows(web: WebProcess) -> list[list[object]]:
    connection = sqlite3.connect(web.folder / "data" / "web" / "web.db")
    try:
        return [list(row) for row in connection.execute("SELECT actor, method, path, outcome, status FROM audit")]
    finally:
        connection.close()


def test_it_stops_within_a_second_or_two_whatever_is_open(admin: Browser) -> None:
    process = WebProcess()
    process.start()
    browser = process.set_up()
    live = browser.live()
    live.subscribe("containers")
    try:
        status, took = process.stop()
        assert status == 0
        assert took < 3
    finally:
        live.close()
        browser.close()
        process.destroy()
