"""The relay that checks answers: it changes nothing, and sees a wrong answer among right ones."""

import pytest

from engine.api.router import Reply, Route
from tests.fakes.wire import Client, served
from tests.support.witness import watching

CREATED = {"Id": "a", "Warnings": []}


def hijack(call):
    pipe = call.hijack()
    pipe.sendall(pipe.recv())
    return Reply.hijacked()


def routes(created=CREATED):
    return [
        Route("POST", "/containers/create", lambda call: Reply.json(created if call.json() else CREATED, 201)),
        Route("POST", "/containers/{id}/start", lambda call: Reply.empty()),
        Route("GET", "/events", lambda call: Reply.stream(iter([b'{"Type":"container"}\n'] * 3), "application/json")),
        Route("POST", "/containers/{id}/attach", hijack),
    ]


def test_answers_come_through_and_are_checked(tmp_path):
    with served(routes()) as engine, watching(tmp_path / "w", engine) as witness:
        with Client(witness.path) as client:
            assert client.ask("POST", "/v1.41/containers/create?name=x", b'{"Image":"a"}')[0] == 201
            assert client.ask("POST", "/containers/a/start")[0] == 204
            assert len(client.ask("GET", "/events")[2].splitlines()) == 3
            assert client.ask("GET", "/containers/nope/json")[0] == 404
        with Client(witness.path) as client:
            client.send(b"POST /containers/a/attach HTTP/1.1\r\nHost: d\r\n\r\nhello")
            assert client.head()[0] == 200
            assert client.file.read() == b"hello"
    assert witness.seen == {
        "POST /containers/create",
        "POST /containers/{id}/start",
        "GET /events",
        "GET /containers/{id}/json",
    }


def watch_a_wrong_answer(folder):
    with served(routes({"Id": 1, "Warnings": []})) as engine, watching(folder / "w", engine) as witness:
        with Client(witness.path) as client:
            client.ask("POST", "/containers/create")
            client.ask("POST", "/containers/create", b'{"Image":"a"}')


def test_a_wrong_answer_is_told(tmp_path):
    with pytest.raises(AssertionError, match=r"POST /containers/create 201: \.Id: int, expected string"):
        watch_a_wrong_answer(tmp_path)
