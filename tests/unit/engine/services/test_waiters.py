from __future__ import annotations

from engine.services.waiters import Condition, Ended, Waiters


def test_each_condition_is_resolved_by_itself() -> None:
    waiters = Waiters()
    end = waiters.add("c", Condition.NOT_RUNNING)
    gone = waiters.add("c", Condition.REMOVED)
    waiters.resolve("c", Condition.NOT_RUNNING, Ended(3))
    assert end.result(0) == Ended(3)
    assert not gone.done()
    waiters.resolve("c", Condition.REMOVED, Ended(3))
    assert gone.result(0) == Ended(3)


def test_other_containers_waiters_are_left_alone() -> None:
    waiters = Waiters()
    other = waiters.add("other", Condition.NEXT_EXIT)
    waiters.resolve("c", Condition.NEXT_EXIT, Ended(0))
    assert not other.done()


def test_a_forgotten_waiter_is_not_kept() -> None:
    waiters = Waiters()
    future = waiters.add("c", Condition.NEXT_EXIT)
    waiters.forget("c", future)
    assert future.cancelled()
    waiters.resolve("c", Condition.NEXT_EXIT, Ended(0))
    assert waiters._waiting == {}
