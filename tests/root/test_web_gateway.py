"""The guarded Engine API on a real engine: the docker CLI, docker-py and browsers through the gateway."""

from __future__ import annotations

import base64
import json
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker as docker_py
import pytest

from config.contract import HEADER_ACTOR, HEADER_GRANTS, HEADER_NAMESPACE
from tests.root.web_fixtures import Site, site  # noqa: F401 - a fixture
from tests.support.docker_cli import Docker, eventually
from tests.support.web import OURS, Browser


@pytest.fixture(scope="module")
def cli(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Docker:  # noqa: F811
    return site.cli(site.admin.token(), tmp_path_factory.mktemp("config"))


@pytest.fixture
def container(site: Site) -> Iterator[str]:  # noqa: F811
    made = site.docker.running(script="i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done")
    yield made
    site.docker("rm", "-f", made)


def test_the_cli_negotiates_lists_and_inspects(cli: Docker, container: str) -> None:
    assert "Server:" in cli.ok("version")
    assert container[:12] in cli.ok("ps", "-q")
    assert cli.inspect(container)["Id"] == container


def test_input_reaches_a_container_and_its_answer_comes_back_after_the_end_of_input(cli: Docker) -> None:
    assert cli.ok("run", "--rm", "-i", cli.image, "cat", stdin="hi\n") == "hi"
    assert cli.ok("run", "--rm", "-i", cli.image, "sh", "-c", "cat >/dev/null; echo late", stdin="x") == "late"


def test_twenty_megabytes_go_in_and_out(cli: Docker) -> None:
    assert cli.ok("run", "--rm", "-i", cli.image, "wc", "-c", stdin=b"\0" * 20_000_000) == "20000000"
    out = cli.ok("run", "--rm", cli.image, "sh", "-c", "yes 0123456789 | head -n 1000000")
    assert len(out) == 11_000_000 - 1


def test_exit_codes_pass(cli: Docker, container: str) -> None:
    assert cli("run", "--rm", cli.image, "sh", "-c", "exit 7").code == 7
    assert cli("exec", container, "sh", "-c", "exit 5").code == 5


def test_exec_with_input_and_with_a_terminal(cli: Docker, container: str) -> None:
    assert cli.ok("exec", "-i", container, "cat", stdin="into exec") == "into exec"
    with cli.terminal("exec", "-it", container, "sh", rows=33, columns=99) as terminal:
        terminal.type("sleep 1; stty size\r")  # the CLI tells the size after the start
        terminal.expect("33 99")
        terminal.type("exit 4\r")
        assert terminal.wait() == 4


def test_logs_follow(cli: Docker, container: str) -> None:
    with cli.spawn("logs", "-f", "--tail", "1", container) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(5)]
    assert all(line.startswith(b"line ") for line in lines)


