"""How long a registry asks to be left alone."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from engine.registry.errors import WAIT_LIMIT, parse_wait


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0", 0), ("", 0), ("soon", 0), ("-3", 0), ("99999", WAIT_LIMIT)]
)
def test_seconds(header: str, seconds: float) -> None:
    assert parse_wait(header) == seconds


def test_a_date() -> None:
    assert 5 < parse_wait(formatdate(time.time() + 12, usegmt=True)) <= 12
    assert parse_wait(formatdate(time.time() - 100, usegmt=True)) == 0
