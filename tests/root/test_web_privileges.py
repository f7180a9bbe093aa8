"""The web tier after root is dropped: who it is, what it can not reach, and that it needs no code any more."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.instance import Instance
from tests.support.web import REPOSITORY, Browser, WebProcess

USER = "berth"
# Says which modules are imported by a process that is no longer root: their files may be unreadable then.
WATCHED = f"""
from gevent import monkey
monkey.patch_all()
import os, sys
sys.path.insert(0, {str(REPOSITORY)!r})
def tell(event, arguments):
    if event == "import" and os.getuid() != 0:
        os.write(1, f"LATE IMPORT {{arguments[0]}}\\n".encode())
    if event == "open" and os.getuid() != 0 and str(arguments[0]).endswith((".py", ".so", ".pyc")):
        os.write(1, f"LATE READ {{arguments[0]}}\\n".encode())
sys.addaudithook(tell)
from config import settings
from webui import cli
sys.exit(cli.run(settings.load()))
"""


@pytest.fixture
def web() -> Iterator[WebProcess]:
    process = WebProcess(BERTH_WEB_USER=USER)
    yield process
    process.destroy()


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_it_is_the_user_for_good_and_without_capabilities(web: WebProcess) -> None:
    web.start()
    assert web.process
    seen, entry = status(web.process.pid), pwd.getpwnam(USER)
    assert seen["Uid"].split() == [str(entry.pw_uid)] * 4
    assert seen["Gid"].split() == [str(entry.pw_gid)] * 4
    assert set(seen["Groups"].split()) == {str(gid) for gid in os.getgrouplist(USER, entry.pw_gid)}
    assert (seen["CapEff"], seen["CapPrm"], seen["CapAmb"]) == ("0" * 16,) * 3
    database = web.folder / "data" / "web" / "web.db"
    assert (database.stat().st_uid, database.stat().st_mode & 0o077) == (entry.pw_uid, 0)
    assert (database.parent.stat().st_uid, database.parent.stat().st_mode & 0o077) == (entry.pw_uid, 0)


def test_everything_works_without_loading_code_later(web: WebProcess) -> None:
    web.start([sys.executable, "-u", "-c", WATCHED])
    browser = web.set_up()
    try:
        exercise(browser)
    finally:
        browser.close()
    assert web.stop()[0] == 0
    assert "Traceback" not in web.output
    assert "LATE" not in web.output, web.output


def exercise(browser: Browser) -> None:
    assert browser.sign_in().status_code == 200
    assert browser.post("/api/v1/session", {"name": "root", "password": "wrong password"}).status_code == 401
    token = browser.token()
    assert browser.get("/engine/local/info", Authorization=f"Bearer {token}").status_code == 502
    for path in ("/api/v1/openapi.json", "/api/v1/hosts", "/api/v1/sessions", "/api/v1/operations"):
        assert browser.get(path).status_code == 200
    assert browser.get("/").status_code in (200, 503)
    assert browser.get("/api/v1/nosuch").status_code == 404
    assert browser.post("/api/v1/tokens", {"nonsense": 1}).status_code == 400
    body = {"kind": "pull", "host": "local", "params": {"image": "a"}}
    assert browser.post("/api/v1/operations", body).status_code == 202
    live = browser.live()
    for topic in ("containers", "images", "events", "usage", "operations"):
        live.subscribe(topic)
    assert "error" in live.call("terminal.open", {"id": "x", "cols": 80, "rows": 24})
    live.close()
    assert browser.delete("/api/v1/session").status_code == 204


def test_an_unknown_user_is_explained(web: WebProcess) -> None:
    web.settings["BERTH_WEB_USER"] = "nosuchuser"
    environ = {**os.environ, **web.settings}
    argv = [sys.executable, str(REPOSITORY / "app.py"), "web"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "no user 'nosuchuser'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_explained(web: WebProcess) -> None:
    with socket.create_server(("127.0.0.1", web.port)):
        argv = [sys.executable, str(REPOSITORY / "app.py"), "web"]
        environ = {**os.environ, **web.settings}
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def as_user(code: str) -> subprocess.CompletedProcess[str]:
    """Run code as the web tier's user; a process that is root drops it first, as Python may not be readable later."""
    entry = pwd.getpwnam(USER)
    become = (
        f"import os, socket; os.setgroups({os.getgrouplist(USER, entry.pw_gid)}); "
        f"os.setresgid(*[{entry.pw_gid}] * 3); os.setresuid(*[{entry.pw_uid}] * 3)"
    )
    argv = [sys.executable, "-I", "-c", f"{become}\n{code}"]
    return subprocess.run(argv, cwd="/", capture_output=True, text=True, timeout=20, check=False)


def test_the_user_reaches_the_web_socket_and_nothing_else_of_the_engine(engine: Instance) -> None:
    connect = "s = socket.socket(socket.AF_UNIX); s.connect({!r}); print('connected')"
    assert as_user(connect.format(str(engine.web_socket))).stdout == "connected\n"
    assert "PermissionError" in as_user(connect.format(str(engine.admin_socket))).stderr
    inside = engine.data_root / "engine"
    assert inside.is_dir()
    assert "PermissionError" in as_user(f"print(os.listdir({str(inside)!r}))").stderr


def test_a_web_tier_of_that_user_drives_the_engine(engine: Instance) -> None:
    web = WebProcess(engine_socket=engine.web_socket, BERTH_WEB_USER=USER)
    web.start()
    browser = web.set_up()
    try:
        web.healthy(browser)
        host = browser.get("/api/v1/hosts").json()[0]
        assert host["kind"] == "berth"
        assert browser.get("/engine/local/v1.50/containers/json?all=1").status_code == 200
    finally:
        browser.close()
        web.destroy()
