"""Logs that outlive their containers: kept byte for byte, found again, followed across rotation and removal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.docker_cli import Docker, UnixConnection, eventually


@contextmanager
def opened(docker: Docker, path: str, namespace: str = "default", **query: Any) -> Iterator[HTTPResponse]:
    """Ask for something below /berth/logs."""
    connection = UnixConnection(docker.host.removeprefix("unix://"), 60)
    try:
        target = f"/v1.50/berth/logs{path}?{urlencode(query, doseq=True)}"
        connection.request("GET", target, headers={"Berth-Namespace": namespace})
        yield connection.getresponse()
    finally:
        connection.close()


def read(docker: Docker, path: str, namespace: str = "default", **query: Any) -> bytes:
    """Return a whole answer."""
    with opened(docker, path, namespace, **query) as response:
        body = response.read()
        assert response.status == 200, body
        return body


def source(docker: Docker, reference: str) -> dict[str, Any]:
    """Return a source."""
    found: list[dict[str, Any]] = json.loads(read(docker, "", id=reference))["sources"]
    assert len(found) == 1
    return found[0]


def hits(docker: Docker, **query: Any) -> list[dict[str, Any]]:
    """Search to the end; every answer ends with an `end` record."""
    records = [json.loads(line) for line in read(docker, "/search", **query).splitlines()]
    assert records[-1]["end"]["hits"] == sum(len(record.get("hits", ())) for record in records)
    return [hit for record in records for hit in record.get("hits", ())]


def archived(docker: Docker, reference: str) -> dict[str, Any]:
    """Wait until a removed container's log is compressed."""
    eventually(lambda: source(docker, reference)["lines"] is not None, 30, "the archived log")
    found = source(docker, reference)
    assert found["state"] == "archived"
    return found


_ODD = r"""
printf 'one\n\n\033[31mred\033[0m\r\nb\001\377n\n'
head -c 300000 /dev/zero | tr '\0' x
printf '\nno end'
"""


def test_a_removed_container_s_log_is_kept_byte_for_byte_and_found(docker: Docker) -> None:
    """Long lines, binary, an unfinished end, both streams; by name, label, level and pattern; gone for other teams."""
    name = docker.name()
    labels = ("--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web")
    script = f"{_ODD} echo 'ERROR: it broke' >&2"
    cid = docker.ok("run", "-d", "--name", name, *labels, docker.image, "sh", "-c", script)
    docker.ok("wait", cid)
    before = {stream: read(docker, "/export", id=cid, stream=stream, timestamps=0) for stream in ("stdout", "stderr")}
    page = read(docker, "/lines", id=cid)
    docker.ok("rm", cid)
    immediately = read(docker, "/export", id=cid, stream="stdout", timestamps=0)
    found = archived(docker, cid)
    expected = b"one\n\n\x1b[31mred\x1b[0m\r\nb\x01\xffn\n" + b"x" * 300_000 + b"\nno end\n"
    assert before["stdout"] == immediately == expected
    assert {s: read(docker, "/export", id=cid, stream=s, timestamps=0) for s in before} == before
    assert json.loads(read(docker, "/lines", id=cid)) == json.loads(page)
    assert (found["name"], found["project"], found["service"], found["lines"]) == (name, "shop", "web", 7)
    assert found["levels"] == {"": 6, "error": 1}
    assert [h["text"] for h in hits(docker, project="shop", name=f"{name[:-1]}?", level="error")] == ["ERROR: it broke"]
    assert [h["matches"] for h in hits(docker, id=cid, q="IT br", case="ignore")] == [[[7, 12]]]
    assert [h["text"] for h in hits(docker, id=cid, q="^n. [en]+d$", mode="regex")] == ["no end"]
    assert hits(docker, id=cid, namespace="other") == []
    with opened(docker, f"/stream?id={cid}", "other") as response:
        assert response.status == 404


def test_the_log_of_a_container_that_removes_itself_is_kept(docker: Docker) -> None:
    name = docker.name()
    docker.ok("run", "--rm", "--name", name, docker.image, "sh", "-c", "echo only once")
    eventually(lambda: [h["text"] for h in hits(docker, name=name)] == ["only once"], 20, "the log of --rm")
    context = json.loads(
        read(docker, "/context", id=hits(docker, name=name)[0]["source"], cursor=hits(docker, name=name)[0]["cursor"])
    )
    assert (context["index"], context["begin"], context["end"]) == (0, True, True)


class Reader:
    """Reads /berth/logs/stream as the web tier does: blocks, a position after each."""

    def __init__(self, docker: Docker, cid: str) -> None:
        self._docker = docker
        self._cid = cid
        self.position = 0
        self.numbers: list[int] = []
        self.skipped = 0

    def read(self, blocks: int) -> None:
        """Go on after the position for some blocks, or to the end."""
        with opened(self._docker, "/stream", id=self._cid, after=self.position, follow=1) as response:
            assert response.status == 200
            for _ in range(blocks):
                head = response.readline()
                if not head:
                    return
                block = json.loads(head)
                lines = response.read(block["bytes"]).split(b"\n")
                assert len(lines) == block["lines"] + 1
                self.numbers += [int(line.split(b" ")[1]) for line in lines[:-1]]
                self.position = block["position"]
                self.skipped += block.get("skipped", 0)


def test_a_stream_goes_on_at_its_position_through_rotation_and_removal(docker: Docker) -> None:
    """Broken off again and again, it gives every line once."""
    count = 60_000
    options = ("--log-opt", "max-size=300k", "--log-opt", "max-file=100")
    # Three bursts: the reader is in the midst of each of them once.
    script = f"for part in 0 1 2; do seq $((part * {count}/3 + 1)) $(((part + 1) * {count}/3)); sleep 0.3; done"
    cid = docker.ok("run", "-d", *options, docker.image, "sh", "-c", script)
    reader = Reader(docker, cid)
    for _ in range(6):
        reader.read(1)
    docker.ok("wait", cid)
    reader.read(1)
    docker.ok("rm", cid)
    reader.read(1)
    archived(docker, cid)
    reader.read(1 << 30)
    assert reader.numbers == list(range(1, count + 1))
    assert reader.skipped == 0


@pytest.mark.parametrize("files", [100, 2])
def test_rotation_under_a_flood_splits_and_loses_nothing_that_it_keeps(docker: Docker, files: int) -> None:
    """As fast as a container can write; where files are dropped, a late reader is told how many lines are gone."""
    count = 1_000_000
    options = ("--log-opt", "max-size=5m", "--log-opt", f"max-file={files}")
    # A file may grow past its size by what is written until the engine has turned it.
    parts = f"$(seq 0 {count // 10} {count - 1})"
    script = f"for part in {parts}; do seq $((part + 1)) $((part + {count // 10})); sleep 0.1; done"
    cid = docker.ok("run", "-d", *options, docker.image, "sh", "-c", script)
    docker.ok("wait", cid, timeout=120)
    reader = Reader(docker, cid)
    reader.read(1 << 30)
    first = reader.numbers[0]
    assert reader.numbers == list(range(first, count + 1))
    assert reader.skipped == pytest.approx(first - 1, abs=1), "one line may have lost its head in a dropped file"
    assert (first == 1) == (files == 100)
    plain = docker("logs", cid, timeout=60).out
    assert plain == "".join(f"{n}\n" for n in reader.numbers)
