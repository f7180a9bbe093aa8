"""The hub: one source for all, one encoding, a window for each client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from webui.errors import NotFound
from webui.realtime.hub import WINDOW, Hub, Source
from webui.realtime.pending import Lines, Payload

Sent = list[tuple[str, Payload, list[str]]]


class Ticker(Source):
    """Publishes only when a test says so."""

    linger_s = 0.01
    closed = 0

    def run(self) -> None:
        Event().wait()

    def pending(self) -> Lines:
        return Lines(lines=10)

    def first(self) -> list[Payload]:
        return [{"lines": "first"}]

    def close(self) -> None:
        type(self).closed += 1


class Broken(Ticker):
    def run(self) -> None:
        raise NotFound("No such container: x")


@pytest.fixture
def sent() -> Sent:
    return []


@pytest.fixture
def hub(sent: Sent) -> Iterator[Hub]:
    made = Hub(lambda event, data, sids: sent.append((event, data, sids)))
    yield made
    made.close()


def watch(hub: Hub, sid: str, kind: type[Source] = Ticker) -> Any:
    subscription = hub.subscribe(sid, kind, lambda: kind(hub, kind))
    hub.begin(subscription)
    return subscription


def test_a_newcomer_gets_the_state_and_then_what_all_get(hub: Hub, sent: Sent) -> None:
    one, two = watch(hub, "a"), watch(hub, "b")
    assert one.number == two.number
    sent.clear()
    hub.sources[0].publish({"lines": "x"})
    assert sent == [("frame", {"sub": one.number, "lines": "x"}, ["a", "b"])]


def test_two_subscriptions_of_one_client_have_two_numbers(hub: Hub, sent: Sent) -> None:
    one, two = watch(hub, "a"), watch(hub, "a")
    assert one.number != two.number
    assert len(hub.sources) == 1
    sent.clear()
    hub.sources[0].publish({"lines": "x"})
    assert [(data["sub"], sids) for _, data, sids in sent] == [(one.number, ["a"]), (two.number, ["a"])]


def test_nothing_is_sent_before_the_client_knows_the_number(hub: Hub, sent: Sent) -> None:
    hub.subscribe("a", Ticker, lambda: Ticker(hub, Ticker))
    hub.sources[0].publish({"lines": "x"})
    assert sent == []


def test_a_client_that_does_not_acknowledge_gets_a_window_and_then_a_count(hub: Hub, sent: Sent) -> None:
    slow, fast = watch(hub, "slow"), watch(hub, "fast")
    for number in range(100):
        hub.sources[0].publish({"lines": str(number)})
        hub.acknowledge(fast, 1)
    frames = [data["lines"] for _, data, sids in sent if "slow" in sids]
    assert len(frames) == WINDOW  # the first one included
    assert [data["lines"] for _, data, sids in sent if "fast" in sids][1:] == [str(n) for n in range(100)]
    sent.clear()
    hub.acknowledge(slow, 8)
    assert [data for _, data, _ in sent] == [
        {"sub": slow.number, "lines": "\n".join(map(str, range(90, 100))), "skipped": 75}
    ]
    hub.sources[0].publish({"lines": "live"})
    assert sent[-1] == ("frame", {"sub": slow.number, "lines": "live"}, ["slow", "fast"])


def test_a_source_says_when_nobody_is_behind(hub: Hub) -> None:
    slow = watch(hub, "slow")
    for number in range(WINDOW + 3):
        hub.sources[0].publish({"lines": str(number)})
    assert not hub.sources[0].drained.is_set()
    hub.acknowledge(slow, WINDOW)
    assert hub.sources[0].drained.is_set()


def test_a_source_ends_a_little_after_its_last_subscriber(hub: Hub) -> None:
    Ticker.closed = 0
    subscription = watch(hub, "a")
    hub.unsubscribe(subscription)
    again = watch(hub, "b")
    gevent.sleep(0.03)
    assert (len(hub.sources), Ticker.closed) == (1, 0)
    hub.unsubscribe(again)
    gevent.sleep(0.03)
    assert (len(hub.sources), Ticker.closed) == (0, 1)


def test_a_source_that_fails_tells_why_and_is_gone(hub: Hub, sent: Sent) -> None:
    subscription = watch(hub, "a", Broken)
    gevent.sleep(0.01)
    assert sent[-1] == ("end", {"sub": subscription.number, "error": "No such container: x"}, ["a"])
    assert hub.sources == []


def test_an_early_end_still_brings_the_first_frames(hub: Hub, sent: Sent) -> None:
    hub.subscribe("a", Broken, lambda: Broken(hub, Broken))
    gevent.sleep(0.01)
    assert [event for event, _, _ in sent] == ["frame", "end"]
