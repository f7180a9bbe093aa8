import pytest

from engine.api.wire.status import render_duration, render_status
from engine.containers.model import Health, State, Status
from tests.fakes.containers import SECOND, a_container

NOW = 2_000_000_000 * SECOND


def ago(seconds: float) -> int:
    return NOW - int(seconds * SECOND)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "Less than a second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * 60, "59 minutes"),
        (3600, "About an hour"),
        (3600 * 1.6, "2 hours"),
        (3600 * 47, "47 hours"),
        (3600 * 48, "2 days"),
        (86400 * 13, "13 days"),
        (86400 * 14, "2 weeks"),
        (86400 * 60, "2 months"),
        (86400 * 365 * 2, "2 years"),
    ],
)
def test_durations_are_worded_as_docker_words_them(seconds, words):
    assert render_duration(seconds) == words


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State(), "Created"),
        (State(Status.RUNNING, started_ns=ago(2)), "Up 2 seconds"),
        (State(Status.RUNNING, started_ns=ago(2), health=Health("healthy")), "Up 2 seconds (healthy)"),
        (State(Status.RUNNING, started_ns=ago(2), health=Health()), "Up 2 seconds (health: starting)"),
        (State(Status.PAUSED, started_ns=ago(120)), "Up 2 minutes (Paused)"),
        (State(Status.RESTARTING, started_ns=ago(9), finished_ns=ago(3), exit_code=1), "Restarting (1) 3 seconds ago"),
        (State(Status.EXITED, started_ns=ago(500), finished_ns=ago(180), exit_code=0), "Exited (0) 3 minutes ago"),
        (State(Status.EXITED, exit_code=127), "Created"),
        (State(Status.REMOVING, started_ns=ago(1)), "Removal In Progress"),
        (State(Status.DEAD, started_ns=ago(1)), "Dead"),
        (State(Status.RUNNING, started_ns=ago(-5)), "Up Less than a second"),
    ],
)
def test_a_status_is_worded_as_docker_words_it(state, words):
    assert render_status(a_container(state=state), NOW) == words
