"""Searching: a registry's catalog page by page, the filters of `docker search`, clear words where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidArgument, Unavailable
from engine.registry.client import Registries
from engine.registry.search import Found, select
from engine.registry.transport import Transport
from tests.support.registries import OddRegistry

ROWS = [Found("a", stars=3, is_official=True), Found("b", stars=1), Found("c", is_automated=True)]


@pytest.fixture
def server() -> Iterator[OddRegistry]:
    """Return a server without any answer but the one that says it is a registry."""
    made = OddRegistry()
    made.answers["/v2/"] = (200, {}, b"{}")
    yield made
    made.close()


def found(term: str) -> list[str]:
    """Return the names that a search gives."""
    return [row.name for row in Registries(Transport(Path("/nonexistent"), ())).search(term)]


def test_a_catalog_is_read_page_by_page(server: OddRegistry) -> None:
    page = json.dumps({"repositories": ["team/web", "other"]}).encode()
    server.answers["/v2/_catalog"] = (200, {"Link": '</v2/page2?n=1>; rel="next"'}, page)
    server.answers["/v2/page2"] = (200, {}, json.dumps({"repositories": ["webhook"]}).encode())
    assert found(f"{server.address}/web") == [f"{server.address}/team/web", f"{server.address}/webhook"]
    assert found(f"{server.address}/") == [f"{server.address}/{name}" for name in ("team/web", "other", "webhook")]


def test_a_registry_without_a_catalog_says_so(server: OddRegistry) -> None:
    with pytest.raises(Unavailable, match="has no catalog to search in"):
        found(f"{server.address}/web")


@pytest.mark.parametrize("answer", [b"[]", b"nonsense", b'{"repositories": 5}'])
def test_an_answer_that_is_no_catalog(server: OddRegistry, answer: bytes) -> None:
    server.answers["/v2/_catalog"] = (200, {}, answer)
    with pytest.raises(Unavailable, match="can't be read"):
        found(f"{server.address}/web")


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, "abc"), ({"stars": ("2",)}, "a"), ({"is-official": ("true",)}, "a"), ({"is-official": ("0",)}, "bc"),
        ({"is-automated": ("1",)}, "c"), ({"stars": ("1",), "is-official": ("false",)}, "b"),
    ],
)  # fmt: skip
def test_filters(filters: dict[str, tuple[str, ...]], names: str) -> None:
    assert "".join(row.name for row in select(ROWS, filters, 25)) == names


def test_a_limit_and_what_is_no_filter() -> None:
    assert len(select(ROWS, {}, 2)) == 2
    for filters in ({"color": ("red",)}, {"stars": ("many",)}, {"is-official": ("maybe",)}):
        with pytest.raises(InvalidArgument, match="invalid filter"):
            select(ROWS, filters, 25)
