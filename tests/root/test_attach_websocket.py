"""Attaching by websocket, with a client that is not ours (websocket-client)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
import websocket

from tests.support.docker_cli import Docker, eventually
from tests.support.instance import Instance


@contextmanager
def attached(engine: Instance, name: str, query: str, version: str = "v1.50") -> Iterator[websocket.WebSocket]:
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(30)
    stream.connect(str(engine.admin_socket))
    client = websocket.WebSocket()
    client.settimeout(30)
    client.connect(f"ws://localhost/{version}/containers/{name}/attach/ws?{query}", socket=stream)
    try:
        yield client
    finally:
        client.close()


def read_to_end(client: websocket.WebSocket) -> tuple[bytes, set[int]]:
    """Return the payload of every message to the close frame, and the kinds of messages."""
    data, kinds = b"", set()
    while True:
        kind, payload = client.recv_data()
        if kind == websocket.ABNF.OPCODE_CLOSE:
            return data, kinds
        data += payload
        kinds.add(kind)


def read_until(client: websocket.WebSocket, wanted: bytes) -> bytes:
    data = b""
    while wanted not in data:
        data += client.recv_data()[1]
    return data


def test_input_goes_in_and_both_streams_come_out_without_frames(engine: Instance, docker: Docker) -> None:
    name = docker.ok("create", "-i", docker.image, "sh", "-c", "cat; echo err >&2")
    with attached(engine, name, "stream=1&stdin=1&stdout=1&stderr=1") as client:
        docker.ok("start", name)
        client.send_binary(b"hello\n")
        assert read_until(client, b"\n") == b"hello\n"
        client.ping("are you there")
        client.send("text\n")
        assert read_until(client, b"\n") == b"text\n"
    docker.ok("rm", "-f", name)


def test_the_log_comes_first_and_no_line_twice(engine: Instance, docker: Docker) -> None:
    script = "echo before; read x; echo after $x; sleep 0.1; echo wrong >&2; read y"
    name = docker.ok("create", "-i", docker.image, "sh", "-c", script)
    docker.ok("start", name)
    docker.wait_log(name, "before")
    with attached(engine, name, "stream=1&logs=1&stdin=1&stdout=1&stderr=1") as client:
        assert read_until(client, b"\n") == b"before\n"
        client.send_binary(b"go\n")
        assert read_until(client, b"wrong\n") == b"after go\nwrong\n"
        client.send_binary(b"end\n")
        assert read_to_end(client)[0] == b""
    with attached(engine, name, "logs=1&stdout=1&stderr=0") as client:
        assert read_to_end(client) == (b"before\nafter go\n", {websocket.ABNF.OPCODE_BINARY})
    with attached(engine, name, "logs=1", "v1.27") as client:  # all streams, as text
        assert read_to_end(client) == (b"before\nafter go\nwrong\n", {websocket.ABNF.OPCODE_TEXT})
    docker.ok("rm", name)


def test_the_detach_keys_end_the_socket_and_not_the_container(engine: Instance, docker: Docker) -> None:
    name = docker.ok("create", "-it", docker.image, "cat")
    docker.ok("start", name)
    with attached(engine, name, "stream=1&stdin=1&stdout=1&detachKeys=ctrl-x") as client:
        client.send_binary(b"one\n")
        read_until(client, b"one\r\none\r\n")
        client.send_binary(b"\x18")
        read_to_end(client)
    assert docker.inspect(name)["State"]["Running"] is True
    query = f"/v1.50/berth/journal?filters={quote(json.dumps({'container': [name], 'event': ['attach', 'detach']}))}"

    def actions() -> list[str]:
        return [event["Action"] for event in docker.api("GET", query)[1]["events"]]

    eventually(lambda: actions() == ["attach", "detach"])
    docker.ok("rm", "-f", name)


@pytest.mark.parametrize("query", ["stream=1", "stdout=1"])
def test_what_is_no_handshake_or_asks_for_nothing_is_refused(engine: Instance, docker: Docker, query: str) -> None:
    name = docker.ok("create", "-i", docker.image, "cat")
    status, body = docker.api("GET", f"/v1.50/containers/{name}/attach/ws?{query}")
    assert status == 400
    assert "websocket" in body["message"] or "Bad parameters" in body["message"]
