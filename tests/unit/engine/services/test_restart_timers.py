from __future__ import annotations

import queue

import pytest

from engine.containers import restart
from engine.services.restart_timers import RestartTimers


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "FIRST_DELAY", 0.005)


def test_a_container_is_restarted_after_its_delay() -> None:
    fired: queue.Queue[str] = queue.Queue()
    timers = RestartTimers(fired.put)
    timers.schedule("c", 0.0)
    assert fired.get(timeout=5) == "c"


def test_a_cancelled_restart_does_not_come() -> None:
    fired: queue.Queue[str] = queue.Queue()
    timers = RestartTimers(fired.put)
    timers.schedule("c", 0.0)
    timers.cancel("c")
    timers.schedule("d", 0.0)
    assert fired.get(timeout=5) == "d"
    assert fired.empty()


def test_nothing_is_scheduled_after_close() -> None:
    fired: queue.Queue[str] = queue.Queue()
    timers = RestartTimers(fired.put)
    timers.schedule("c", 0.0)
    timers.close()
    timers.schedule("d", 0.0)
    with pytest.raises(queue.Empty):
        fired.get(timeout=0.05)
