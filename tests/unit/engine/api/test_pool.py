import threading
import time

from engine.api.pool import Pool


def test_each_job_has_a_thread_while_it_lasts():
    pool = Pool("t")
    gate, running = threading.Event(), threading.Semaphore(0)

    def job() -> None:
        running.release()
        gate.wait(5)

    for _ in range(20):
        pool.submit(job)
    for _ in range(20):
        assert running.acquire(timeout=5)
    assert pool.size == 20
    gate.set()
    pool.close(5)
    assert pool.size == 0


def test_an_idle_thread_takes_the_next_job_and_ends_after_a_while():
    pool = Pool("t", idle_seconds=0.02)
    names = []
    for _ in range(3):
        done = threading.Event()
        pool.submit(lambda done=done: (names.append(threading.current_thread().name), done.set()))
        assert done.wait(5)
        time.sleep(0.002)
    deadline = time.monotonic() + 5
    while pool.size and time.monotonic() < deadline:
        time.sleep(0.005)
    assert pool.size == 0
    assert len(set(names)) < 3
    pool.close(1)


def test_above_the_limit_jobs_wait():
    pool = Pool("t", limit=1)
    gate, done = threading.Event(), threading.Event()
    pool.submit(lambda: gate.wait(5))
    pool.submit(done.set)
    assert pool.size == 1
    assert not done.is_set()
    gate.set()
    assert done.wait(5)
    pool.close(5)


def test_a_failing_job_does_not_take_the_thread_with_it(caplog):
    pool = Pool("t", limit=1)
    done = threading.Event()
    pool.submit(lambda: 1 / 0)
    pool.submit(done.set)
    assert done.wait(5)
    assert "ZeroDivisionError" in caplog.text
    pool.close(5)
