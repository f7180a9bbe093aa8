"""One container's page: log, terminal, hostile text, the engine going away."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.docker_cli import Docker

FRAMES = """() => new Promise(done => {
  const frames = []; let last = performance.now();
  const tick = now => {
    frames.push(now - last);
    last = now;
    window.stopFrames ? done(frames) : requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})"""
MARKUP = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>'


def test_a_log_of_100_000_lines_does_not_stall_the_page(page: Page, docker: Docker) -> None:
    line = "a line of a usual length with some words in it, and 0123456789"
    script = f'yes "{line}" | head -n 100500; echo the-end; sleep 1000'
    container = docker.running(script=script)
    docker.wait_log(container, "the-end", 60)
    page.goto(f"/containers/{container[:12]}/logs")
    page.get_by_test_id("log-tail").select_option("100000")
    page.evaluate(f"window.stopFrames = false; void (window.frames_ = ({FRAMES})())")
    log = page.get_by_test_id("log-view")
    expect(log).to_have_attribute("data-lines", "100000", timeout=60_000)
    expect(page.get_by_test_id("log-line").filter(has_text="the-end")).to_be_visible()
    assert page.get_by_test_id("log-line").count() < 150
    page.get_by_test_id("log-search").fill("usual")
    expect(page.get_by_test_id("log-count")).to_have_text("0 of 99,999")
    page.get_by_test_id("log-previous").click()
    expect(page.get_by_test_id("log-count")).to_have_text("99,999 of 99,999")
    page.evaluate("window.stopFrames = true")
    frames = sorted(page.evaluate("window.frames_"))
    assert frames[len(frames) // 2] < 34, f"median frame {frames[len(frames) // 2]:.0f} ms"
    assert frames[-1] < 1000, f"longest frame {frames[-1]:.0f} ms"


def test_streams_are_apart_colours_are_drawn_and_markup_stays_text(page: Page, docker: Docker) -> None:
    script = f"""printf '\\033[31mred\\033[0m plain\\n'; echo '{MARKUP}' >&2; printf '10%%\\r100%%\\n'; sleep 1000"""
    container = docker.running("--label", f"x={MARKUP}", "-e", f"E={MARKUP}", script=script)
    page.goto(f"/containers/{container[:12]}/logs")
    lines = page.get_by_test_id("log-line")
    red = lines.filter(has_text="red plain")
    expect(red.locator("span", has_text=re.compile("^red$"))).to_have_css("color", re.compile("rgb"))
    expect(lines.filter(has_text="<img src=x")).to_have_attribute("data-source", "e")
    expect(lines.filter(has_text="100%")).to_have_count(1)
    page.get_by_test_id("log-stderr").click()
    expect(lines.filter(has_text="<img")).to_have_count(0)
    expect(red).to_be_visible()
    for tab in ("overview", "inspect"):
        page.get_by_test_id(f"tab-{tab}").click()
        expect(page.get_by_test_id(tab)).to_contain_text("<img src=x")
    assert page.evaluate("window.hacked") is None


def test_a_paused_log_counts_what_comes_and_the_search_finds_it(page: Page, docker: Docker) -> None:
    container = docker.running(script="i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done")
    page.goto(f"/containers/{container[:12]}/logs")
    expect(page.get_by_test_id("log-line").filter(has_text="tick 3").first).to_be_visible()
    page.get_by_test_id("log-follow").click()
    expect(page.get_by_test_id("log-latest")).to_have_text(re.compile(r"\d+ new lines"))
    page.get_by_test_id("log-latest").click()
    expect(page.get_by_test_id("log-view")).to_have_attribute("data-follow", "true")
    page.get_by_test_id("log-regex").click()
    page.get_by_test_id("log-search").fill("tick [12]$")
    expect(page.get_by_test_id("log-count")).to_have_text("0 of 2")
    page.get_by_test_id("log-search").fill("tick (")
    expect(page.get_by_test_id("log-count")).to_contain_text("not a valid expression")


def test_a_log_goes_on_after_a_restart_and_a_lost_connection_without_doubling(page: Page, docker: Docker) -> None:
    script = (
        "echo >>/turns; n=$(wc -l </turns); for i in 1 2 3; do echo $n-$i; done; trap 'exit 0' TERM; sleep 1000 & wait"
    )
    container = docker.running(script=script)
    page.goto(f"/containers/{container[:12]}/logs")
    log = page.get_by_test_id("log-view")
    expect(log).to_have_attribute("data-lines", "3")
    docker.ok("restart", container)
    expect(log).to_have_attribute("data-lines", "6")
    page.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    docker.ok("restart", container)
    page.wait_for_timeout(500)
    page.context.set_offline(False)
    expect(log).to_have_attribute("data-lines", "9", timeout=30_000)
    page.wait_for_timeout(700)
    lines = page.get_by_test_id("log-line").locator(".log-text").all_inner_texts()
    assert len(lines) == len(set(lines)) == 9, lines


def test_the_whole_log_is_downloaded(page: Page, docker: Docker, tmp_path: Path) -> None:
    name = docker.name("download")
    script = "for i in $(seq 20000); do echo out $i; done; sleep 0.3; echo err >&2; sleep 0.3; echo the-end; sleep 1000"
    docker.running("--name", name, script=script)
    docker.wait_log(name, "the-end")
    page.goto(f"/containers/{name}/logs")
    page.get_by_test_id("log-tail").select_option("1000")
    with page.expect_download() as download:
        page.get_by_test_id("log-download").click()
    download.value.save_as(tmp_path / "log")
    assert download.value.suggested_filename == f"{name}.log"
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 20002
    assert lines[0].endswith("Z out 1")
    assert [line.split(" ", 1)[1] for line in lines[-2:]] == ["err", "the-end"]


def test_a_terminal_has_the_size_of_its_window_and_survives_tabs_and_reload(page: Page, docker: Docker) -> None:
    container = docker.running()
    page.goto(f"/containers/{container[:12]}/terminal")
    terminal = page.get_by_test_id("terminal")
    expect(terminal).to_contain_text("#")
    page.keyboard.type("secret=xyzzy; echo pid-$$-; stty size\n")
    expect(terminal).to_contain_text(re.compile(r"pid-\d+-\s*\d+ \d+"))
    wide = int(re.findall(r"(\d+) (\d+)", terminal.inner_text().split("pid-")[-1])[-1][1])
    assert wide > 100
    page.set_viewport_size({"width": 900, "height": 700})
    page.wait_for_timeout(600)
    page.keyboard.type("echo now; stty size\n")
    expect(terminal).to_contain_text(re.compile(r"now\s*\d+ \d+"))
    narrow = int(re.findall(r"now\s+\d+ (\d+)", terminal.inner_text())[-1])
    assert 60 < narrow < wide
    page.get_by_test_id("tab-logs").click()
    page.get_by_test_id("tab-terminal").click()
    page.keyboard.type("echo tab-$secret\n")
    expect(terminal).to_contain_text("tab-xyzzy")
    page.reload()
    expect(terminal).to_contain_text("tab-xyzzy")
    page.keyboard.type("echo reload-$secret\n")
    expect(terminal).to_contain_text("reload-xyzzy")
    page.keyboard.type("exit 7\n")
    expect(page.get_by_test_id("terminal-ended")).to_contain_text("7")


def test_a_terminal_takes_another_shell_and_user_and_says_when_there_is_none(page: Page, docker: Docker) -> None:
    container = docker.running()
    page.goto(f"/containers/{container[:12]}/terminal")
    expect(page.get_by_test_id("terminal")).to_contain_text("#")
    page.get_by_test_id("terminal-user").fill("app")
    page.get_by_test_id("terminal-shell").select_option("sh")
    page.get_by_test_id("terminal-new").click()
    expect(page.get_by_test_id("terminal")).to_contain_text("$")
    page.get_by_test_id("terminal").click()
    page.keyboard.type("id -u\n")
    expect(page.get_by_test_id("terminal")).to_contain_text("1000")
    page.get_by_test_id("terminal-shell").select_option("bash")
    page.get_by_test_id("terminal-new").click()
    shown = page.get_by_test_id("terminal-error").or_(page.get_by_test_id("terminal-ended"))
    expect(shown).to_be_visible()


def test_the_page_of_a_container_that_is_removed_says_so(page: Page, docker: Docker) -> None:
    name = docker.name("gone")
    docker.running("--name", name)
    page.goto(f"/containers/{name}/inspect")
    page.get_by_test_id("inspect-search").fill("Hostname")
    expect(page.locator(".json-line[data-current]")).to_contain_text("Hostname")
    docker.ok("rm", "-f", name)
    expect(page.get_by_test_id("container-gone")).to_contain_text(name)
