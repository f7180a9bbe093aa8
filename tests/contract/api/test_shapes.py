"""The validator itself: it must see what is wrong, or nothing that it passes means anything."""

import json

import pytest

from tests.contract.api import shapes

PING = "/_ping"


def found(method, path, status, value):
    return shapes.problems(method, path, status, json.dumps(value).encode())


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1.41/containers/json", "/containers/json"),
        ("/containers/abc/json", "/containers/{id}/json"),
        ("/images/reg:5000/a/b:1/json", "/images/{name}/json"),
        ("/images/json", "/images/json"),
        ("/networks/x/connect", "/networks/{id}/connect"),
        ("/berth/journal", None),
    ],
)
def test_a_path_finds_its_template(path, template):
    assert shapes.template_of(path) == template


@pytest.mark.parametrize(
    ("method", "path", "status", "value", "problem"),
    [
        ("POST", "/containers/create", 201, {"Id": "a"}, "Warnings is missing"),
        ("POST", "/containers/create", 201, {"Id": 1, "Warnings": []}, ".Id: int, expected string"),
        ("POST", "/containers/create", 201, {"Id": None, "Warnings": []}, ".Id: null, expected string"),
        ("POST", "/containers/create", 201, {"Id": "a", "Warnings": [1]}, ".Warnings[0]: int, expected string"),
        ("POST", "/containers/create", 201, {"Id": "a", "Warnings": [], "X": 1}, ".X: not in the definition"),
        ("POST", "/containers/create", 202, {}, "the definition has no such answer"),
        ("GET", "/containers/json", 200, [{"State": "sleeping"}], "[0].State: 'sleeping' is none of"),
        ("GET", "/containers/json", 200, [{"Created": True}], "[0].Created: bool, expected integer"),
        ("GET", "/containers/json", 200, [{"Labels": {"a": 1}}], "[0].Labels.a: int, expected string"),
        ("GET", "/containers/json", 400, {"error": "x"}, "message is missing"),
        ("GET", "/containers/json", 418, {"error": "x"}, "message is missing"),
    ],
)
def test_what_is_wrong_is_found(method, path, status, value, problem):
    assert any(problem in line for line in found(method, path, status, value))


def test_what_is_no_json_is_found():
    assert shapes.problems("GET", "/info", 200, b"{") == ["GET /info 200: not JSON: b'{'"]


@pytest.mark.parametrize(
    ("method", "path", "status", "value"),
    [
        ("POST", "/containers/create", 201, {"Id": "a", "Warnings": None}),
        ("GET", "/containers/json", 200, [{"Id": "a", "Ports": None, "Labels": {"a": "b"}, "berthActor": "ann"}]),
        ("GET", "/containers/json", 418, {"message": "teapot"}),
        ("GET", "/berth/journal", 200, {"anything": 1}),
    ],
)
def test_what_is_right_passes(method, path, status, value):
    assert found(method, path, status, value) == []


def test_a_stream_is_checked_line_by_line():
    lines = b'{"Type":"container","Action":"die"}\n{"Type":"cat"}\n'
    assert len(shapes.problems("GET", "/events", 200, lines)) == 1


def test_no_content_has_no_body():
    assert shapes.problems("POST", "/containers/a/start", 204, b"") == []
    assert shapes.problems("POST", "/containers/a/start", 204, b"x")
