import pytest

from engine.api import events
from engine.api.router import App
from engine.events import Event
from tests.fakes.http import FakeExchange, ask

ENTRY = Event(
    "container", "start", "c" * 64, "default", {"image": "busybox", "name": "web"}, 1_700_000_000_123_456_789, 7, "ann"
)


class FakeStream:
    def __init__(self, *entries):
        self.entries = entries
        self.closed = False

    def __iter__(self):
        return iter(self.entries)

    def close(self):
        self.closed = True


class FakeJournal:
    def __init__(self):
        self.asked = []
        self.stream = FakeStream(ENTRY)

    def bounds(self):
        return 3, 9

    def read(self, scope, query, limit=0):
        self.asked.append(("read", query, limit))
        return [ENTRY]

    def follow(self, scope, query):
        self.asked.append(("follow", query))
        return self.stream


@pytest.fixture
def journal():
    return FakeJournal()


@pytest.fixture
def routes(journal):
    return events.routes(journal)


def test_an_event_is_dockers_message(routes):
    assert ask(routes, "GET", "/events").lines == [
        {
            "status": "start",
            "id": "c" * 64,
            "from": "busybox",
            "Type": "container",
            "Action": "start",
            "Actor": {"ID": "c" * 64, "Attributes": {"image": "busybox", "name": "web"}},
            "scope": "local",
            "time": 1_700_000_000,
            "timeNano": 1_700_000_000_123_456_789,
            "berthSeq": 7,
            "berthNamespace": "default",
            "berthActor": "ann",
        }
    ]


def test_the_past_alone_is_not_followed(routes, journal):
    ask(routes, "GET", "/events?since=1700000000&until=1700000001.5")
    kind, query, _ = journal.asked[0]
    assert (kind, query.since_ns, query.until_ns) == ("read", 1_700_000_000_000_000_000, 1_700_000_001_500_000_000)


def test_filters_reach_the_query(routes, journal):
    ask(routes, "GET", '/events?filters={"event":["die"]}')
    assert not journal.asked[0][1].matches(ENTRY)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/events?since=yesterday", "since: invalid time: yesterday"),
        ('/events?filters={"colour":["red"]}', "invalid filter 'colour'"),
        ("/berth/journal?limit=0", "limit: expected 1 to 10000"),
    ],
)
def test_a_bad_query_is_refused_before_the_stream_begins(routes, target, message):
    answer = ask(routes, "GET", target)
    assert (answer.status, answer.message) == (400, message)


def test_a_gone_client_ends_the_stream(routes, journal):
    exchange = FakeExchange("GET", "/events")
    App(routes, 100)(exchange)
    for callback in exchange.gone:
        callback()
    assert journal.stream.closed


def test_one_who_was_away_gets_a_page_and_the_bounds(routes, journal):
    answer = ask(routes, "GET", "/berth/journal?since_seq=5&limit=10")
    assert (answer.json["oldest"], answer.json["newest"]) == (3, 9)
    assert answer.json["events"][0]["berthSeq"] == 7
    _, query, limit = journal.asked[0]
    assert (query.since_seq, limit) == (5, 10)
