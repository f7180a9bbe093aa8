"""Waking readers: by folder, one thread for all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.logs.watch import LogWatch


@pytest.fixture
def watch() -> Iterator[LogWatch]:
    watch = LogWatch()
    watch.start()
    yield watch
    watch.close()


def test_a_change_wakes_all_who_wait_for_the_folder(watch: LogWatch, tmp_path: Path) -> None:
    """And nobody else."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tickets = [watch.subscribe(tmp_path / name) for name in ("a", "a", "b")]
    (tmp_path / "a" / "log").write_bytes(b"x")
    assert tickets[0].event.wait(2)
    assert tickets[1].event.wait(2)
    assert not tickets[2].event.is_set()


def test_a_ticket_that_was_closed_leaves_the_others(watch: LogWatch, tmp_path: Path) -> None:
    """The last one ends the watch; a new one begins it again."""
    first, second = watch.subscribe(tmp_path), watch.subscribe(tmp_path)
    first.close()
    (tmp_path / "log").write_bytes(b"x")
    assert second.event.wait(2)
    assert not first.event.is_set()
    second.close()
    third = watch.subscribe(tmp_path)
    (tmp_path / "log").write_bytes(b"y")
    assert third.event.wait(2)


def test_a_folder_that_goes_wakes_its_readers(watch: LogWatch, tmp_path: Path) -> None:
    """A removed container's followers must not wait for ever; a folder that is not there wakes at once."""
    folder = tmp_path / "c"
    folder.mkdir()
    ticket = watch.subscribe(folder)
    folder.rmdir()
    assert ticket.event.wait(2)
    assert watch.subscribe(folder).event.is_set()
    ticket.close()


def test_close_wakes_everybody(tmp_path: Path) -> None:
    """Streams end when the engine does."""
    watch = LogWatch()
    watch.start()
    event = threading.Event()
    watch.subscribe(tmp_path, event)
    watch.close()
    assert event.is_set()
    assert watch.is_closed
