from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.containers import health
from engine.containers.model import Config, Health, HealthResult
from engine.values import HealthConfig

SECOND = 1_000_000_000


def result(code: int) -> HealthResult:
    return HealthResult(1, 2, code, "")


@pytest.mark.parametrize(
    ("test", "argv"),
    [
        ((), ()),
        (("NONE",), ()),
        (("CMD", "wget", "-q"), ("wget", "-q")),
        (("CMD-SHELL", "exit 1"), ("/bin/sh", "-c", "exit 1")),
    ],
)
def test_command_line_of_a_check(test: tuple[str, ...], argv: tuple[str, ...]) -> None:
    assert health.check_argv(Config(healthcheck=HealthConfig(test=test))) == argv


def test_unhealthy_after_the_retries_and_healthy_after_one_success() -> None:
    config = HealthConfig(test=("CMD", "x"), retries=2)
    state = health.judge(config, Health(), result(1), 0)
    assert (state.status, state.failing_streak) == ("starting", 1)
    state = health.judge(config, state, result(1), 0)
    assert (state.status, state.failing_streak) == ("unhealthy", 2)
    state = health.judge(config, state, result(0), 0)
    assert (state.status, state.failing_streak) == ("healthy", 0)


def test_failures_in_the_start_period_do_not_count_until_the_first_success() -> None:
    config = HealthConfig(test=("CMD", "x"), retries=1, start_period=10 * SECOND)
    state = health.judge(config, Health(), result(1), 5 * SECOND)
    assert (state.status, state.failing_streak) == ("starting", 0)
    state = health.judge(config, state, result(0), 6 * SECOND)
    assert health.judge(config, state, result(1), 7 * SECOND).status == "unhealthy"


def test_checks_come_quicker_in_the_start_period() -> None:
    config = HealthConfig(test=("CMD", "x"), interval=60 * SECOND, start_period=10 * SECOND, start_interval=SECOND)
    assert health.delay_seconds(config, Health(), 0) == 1.0
    assert health.delay_seconds(config, Health(), 11 * SECOND) == 60.0
    assert health.delay_seconds(config, Health("healthy"), 0) == 60.0


@given(st.lists(st.integers(-1, 3), max_size=20))
def test_the_log_holds_the_last_five_results_in_order(codes: list[int]) -> None:
    state = Health()
    for code in codes:
        state = health.judge(HealthConfig(test=("CMD", "x")), state, result(code), 0)
    assert [entry.exit_code for entry in state.log] == codes[-5:]
    assert state.failing_streak == 0 or codes[-1] != 0
