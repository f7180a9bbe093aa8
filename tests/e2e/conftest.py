"""A real browser on a real Berth: Debian's chromium, driven by Playwright. A page that complains fails its test."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import Berth
from tests.support.docker_cli import Docker

CHROMIUM = os.environ.get("BERTH_TEST_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ADMIN, PASSWORD = "admin", "correct horse battery staple"
WINDOW = {"width": 1360, "height": 850}
# Chromium reports each answer of 4xx or 5xx as an error of the console; those are tested where they are expected.
_EXPECTED = re.compile(r"Failed to load resource|WebSocket connection to .* failed")
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Complaints:
    """Errors of scripts, and violations of the content policy, that pages reported."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def watch(self, page: Page) -> None:
        """Listen to one page."""
        page.on("pageerror", lambda error: self.seen.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _EXPECTED.search(message.text):
            self.seen.append(message.text)


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """What the test's pages complain about; anything fails the test at its end."""
    found = Complaints()
    yield found
    assert not found.seen, found.seen


def new_page(context: BrowserContext, complaints: Complaints) -> Page:
    """Return a page of its own whose complaints are heard."""
    page = context.new_page()
    complaints.watch(page)
    return page


def set_up(page: Page, link: str) -> None:
    """Make the first administrator as a person does."""
    page.goto(link)
    page.get_by_test_id("setup-name").fill(ADMIN)
    page.get_by_test_id("setup-password").fill(PASSWORD)
    page.get_by_test_id("setup-password-again").fill(PASSWORD)
    page.get_by_test_id("setup-submit").click()
    expect(page).to_have_url(re.compile(r"/containers$"))
    expect(page.get_by_test_id("live-mark")).to_have_attribute("data-state", "live")


@pytest.fixture(scope="session")
def signed_in(chromium: Browser, berth: Berth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookies of the administrator, who was made through the setup link."""
    context = chromium.new_context(viewport=WINDOW, locale="en-US")
    set_up(context.new_page(), berth.setup_link)
    path = tmp_path_factory.mktemp("browser") / "state.json"
    context.storage_state(path=path)
    context.close()
    return path


@pytest.fixture
def context(chromium: Browser, berth: Berth, signed_in: Path) -> Iterator[BrowserContext]:
    """A signed-in browser profile of the test's own, with nothing remembered."""
    made = chromium.new_context(
        base_url=berth.url, viewport=WINDOW, locale="en-US", storage_state=signed_in, accept_downloads=True
    )
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Page:
    """A page of the signed-in browser, still empty."""
    return new_page(context, complaints)


@pytest.fixture
def docker(berth: Berth, tmp_path: Path) -> Iterator[Docker]:
    """The docker CLI on the engine behind the dashboard, with the test image there."""
    made = Docker(berth.instance.docker_host, berth.image, tmp_path / "docker")
    if made("image", "inspect", berth.image).code:
        made.ok("pull", "--quiet", berth.image)
    yield made
    made.clean()
