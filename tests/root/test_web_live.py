"""The live channel on a real engine: what happens there is seen here, once for all, at once."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator

import pytest

from tests.root.web_fixtures import Site, site  # noqa: F401 - a fixture
from tests.support.docker_cli import eventually
from tests.support.web import Live

LOOP = 'i=0; while :; do i=$((i+1)); echo "line $i"; echo "err $i" >&2; sleep 0.1; done'


@pytest.fixture
def live(site: Site) -> Iterator[Live]:  # noqa: F811
    opened = site.admin.live()
    yield opened
    opened.close()


@pytest.fixture
def container(site: Site) -> Iterator[str]:  # noqa: F811
    made = site.docker.running(script=LOOP)
    yield made
    site.docker("rm", "-f", made)


def rows(frame: dict[str, list[dict[str, object]]]) -> dict[object, dict[str, object]]:
    return {row["Id"]: row for row in frame.get("snapshot") or frame.get("upsert") or []}


def test_what_the_docker_cli_does_is_seen_within_a_quarter_second(site: Site, live: Live) -> None:  # noqa: F811
    number = live.subscribe("containers")
    first = live.next(number)
    made = site.docker.running()
    began = time.monotonic()
    live.until(number, lambda f: rows(f).get(made, {}).get("State") == "running")
    assert time.monotonic() - began < 0.25
    site.docker.ok("kill", made)
    began = time.monotonic()
    live.until(number, lambda f: rows(f).get(made, {}).get("State") == "exited")
    assert time.monotonic() - began < 0.25
    site.docker.ok("rm", made)
    began = time.monotonic()
    last = live.until(number, lambda f: made in f["remove"])
    assert time.monotonic() - began < 0.25
    assert last["seq"] > first["seq"]


def test_a_browser_that_slept_gets_what_changed(site: Site, live: Live) -> None:  # noqa: F811
    watcher = live.subscribe("containers")
    seq = live.next(watcher)["seq"]
    made = site.docker.running()
    live.until(watcher, lambda f: rows(f).get(made, {}).get("State") == "running")
    late = live.subscribe("containers", since=seq)
    frame = live.next(late)
    assert made in rows(frame)
    assert "snapshot" not in frame
    assert "snapshot" in live.next(live.subscribe("containers", since=5))


def test_ten_browsers_cost_one_upstream(site: Site, container: str) -> None:  # noqa: F811
    before = {what: site.tap.count(what) for what in ("/events", f"id={container}&tail=0&follow=1")}
    browsers = [site.admin.live() for _ in range(10)]
    try:
        for browser in browsers:
            lists, logs = browser.subscribe("containers"), browser.subscribe("logs", id=container, tail=5)
            browser.until(lists, lambda f: container in rows(f))
            assert "line " in browser.next(logs)["lines"]
        assert site.tap.count("/events") <= before["/events"] + 1
        assert site.tap.count(f"id={container}&tail=0&follow=1") == 1
    finally:
        for browser in browsers:
            browser.close()


def test_log_lines_come_live_with_stream_and_time(live: Live, container: str) -> None:
    number = live.subscribe("logs", id=container, tail=10)
    seen = ""
    while seen.count("\n") < 12:
        seen += live.next(number)["lines"] + "\n"
    lines = seen.splitlines()
    out = [line for line in lines if line.startswith("o")]
    err = [line for line in lines if line.startswith("e")]
    assert len(out) > 3
    assert len(err) > 3
    assert len(out) + len(err) == len(lines)
    numbers = [int(line.rpartition(" ")[2]) for line in out]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert out[0][1:].split(" ")[0].endswith("Z")


def test_a_latecomer_gets_the_same_tail(site: Site, container: str) -> None:  # noqa: F811
    eventually(lambda: "line 20" in site.docker.ok("logs", container), 10, "twenty lines")
    first, second = site.admin.live(), site.admin.live()
    try:
        one = first.subscribe("logs", id=container, tail=10)
        assert first.next(one)["lines"].count("\n") == 9
        time.sleep(0.5)
        two = second.subscribe("logs", id=container, tail=10)
        assert second.next(two)["lines"].count("\n") == 9
    finally:
        first.close()
        second.close()


def test_a_whole_log_is_whole(site: Site, live: Live) -> None:  # noqa: F811
    made = site.docker.ok("run", "-d", site.docker.image, "sh", "-c", "seq 1 60000")
    site.docker.ok("wait", made)
    number = live.subscribe("logs", id=made, tail="all")
    count = 0
    while count < 60_000:
        frame = live.next(number)
        assert "skipped" not in frame
        count += frame["lines"].count("\n") + 1
    assert count == 60_000
    eventually(lambda: number in live.ended, 5, "the end")
    assert "error" not in live.ended[number]


def test_a_browser_that_does_not_acknowledge_skips_and_is_told(site: Site, live: Live) -> None:  # noqa: F811
    made = site.docker.running(script="while :; do seq 1 2000; sleep 0.05; done")
    live.acknowledge = False
    number = live.subscribe("logs", id=made, tail=0)
    frames = [live.next(number, 20) for _ in range(16)]
    with pytest.raises(queue.Empty):
        live.next(number, 3)
    live.call("ack", {"sub": number, "n": 16})
    after = live.next(number)
    assert after["skipped"] > 0
    assert not any("skipped" in frame for frame in frames)


def test_a_terminals_log_has_lines_too(site: Site, live: Live) -> None:  # noqa: F811
    made = site.docker.ok("run", "-d", "-t", site.docker.image, "sh", "-c", "echo one; echo two")
    site.docker.ok("wait", made)
    number = live.subscribe("logs", id=made, tail=10)
    lines = live.next(number)["lines"].splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["one", "two"]


def test_the_log_of_no_container_ends_with_the_engines_words(live: Live) -> None:
    number = live.subscribe("logs", id="nosuch")
    eventually(lambda: number in live.ended, 5, "the end")
    assert live.ended[number]["error"].endswith("No such container: nosuch")


def test_events_and_images_come_live(site: Site, live: Live) -> None:  # noqa: F811
    events, images = live.subscribe("events"), live.subscribe("images")
    live.next(images)
    made = site.docker.running()
    live.until(events, lambda f: any(e["Action"] == "start" and e["Actor"]["ID"] == made for e in f["events"]))
    tag = f"{site.docker.name('image')}:live"
    site.docker.ok("tag", site.docker.image, tag)
    live.until(images, lambda f: any(tag in (row.get("RepoTags") or []) for row in f["upsert"]))
    site.docker.ok("rmi", tag)
    live.until(images, lambda f: f["remove"] or f["upsert"])


def test_usage_is_told_each_second(site: Site, live: Live) -> None:  # noqa: F811
    busy = site.docker.running(script="while :; do :; done")
    idle = site.docker.running()
    number = live.subscribe("usage")
    frame = live.until(number, lambda f: f["rows"].get(busy, {}).get("cpu", 0) > 20 and idle in f["rows"], 15)
    row = frame["rows"][idle]
    assert set(row) >= {"cpu", "mem", "limit", "rx", "tx", "read", "write", "pids"}
    assert row["cpu"] < 20
    assert 0 < row["mem"] < row["limit"]
    assert row["pids"] >= 1
    site.docker.ok("rm", "-f", busy, idle)
    live.until(number, lambda f: busy not in f["rows"])


def wait_text(live: Live, text: str, seen: str = "") -> str:
    while text not in seen:
        seen += live.event("terminal.output")["data"]
    return seen


def test_a_terminal_works_and_has_the_size_of_its_window(live: Live, container: str) -> None:
    opened = live.call("terminal.open", {"host": "local", "id": container, "cols": 91, "rows": 31, "cmd": ["sh"]})
    term = opened["term"]
    live.client.emit("terminal.input", {"term": term, "data": "stty size; echo $((6*7))é\r"})
    assert "31 91" in wait_text(live, "42é")
    assert live.call("terminal.resize", {"term": term, "cols": 120, "rows": 40}) == {}
    live.client.emit("terminal.input", {"term": term, "data": "stty size\r"})
    wait_text(live, "40 120")
    live.client.emit("terminal.input", {"term": term, "data": "exit 3\r"})
    assert live.event("terminal.exit") == {"term": term, "code": 3}


def test_a_terminal_survives_its_browsers_connection(site: Site, container: str) -> None:  # noqa: F811
    first = site.admin.live()
    term = first.call("terminal.open", {"id": container, "cols": 80, "rows": 24, "cmd": ["sh"]})["term"]
    first.client.emit("terminal.input", {"term": term, "data": "KEPT=yes; echo before-$KEPT\r"})
    wait_text(first, "before-yes")
    first.close()
    again = site.admin.live()
    try:
        assert again.call("terminal.attach", {"term": term}) == {"term": term}
        wait_text(again, "before-yes")
        again.client.emit("terminal.input", {"term": term, "data": "echo after-$KEPT\r"})
        wait_text(again, "after-yes")
        assert again.call("terminal.close", {"term": term}) == {}
        assert again.call("terminal.attach", {"term": term})["error"]["status"] == 404
    finally:
        again.close()


def test_a_program_that_is_not_there_says_so(live: Live, container: str) -> None:
    answer = live.call("terminal.open", {"id": container, "cols": 80, "rows": 24, "cmd": ["/nosuch"]})
    if "error" in answer:
        assert "nosuch" in answer["error"]["message"]
    else:
        assert live.event("terminal.exit")["code"] in (126, 127)


def test_sign_out_closes_the_sockets_of_that_session_only(site: Site) -> None:  # noqa: F811
    leaving, staying = site.browser(), site.browser()
    gone, kept = leaving.live(), staying.live()
    try:
        gone.subscribe("containers")
        assert leaving.delete("/api/v1/session").status_code == 204
        eventually(lambda: not gone.client.connected, 2, "the socket's end")
        assert kept.client.connected
        assert kept.subscribe("containers")
    finally:
        kept.close()
        gone.close()
        leaving.close()
        staying.close()


def test_an_engine_that_goes_and_comes_back_is_followed(site: Site, live: Live) -> None:  # noqa: F811
    number = live.subscribe("containers")
    live.next(number)
    site.tap.stop()
    assert live.event("host")["healthy"] is False
    made = site.docker.running()  # while nobody looks
    answer = site.admin.get("/engine/local/v1.41/containers/json")
    assert answer.status_code == 502
    assert "does not answer" in answer.json()["message"]
    site.tap.start()
    while not live.event("host")["healthy"]:
        pass  # first why it was lost, then why it can't be reached
    live.until(number, lambda f: made in rows(f))
    assert site.web.process
    assert site.web.process.poll() is None
