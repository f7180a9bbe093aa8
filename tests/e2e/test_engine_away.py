"""The engine goes away and comes back: the page says so, heals itself, and is right again without a reload."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import WINDOW, Complaints, new_page, set_up
from tests.support.docker_cli import Docker
from tests.support.instance import Instance
from tests.support.web import WebProcess


@pytest.fixture
def apart() -> Iterator[tuple[Instance, WebProcess]]:
    """Engine and web tier as two processes, so that one can go without the other."""
    instance = Instance()
    web = WebProcess(run_root=instance.run_root)
    try:
        instance.start("engine")
        web.start()
        yield instance, web
    finally:
        web.destroy()
        left = instance.destroy()
    assert not left, f"left behind by the engine: {left}"


def ready(chromium: Browser, web: WebProcess, complaints: Complaints) -> Page:
    """Return a page of a signed-in browser."""
    page = new_page(chromium.new_context(base_url=web.url, viewport=WINDOW, locale="en-US"), complaints)
    set_up(page, f"{web.url}/setup?token={web.setup_token()}")
    page.evaluate("window.sameDocument = true")
    return page


def test_a_killed_engine_is_told_and_its_return_heals_the_page(
    chromium: Browser, apart: tuple[Instance, WebProcess], complaints: Complaints
) -> None:
    instance, web = apart
    docker = Docker(instance.docker_host, "busybox", instance.folder / "docker")
    docker.running("--name", "stays", script="i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done")
    page = ready(chromium, web, complaints)
    expect(page.locator("[data-name=stays]")).to_be_visible()
    page.locator("[data-name=stays]").get_by_test_id("act-logs").click()
    expect(page.get_by_test_id("log-line").first).to_be_visible()
    instance.kill()
    expect(page.get_by_test_id("banner")).to_have_attribute("data-kind", "engine")
    page.wait_for_timeout(1000)
    instance.start("engine")
    expect(page.get_by_test_id("banner")).to_have_count(0)
    # The log went on while the engine was away: no line is missing, none is there twice.
    page.wait_for_timeout(3000)
    text = page.evaluate(
        "[...document.querySelectorAll('.log-text')].map(e => e.textContent).filter(t => /^tick/.test(t))"
    )
    numbers = [int(line.split()[1]) for line in text]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers
    page.get_by_test_id("nav-containers").click()
    docker.running("--name", "after")
    expect(page.locator("[data-name=after] [data-state=running]")).to_be_visible()
    docker.ok("rm", "-f", "stays")
    expect(page.locator("[data-name=stays]")).to_have_count(0)
    assert page.evaluate("window.sameDocument") is True
    page.context.close()


def test_a_web_tier_that_restarts_finds_its_browsers_again(
    chromium: Browser, apart: tuple[Instance, WebProcess], complaints: Complaints
) -> None:
    instance, web = apart
    page = ready(chromium, web, complaints)
    web.stop()
    expect(page.get_by_test_id("banner")).to_have_attribute("data-kind", "web")
    docker = Docker(instance.docker_host, "busybox", instance.folder / "docker")
    docker.running("--name", "meanwhile")
    web.start()
    expect(page.get_by_test_id("banner")).to_have_count(0)
    expect(page.locator("[data-name=meanwhile] [data-state=running]")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True
    page.context.close()
