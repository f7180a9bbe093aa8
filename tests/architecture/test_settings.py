"""The settings table, its page and the value that it becomes agree."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from config import settings

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_row_is_described() -> None:
    for row in settings.ROWS:
        assert row.env.startswith("BERTH_"), row
        assert len(row.help) > 10, row
        assert row.help.endswith("."), row


def test_every_row_is_a_field_and_every_field_a_row() -> None:
    fields = [field.name for field in dataclasses.fields(settings.Settings)]
    assert fields == [row.key for row in settings.ROWS]


def test_the_page_is_the_table() -> None:
    page = (REPOSITORY / "docs/settings.md").read_text()
    assert page == settings.describe(), "run `make docs`"


def test_defaults_parse() -> None:
    assert settings.load({}).web_bind == "127.0.0.1:8080"
