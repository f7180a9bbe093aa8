"""Work done ahead of time: once for many askers, never in their way."""

from __future__ import annotations

import threading

import pytest

from engine.runtime.warmer import Warmer


def test_many_askers_cause_one_run_and_do_not_wait() -> None:
    began, go_on, runs = threading.Event(), threading.Event(), []

    def work() -> None:
        runs.append(threading.current_thread())
        began.set()
        go_on.wait(5)

    warmer = Warmer(work)
    for _ in range(5):
        warmer.warm()
    assert began.wait(5)
    for _ in range(5):
        warmer.warm()
    go_on.set()
    warmer.close()
    assert len(runs) == 1
    assert runs[0] is not threading.current_thread()


def test_failure_is_survived_and_it_is_done_again_later() -> None:
    done = threading.Semaphore(0)

    def work() -> None:
        done.release()
        raise OSError("no such cgroup")

    warmer = Warmer(work)
    warmer.warm()
    assert done.acquire(timeout=5)
    pause = threading.Event()
    for _ in range(100):
        pause.wait(0.005)
        warmer.warm()
        if done.acquire(blocking=False):
            warmer.close()
            return
    raise AssertionError("it was not done a second time")


def test_closed_warmer_does_nothing() -> None:
    warmer = Warmer(lambda: pytest.fail("worked"))
    warmer.close()
    warmer.warm()
    warmer.close()
