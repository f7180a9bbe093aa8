"""The record's rows on their way out: a file, syslog, retention."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from webui.access import Actor, Verb
from webui.audit import Audit, Entry
from webui.models.database import Database, migrate
from webui.services import audit_stream


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    url = f"sqlite:///{tmp_path / 'web.db'}"
    migrate(url)
    database = Database(url)
    yield Audit(database)
    database.close()


def write(audit: Audit) -> None:
    entry = Entry(Actor("u1", "ann\nroot"), Verb.DEPLOY, "POST", "/x\x1b[2J", "::1", action="container.create")
    audit.finish(audit.record(entry, allowed=True), 201, {"a": "b\n"})


def test_a_file_gets_a_line_for_each_row_whatever_the_names_hold(audit: Audit, tmp_path: Path) -> None:
    audit_stream.attach(audit, str(tmp_path / "audit.jsonl"), "")
    write(audit)
    lines = (tmp_path / "audit.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line)["result_of"] for line in lines[:-1]] == [None, 1]
    assert all(32 <= byte < 127 for line in lines for byte in line)


def test_syslog_gets_rfc_5424_and_its_absence_stops_nothing(audit: Audit, tmp_path: Path) -> None:
    path = tmp_path / "log"
    audit_stream.attach(audit, "", f"unix://{path}")
    write(audit)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.settimeout(5)
        write(audit)
        head, _, body = server.recv(65536).partition(b" - audit - ")
    assert head.startswith(b"<85>1 20")
    assert json.loads(body)["action"] == "container.create"
    assert audit.verify() is None


@pytest.mark.parametrize("url", ["udp://", "http://x", "/dev/log", "unix:"])
def test_a_bad_address_is_refused(audit: Audit, url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        audit_stream.attach(audit, "", url)


def test_nothing_expires_unless_it_is_asked_for(audit: Audit) -> None:
    write(audit)
    assert audit_stream.expire(audit, 0) == 0
    assert audit_stream.expire(audit, 30) == 0
