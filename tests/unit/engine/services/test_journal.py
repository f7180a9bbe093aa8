import itertools
import threading

import pytest

from engine.clock import now_ns
from engine.events import Bus, Event
from engine.services.journal import Journal, JournalQuery
from engine.storage.db import Database
from engine.storage.models import METADATA
from engine.values import Scope

ALL = Scope(namespace="*")


@pytest.fixture
def bus():
    return Bus()


@pytest.fixture
def database(tmp_path, bus):
    found = Database(tmp_path / "engine.db", bus)
    METADATA.create_all(found.engine)
    yield found
    found.close()


@pytest.fixture
def journal(database, bus):
    return Journal(database, bus)


def record(database, *actions, namespace="default", time_ns=0):
    for action in actions:
        with database.transaction() as transaction:
            transaction.record(Event("container", action, "c1", namespace, {"name": "web"}, time_ns=time_ns))


def actions(events):
    return [event.action for event in events]


def test_the_past_is_read_in_order_and_by_namespace(journal, database):
    record(database, "create", "start")
    record(database, "other", namespace="team")
    assert actions(journal.read(Scope(), JournalQuery())) == ["create", "start"]
    assert actions(journal.read(ALL, JournalQuery())) == ["create", "start", "other"]
    assert journal.read(ALL, JournalQuery())[0].attributes == {"name": "web"}
    assert journal.bounds() == (1, 3)


def test_an_empty_journal_has_no_bounds(journal):
    assert journal.bounds() == (0, 0)


def test_times_and_numbers_bound_what_is_read(journal, database):
    for index in range(5):
        record(database, f"e{index}", time_ns=100 + index)
    assert actions(journal.read(ALL, JournalQuery(since_ns=101, until_ns=103))) == ["e1", "e2", "e3"]
    assert actions(journal.read(ALL, JournalQuery(since_seq=3))) == ["e3", "e4"]
    assert actions(journal.read(ALL, JournalQuery(since_seq=0), limit=2)) == ["e0", "e1"]
    assert actions(journal.read(ALL, JournalQuery(matches=lambda e: e.action == "e4"))) == ["e4"]


def test_more_than_a_page_is_read(journal, database):
    with database.transaction() as transaction:
        for index in range(1201):
            transaction.record(Event("container", f"e{index}", "c", "default"))
    found = journal.read(ALL, JournalQuery())
    assert [event.seq for event in found] == list(range(1, 1202))


def test_without_a_time_only_what_happens_from_now_on_is_told(journal, database):
    record(database, "before")
    stream = journal.follow(ALL, JournalQuery())
    record(database, "after")
    assert next(iter(stream)).action == "after"
    stream.close()


def test_the_past_goes_over_into_the_present_without_gap_or_double(journal, database):
    record(database, *(f"e{i}" for i in range(20)))
    stream = journal.follow(ALL, JournalQuery(since_seq=5))
    writer = threading.Thread(target=record, args=(database, *(f"e{i}" for i in range(20, 300))))
    writer.start()
    found = [event.seq for event in itertools.islice(stream, 295)]
    writer.join()
    stream.close()
    assert found == list(range(6, 301))


def test_what_a_slow_reader_lost_on_the_bus_is_read_from_the_table(journal, database, bus):
    subscription = bus.subscribe(limit=3)
    stream = journal.follow(ALL, JournalQuery())
    stream._subscription.close()
    stream._subscription = subscription
    record(database, *(f"e{i}" for i in range(30)))
    found = [event.seq for event in itertools.islice(stream, 30)]
    stream.close()
    assert found == list(range(1, 31))


def test_a_stream_sees_one_namespace(journal, database):
    stream = journal.follow(Scope(namespace="team"), JournalQuery())
    record(database, "mine", namespace="default")
    record(database, "theirs", namespace="team")
    assert next(iter(stream)).action == "theirs"
    stream.close()


def test_a_stream_ends_at_its_time(journal, database):
    stream = journal.follow(ALL, JournalQuery(since_seq=0, until_ns=now_ns() + 30_000_000))
    record(database, "soon")
    assert actions(stream) == ["soon"]


def test_closing_ends_a_stream_that_waits(journal, bus):
    stream = journal.follow(ALL, JournalQuery())
    timer = threading.Timer(0.02, stream.close)
    timer.start()
    assert list(stream) == []
    timer.join()


def test_the_engines_end_is_the_streams_end(journal, bus):
    stream = journal.follow(ALL, JournalQuery())
    bus.close()
    assert list(stream) == []
