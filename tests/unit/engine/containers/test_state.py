from __future__ import annotations

import pytest

from engine.containers import state
from engine.containers.model import Status
from engine.errors import Conflict, NotModified
from tests.fakes.make import a_container


def test_start_of_a_running_container_is_not_modified() -> None:
    with pytest.raises(NotModified):
        state.check_start(a_container(status=Status.RUNNING))


@pytest.mark.parametrize("status", [Status.CREATED, Status.EXITED, Status.RESTARTING])
def test_a_container_that_does_not_run_can_be_started(status: Status) -> None:
    state.check_start(a_container(status=status))


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (Status.RUNNING, "stop the container before removing or force remove"),
        (Status.PAUSED, "must be unpaused first"),
        (Status.RESTARTING, "container is restarting"),
    ],
)
def test_remove_without_force_refuses_with_dockers_text(status: Status, text: str) -> None:
    container = a_container(status=status)
    with pytest.raises(Conflict, match=text):
        state.check_remove(container, force=False)
    state.check_remove(container, force=True)


def test_pause_needs_a_running_container_and_unpause_a_paused_one() -> None:
    state.check_pause(a_container(status=Status.RUNNING))
    state.check_unpause(a_container(status=Status.PAUSED))
    for check, status in [
        (state.check_pause, Status.PAUSED),
        (state.check_pause, Status.EXITED),
        (state.check_unpause, Status.RUNNING),
    ]:
        with pytest.raises(Conflict):
            check(a_container(status=status))
