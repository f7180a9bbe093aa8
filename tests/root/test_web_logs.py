"""Logs in the live channel: a browser that went away comes back to the next line; many containers are one view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.root.web_fixtures import Site, site  # noqa: F401 - a fixture
from tests.support.docker_cli import eventually
from tests.support.web import Live

PARTS = "for part in 0 1 2 3 4 5 6 7 8 9; do seq $((part * {n} + 1)) $(((part + 1) * {n})); sleep 0.1; done"


@pytest.fixture
def live(site: Site) -> Iterator[Live]:  # noqa: F811
    opened = site.admin.live()
    yield opened
    opened.close()


def numbers(text: str) -> list[int]:
    """Return the numbers that lines end with."""
    return [int(line.rpartition(" ")[2]) for line in text.split("\n")]


class Viewer:
    """A browser with one log open, which loses its connection and comes back."""

    def __init__(self, site: Site, container: str) -> None:  # noqa: F811
        self._site, self._container = site, container
        self.numbers: list[int] = []
        self.position: int | None = None
        self._open()

    def _open(self) -> None:
        self.live = self._site.admin.live()
        past: dict[str, Any] = {"tail": "all"} if self.position is None else {"after": self.position}
        self.sub = self.live.subscribe("logs", id=self._container, **past)

    def read(self, frames: int) -> None:
        """Take some frames."""
        for _ in range(frames):
            frame = self.live.next(self.sub, 20)
            assert "skipped" not in frame
            self.numbers += numbers(frame["lines"])
            self.position = frame["position"]

    def reconnect(self) -> None:
        """Lose what is on the way; go on after the last frame."""
        self.live.close()
        self._open()

    def read_to(self, last: int) -> None:
        """Read until a number, and the stream's end."""
        while not self.numbers or self.numbers[-1] < last:
            self.read(1)
        eventually(lambda: self.sub in self.live.ended, 10, "the end")
        self.live.close()


def test_a_browser_that_comes_back_misses_and_doubles_nothing(site: Site) -> None:  # noqa: F811
    """While the log is written, rotated, when it has ended, and when its container is gone."""
    count = 40_000
    options = ("--log-opt", "max-size=300k", "--log-opt", "max-file=100")
    made = site.docker.ok("run", "-d", *options, site.docker.image, "sh", "-c", PARTS.format(n=count // 10))
    one, two = Viewer(site, made), Viewer(site, made)
    for _ in range(4):
        one.read(1)
        one.reconnect()
        two.read(1)
    site.docker.ok("wait", made)
    one.reconnect()
    one.read(1)
    site.docker.ok("rm", made)
    one.reconnect()
    one.read_to(count)
    two.reconnect()
    two.read_to(count)
    assert one.numbers == two.numbers == list(range(1, count + 1))


class Merged:
    """A merged view: the lines of each container by its id, what was told of them."""

    def __init__(self, live: Live, **choice: Any) -> None:
        self.live = live
        self.sub = live.subscribe("logs.merged", **choice)
        self.sources: dict[int, dict[str, Any]] = {}
        self.numbers: dict[str, list[int]] = {}
        self.positions: dict[str, int] = {}
        self.ended: set[str] = set()

    def read(self) -> None:
        """Take a frame."""
        frame = self.live.next(self.sub, 20)
        assert "skipped" not in frame
        for source in frame.get("sources", ()):
            self.sources[source["n"]] = source
            self.ended.discard(source["name"])
        for part in frame.get("parts", ()):
            source = self.sources[part["n"]]
            self.numbers.setdefault(source["id"], []).extend(numbers(part["lines"]))
            self.positions[source["id"]] = part["position"]
        for n in frame.get("ended", ()):
            self.ended.add(self.sources[n]["name"])

    def read_until_ended(self, *names: str) -> None:
        """Read until these have ended."""
        while not set(names) <= self.ended:
            self.read()


def test_containers_of_a_choice_are_one_view_and_later_ones_join(site: Site, live: Live) -> None:  # noqa: F811
    """By label; from the beginning where they come later or start again; a second browser shares the upstreams."""
    name = site.docker.name()

    def run(suffix: str, label: str = "merged") -> str:
        script = f"trap 'exit 0' TERM; {PARTS.format(n=300)}; while [ $(hostname) = stay ]; do sleep 0.05; done"
        more = ["--hostname", "stay"] if suffix == "a" else []
        args = ["run", "-d", "--name", f"{name}-{suffix}", "--label", f"{label}={name}", *more]
        return site.docker.ok(*args, site.docker.image, "sh", "-c", script)

    first = run("a")
    run("other", "else")
    one = Merged(live, labels=[f"merged={name}"], tail="all")
    one.read()
    ids = [first, run("b"), run("c")]
    other = site.admin.live()
    two = Merged(other, labels=[f"merged={name}"], tail="all")
    one.read_until_ended(f"{name}-b", f"{name}-c")
    two.read_until_ended(f"{name}-b", f"{name}-c")
    everything = list(range(1, 3001))
    for view in (one, two):
        while len(view.numbers.get(first, ())) < 3000:
            view.read()
        assert view.numbers == dict.fromkeys(ids, everything)
    assert site.tap.count(f"id={first}&tail=0&follow=1") == 1
    site.docker.ok("restart", first)
    while len(one.numbers[first]) < 6000:
        one.read()
    assert one.numbers[first] == everything * 2
    other.close()
    site.docker.ok("rm", "-f", *ids)
    three = Merged(live, labels=[f"merged={name}"], after={**one.positions, first: 0})
    while len(three.numbers.get(first, ())) < 6000:
        three.read()
    assert three.numbers == {first: everything * 2}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"topic": "logs", "id": "x", "after": -1}, "after"),
        ({"topic": "logs", "id": "x", "tail": "some"}, "tail"),
        ({"topic": "logs.merged", "labels": "a"}, "labels"),
        ({"topic": "logs.merged", "ids": [1]}, "ids"),
        ({"topic": "logs.merged", "after": {"../x": 1}}, "id"),
        ({"topic": "logs.merged", "after": {"a": "1"}}, "a"),
    ],
    ids=str,
)
def test_what_can_not_be_meant_is_refused_by_name(live: Live, data: dict[str, Any], field: str) -> None:
    answer = live.call("subscribe", {"host": "local", **data})
    assert (answer["error"]["status"], answer["error"]["field"]) == (400, field)
