"""What waits for a slow client stays bounded, and says what it lost."""

from __future__ import annotations

from webui.realtime.pending import EventRing, Lines, Merged, Newest, Parts


def test_newest_keeps_one() -> None:
    pending = Newest()
    pending.add({"at": "1"})
    pending.add({"at": "2"})
    assert pending.take() == {"at": "2"}
    assert pending.take() is None


def test_many_changes_of_a_row_are_one() -> None:
    pending = Merged("Id")
    pending.add({"upsert": [{"Id": "a", "n": 1}], "remove": [], "seq": 1})
    pending.add({"upsert": [{"Id": "a", "n": 2}, {"Id": "b", "n": 1}], "remove": [], "seq": 2})
    pending.add({"upsert": [], "remove": ["b"], "seq": 3})
    assert pending.take() == {"upsert": [{"Id": "a", "n": 2}], "remove": ["b"], "seq": 3}
    assert pending.take() is None


def test_changes_after_a_snapshot_are_part_of_it() -> None:
    pending = Merged("Id")
    pending.add({"upsert": [{"Id": "old"}], "remove": ["x"], "seq": 1})
    pending.add({"snapshot": [{"Id": "a"}, {"Id": "b"}], "seq": 2})
    pending.add({"upsert": [{"Id": "c"}], "remove": ["a"], "seq": 3})
    assert pending.take() == {"snapshot": [{"Id": "b"}, {"Id": "c"}], "seq": 3}


def test_an_empty_snapshot_is_a_snapshot() -> None:
    pending = Merged("Id")
    pending.add({"snapshot": [], "seq": 1})
    assert pending.take() == {"snapshot": [], "seq": 1}


def test_a_row_that_comes_back_is_not_removed() -> None:
    pending = Merged("Id")
    pending.add({"upsert": [], "remove": ["a"], "seq": 1})
    pending.add({"upsert": [{"Id": "a"}], "remove": [], "seq": 2})
    assert pending.take() == {"upsert": [{"Id": "a"}], "remove": [], "seq": 2}


def test_the_ring_drops_the_oldest_lines_and_counts_them() -> None:
    pending = Lines(lines=5)
    for number in range(10):
        pending.add({"lines": f"{number}a\n{number}b"})
    assert pending.take() == {"lines": "8a\n8b\n9a\n9b", "skipped": 16}
    assert pending.take() is None


def test_the_ring_is_bounded_in_bytes_too() -> None:
    pending = Lines(size=1000)
    for _ in range(10):
        pending.add({"lines": "x" * 400})
    taken = pending.take()
    assert taken is not None
    assert len(taken["lines"]) <= 1000
    assert taken["skipped"] == 8


def test_frames_of_a_ring_have_a_size() -> None:
    pending = Lines()
    for _ in range(4):
        pending.add({"lines": "x" * 200_000})
    assert [len(taken["lines"]) for taken in iter(pending.take, None)] == [200_000] * 4


def test_events_are_bounded() -> None:
    pending = EventRing()
    pending.add({"events": [{"n": n} for n in range(2500)]})
    taken = pending.take()
    assert taken is not None
    assert (len(taken["events"]), taken["skipped"], taken["events"][0]) == (2000, 500, {"n": 500})


def test_parts_that_fall_out_are_counted_for_their_log_and_news_of_logs_never_do() -> None:
    ring = Parts(lines=3)
    ring.add({"sources": [{"n": 1}]})
    ring.add({"parts": [{"n": 1, "lines": "a\nb", "position": 2}, {"n": 2, "lines": "x", "position": 1}]})
    ring.add({"parts": [{"n": 2, "lines": "y\nz", "position": 3}], "skipped": {"2": 5}})
    assert ring.take() == {"sources": [{"n": 1}]}
    assert ring.take() == {
        "parts": [{"n": 2, "lines": "x", "position": 1}, {"n": 2, "lines": "y\nz", "position": 3}],
        "skipped": {"2": 5, "1": 2},
    }
    assert ring.take() is None


def test_a_ring_of_lines_tells_the_position_of_its_last_line() -> None:
    ring = Lines()
    ring.add({"lines": "a", "position": 5})
    ring.add({"lines": "b", "position": 9})
    assert ring.take() == {"lines": "a\nb", "position": 9}