def test_files_go_in_and_out(cli: Docker, container: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(os.urandom(300_000))
    cli.ok("cp", tmp_path / "in", f"{container}:/tmp/file")
    cli.ok("cp", f"{container}:/tmp/file", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_an_image_is_saved_and_loaded(cli: Docker, tmp_path: Path) -> None:
    cli.ok("save", "-o", tmp_path / "image.tar", cli.image)
    assert (tmp_path / "image.tar").stat().st_size > 100_000
    assert "Loaded image" in cli.ok("load", "-i", tmp_path / "image.tar")


def test_docker_py_works_with_a_token(cli: Docker, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", cli.environ()["DOCKER_CONFIG"])  # its HttpHeaders hold the token
    client = docker_py.DockerClient(base_url=cli.host, version="auto")
    try:
        found = client.containers.get(container)
        assert found.status == "running"
        assert found.exec_run(["echo", "from docker-py"]).output == b"from docker-py\n"
    finally:
        client.close()


def test_a_wrong_token_is_explained_by_the_cli(site: Site, tmp_path: Path) -> None:  # noqa: F811
    stranger = site.cli("berth_wrong", tmp_path / "config")
    assert "sign in first" in stranger.fails("ps")


def test_a_client_that_goes_away_ends_its_upstream(site: Site, cli: Docker, container: str) -> None:  # noqa: F811
    before = site.tap.connections
    quiet = site.docker.running()
    with cli.spawn("logs", "-f", quiet), cli.spawn("events"):
        eventually(lambda: site.tap.connections >= before + 2, 5, "two streams")
    eventually(lambda: site.tap.connections <= before, 5, "their end")


def raw(site: Site, head: bytes) -> bytes:  # noqa: F811
    with socket.create_connection(("127.0.0.1", site.web.port), timeout=10) as client:
        client.sendall(head)
        answer = b""
        while data := client.recv(65536):
            answer += data
    return answer


def test_identity_headers_are_ours_and_a_clients_are_dropped(site: Site) -> None:  # noqa: F811
    token = site.admin.token()
    head = (
        f"GET /engine/local/info?x=spoof HTTP/1.1\r\nHost: berth\r\nAuthorization: Bearer {token}\r\n"
        "Berth-Namespace: other\r\nBERTH-ACTOR: evil\r\nberth-grants: everything\r\nBerth_Namespace: other\r\n"
        "X-Forwarded-For: 1.2.3.4\r\nCookie: a=b\r\nConnection: close\r\n\r\n"
    )
    assert raw(site, head.encode()).startswith(b"HTTP/1.1 200")
    seen = site.tap.last("x=spoof").split("\r\n")
    named = sorted(line for line in seen if line.lower().startswith("berth"))
    assert f"{HEADER_NAMESPACE}: default" in named
    assert f"{HEADER_ACTOR}: root" in named
    assert f"{HEADER_GRANTS}: *" in named
    assert len(named) == 4  # and the request's id
    assert not any(word in "\n".join(seen) for word in ("other", "evil", "Authorization", "Cookie", "X-Forwarded"))
    assert "Connection: close" in seen


def test_the_token_is_in_no_log_and_no_record(site: Site, cli: Docker) -> None:  # noqa: F811
    config = json.loads((Path(cli.environ()["DOCKER_CONFIG"]) / "config.json").read_text())
    token = config["HttpHeaders"]["Authorization"].split()[1]
    cli.ok("ps")
    assert token not in site.web.output
    stored = b"".join(path.read_bytes() for path in (site.web.folder / "data" / "web").iterdir())
    assert token.encode() not in stored


def test_a_container_s_output_is_never_a_page_of_ours(site: Site) -> None:  # noqa: F811
    made = site.docker.ok("run", "-d", "-t", site.docker.image, "echo", "<script>alert(1)</script>")
    site.docker.ok("wait", made)
    answer = site.admin.get(f"/engine/local/containers/{made}/logs?stdout=1")
    assert "<script>" in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert "html" not in answer.headers["Content-Type"]


def test_a_browser_keeps_its_connection(site: Site) -> None:  # noqa: F811
    browser = Browser(site.web.url)
    browser.http.cookies.update(site.admin.http.cookies)
    for _ in range(3):
        answer = browser.get("/engine/local/containers/json")
        assert answer.headers.get("Connection", "keep-alive") != "close"
    assert browser.post("/engine/local/v1.50/networks/prune").status_code == 200  # a newer version than dockerd's
    browser.close()


def test_a_request_after_another_on_one_connection_is_told_apart(site: Site) -> None:  # noqa: F811
    token = site.admin.token()
    one = f"GET /engine/local/_ping HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\n\r\n"
    last = one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    assert raw(site, (one + one + last).encode()).count(b"HTTP/1.1 200") == 3


def test_a_removed_token_ends_its_streams_within_two_seconds(site: Site, tmp_path: Path, container: str) -> None:  # noqa: F811
    browser = site.browser()
    made = browser.post("/api/v1/tokens", {"name": "short", "expires_days": 1}).json()
    cli = site.cli(made["secret"], tmp_path / "config")
    with cli.spawn("logs", "-f", container) as process:
        assert process.stdout
        assert process.stdout.readline()
        began = time.monotonic()
        assert browser.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
        process.wait(5)
        assert time.monotonic() - began < 2
    assert cli("ps").code == 1
    browser.close()


def test_changes_are_on_record_with_who_and_what_became_of_it(site: Site, cli: Docker) -> None:  # noqa: F811
    made = cli.ok("create", cli.image, "true")
    cli.ok("rm", made)
    connection = sqlite3.connect(site.web.folder / "data" / "web" / "web.db")
    rows = connection.execute("SELECT actor, via, method, path, outcome, status FROM audit").fetchall()
    connection.close()
    assert ("root", "token", "POST", "/containers/create", "allowed", 201) in rows
    assert ("root", "token", "DELETE", f"/containers/{made}", "allowed", 204) in rows


def test_many_clients_at_once(site: Site) -> None:  # noqa: F811
    token, failed = site.admin.token(), []

    def work() -> None:
        browser = Browser(site.web.url)
        for _ in range(10):
            answer = browser.get("/engine/local/containers/json?all=1", Authorization=f"Bearer {token}")
            if answer.status_code != 200:
                failed.append(answer.text)
        browser.close()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_registry_credentials_pass(site: Site) -> None:  # noqa: F811
    auth = base64.urlsafe_b64encode(json.dumps({"username": "u", "password": "p"}).encode()).decode()
    answer = site.admin.post("/engine/local/images/nosuch-image/push", None, {**OURS, "X-Registry-Auth": auth})
    assert answer.status_code in (200, 400, 404, 501)
    assert f"X-Registry-Auth: {auth}" in site.tap.last("nosuch-image/push")
