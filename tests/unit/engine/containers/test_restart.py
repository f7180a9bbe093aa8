from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.containers import restart
from engine.containers.model import RestartPolicy
from engine.errors import InvalidArgument


@pytest.mark.parametrize(
    ("policy", "code", "restarts", "stopped", "again"),
    [
        (RestartPolicy("no"), 1, 0, False, False),
        (RestartPolicy("always"), 0, 0, False, True),
        (RestartPolicy("always"), 0, 0, True, False),
        (RestartPolicy("unless-stopped"), 0, 9, False, True),
        (RestartPolicy("unless-stopped"), 1, 0, True, False),
        (RestartPolicy("on-failure"), 0, 0, False, False),
        (RestartPolicy("on-failure"), 1, 99, False, True),
        (RestartPolicy("on-failure", 2), 1, 1, False, True),
        (RestartPolicy("on-failure", 2), 1, 2, False, False),
    ],
)
def test_policy_decides_whether_a_container_runs_again(
    policy: RestartPolicy, code: int, restarts: int, stopped: bool, again: bool
) -> None:
    assert restart.wants_restart(policy, code, restarts, stopped_by_user=stopped) is again


@pytest.mark.parametrize(
    ("policy", "code", "was_up", "stopped", "start"),
    [
        ("no", 255, True, False, False),
        ("always", 0, False, True, True),
        ("unless-stopped", 0, True, False, True),
        ("unless-stopped", 0, False, True, False),
        ("on-failure", 255, True, False, True),
        ("on-failure", 1, False, False, False),
    ],
)
def test_policy_decides_what_a_starting_engine_starts(
    policy: str, code: int, was_up: bool, stopped: bool, start: bool
) -> None:
    wanted = restart.wants_start_at_boot(RestartPolicy(policy), code, was_up=was_up, stopped_by_user=stopped)
    assert wanted is start


def test_delays_double_up_to_a_minute() -> None:
    delays = [restart.next_delay(0.0, 0.0)]
    for _ in range(12):
        delays.append(restart.next_delay(delays[-1], 1.0))
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == restart.LONGEST_DELAY


@given(st.floats(0.1, 60.0), st.floats(10.0, 1e6))
def test_a_steady_run_starts_the_back_off_anew(previous: float, ran: float) -> None:
    assert restart.next_delay(previous, ran) == restart.FIRST_DELAY


@pytest.mark.parametrize(
    ("policy", "auto_remove", "text"),
    [
        (RestartPolicy("sometimes"), False, "unknown policy 'sometimes'"),
        (RestartPolicy("always", 3), False, "can only be used with 'on-failure'"),
        (RestartPolicy("on-failure", -1), False, "cannot be negative"),
        (RestartPolicy("always"), True, "can't create 'AutoRemove' container with restart policy"),
    ],
)
def test_contradictory_policies_are_refused(policy: RestartPolicy, auto_remove: bool, text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        restart.check_policy(policy, auto_remove=auto_remove)
