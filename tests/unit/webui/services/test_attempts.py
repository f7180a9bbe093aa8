"""Failed sign-ins slow the address down, not the user."""

from __future__ import annotations

import pytest

from webui.errors import TooMany
from webui.services.attempts import Attempts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_eight_failures_for_one_name_stop_this_address_only() -> None:
    attempts = Attempts(Clock())
    for _ in range(8):
        attempts.check("10.0.0.1", "ann")
        attempts.failed("10.0.0.1", "ann")
    with pytest.raises(TooMany) as refused:
        attempts.check("10.0.0.1", "ANN")
    assert 0 < refused.value.retry_after <= 301
    attempts.check("10.0.0.2", "ann")
    attempts.check("10.0.0.1", "bob")


def test_many_names_from_one_address_stop_it_too() -> None:
    attempts = Attempts(Clock())
    for number in range(40):
        attempts.failed("10.0.0.1", f"user{number}")
    with pytest.raises(TooMany):
        attempts.check("10.0.0.1", "another")


def test_time_heals() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(8):
        attempts.failed("10.0.0.1", "ann")
    clock.now += 301
    attempts.check("10.0.0.1", "ann")


def test_success_forgets_the_name() -> None:
    attempts = Attempts(Clock())
    for _ in range(7):
        attempts.failed("10.0.0.1", "ann")
    attempts.succeeded("10.0.0.1", "ann")
    attempts.failed("10.0.0.1", "ann")
    attempts.check("10.0.0.1", "ann")
