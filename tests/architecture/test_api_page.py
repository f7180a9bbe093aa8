"""docs/api.md is what the engine does: no path is missing, no parameter or field is dropped in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import api_page

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found() -> list[api_page.Operation]:
    return api_page.operations()


def test_every_path_has_an_answer(found: list[api_page.Operation]) -> None:
    assert [f"{o.method} {o.path}" for o in found if o.state == api_page.PROBLEM] == []
    assert len(found) > 100


def test_nothing_is_dropped_in_silence(found: list[api_page.Operation]) -> None:
    dropped = [f"{o.method} {o.path} {row.name}" for o in found for row in o.rows if row.state == api_page.PROBLEM]
    assert dropped == [], "support it, refuse it by name, or say in scripts/api_page.py why it has no meaning"


def test_a_field_is_refused_by_its_name(found: list[api_page.Operation]) -> None:
    for operation in found:
        for row in operation.rows:
            if row.state == api_page.REFUSED and row.words and "ImageOptions" not in row.name:  # by the mount's type
                assert any(part.lower() in row.words.lower() for part in row.name.split(".")), row


def test_every_body_of_the_definition_is_walked(found: list[api_page.Operation]) -> None:
    shapes = api_page.definition()
    streams = {"POST /build", "POST /images/load", "POST /images/create", "PUT /containers/{id}/archive"}
    for operation in found:
        item = shapes["paths"][operation.path][operation.method.lower()]
        name = f"{operation.method} {operation.path}"
        has_body = any(parameter["in"] == "body" for parameter in item["parameters"])
        if has_body and operation.state == api_page.TAKEN and name not in streams:
            assert name in api_page.BODIES, name


def test_the_page_sees_a_dropped_parameter_and_a_dropped_field() -> None:
    def handler(call: object) -> None:
        call.text("read")  # type: ignore[attr-defined]

    assert api_page.read_by(handler) == {"read": api_page.TAKEN}
    body = api_page.Body(lambda fields: fields.text("Kept"), {})
    way = (api_page.Step("Lost"),)
    assert api_page.field_row(body, "POST /x", way, "x").state == api_page.PROBLEM
    assert api_page.field_row(body, "POST /x", (api_page.Step("Kept"),), "x").state == api_page.TAKEN


def test_the_page_is_up_to_date(found: list[api_page.Operation]) -> None:
    assert (REPOSITORY / "docs/api.md").read_text() == api_page.render(found), "run `make docs`"
