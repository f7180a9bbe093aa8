"""No rule of axe is broken on any page, light or dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.docker_cli import Docker

AXE = Path(__file__).resolve().parents[2] / "static/node_modules/axe-core/axe.min.js"
PAGES = (
    "/overview",
    "/containers",
    "/containers?group=image",
    "/events",
    "/images",
    "/images?pull=new",
    "/volumes",
    "/volumes?new=1",
    "/networks",
    "/networks?new=1",
    "/networks?view=graph",
    "/networks?view=ports",
    "/run",
    "/account",
)
TABS = (
    "", "/logs", "/terminal", "/stats", "/files", "/files?path=/etc&file=passwd", "/processes",
    "/changes", "/history", "/inspect",
)  # fmt: skip
RUN = """() => axe.run(document, {resultTypes: ["violations"]}).then(found =>
  found.violations.map(rule => `${rule.id} (${rule.impact}): ` +
    rule.nodes.slice(0, 3).map(node => node.target + " " + node.html.slice(0, 160)).join(" | ")))"""


def broken(page: Page, where: str) -> list[str]:
    """Return the rules that what is shown now breaks."""
    page.wait_for_timeout(500)
    # The page's policy allows no inline script; the debugger's own evaluation is not bound by it.
    page.evaluate(f"typeof axe === 'undefined' && (() => {{ {AXE.read_text()} }})()")
    return [f"{where}: {rule}" for rule in page.evaluate(RUN)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages(page: Page, docker: Docker, scheme: str) -> None:
    name = docker.name("axe")
    docker.running("--name", name, "-p", "127.0.0.1::80", script="while :; do echo out; echo err >&2; sleep 0.2; done")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    found: list[str] = []
    for path in (*PAGES, f"/run?edit={name}", *(f"/containers/{name}{tab}" for tab in TABS)):
        page.goto(path)
        expect(page.get_by_test_id("live-mark")).to_have_attribute("data-state", "live")
        if path == "/containers":
            page.locator(f'[data-name="{name}"]').get_by_test_id("row-select").click()
        if path.endswith("/stats"):
            expect(page.locator(".chart canvas").first).to_be_visible()
        found += broken(page, path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_over_a_page(page: Page, docker: Docker, scheme: str) -> None:
    name = docker.name("axe")
    docker.running("--name", name)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/containers")
    row = page.locator(f'[data-name="{name}"]')
    row.get_by_test_id("act-more").click()
    found = broken(page, "menu")
    page.get_by_role("menuitem", name="Remove").click()
    found += broken(page, "question")
    page.get_by_role("button", name="Cancel").click()
    page.keyboard.press("Control+k")
    page.keyboard.type(name)
    found += broken(page, "palette")
    page.keyboard.press("Escape")
    page.get_by_test_id("operations-open").click()
    found += broken(page, "operations")
    assert not found, "\n".join(found)


def test_the_way_to_a_containers_log_needs_no_mouse(page: Page, docker: Docker) -> None:
    name = docker.name("keyboard")
    docker.running("--name", name)
    page.goto("/containers")
    expect(page.locator(f'[data-name="{name}"]')).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type(f"name:{name}")
    expect(page.get_by_test_id("container-row")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_test_id("container-row")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/containers/[0-9a-f]{12}$"))
    page.get_by_test_id("tab-overview").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("/logs$"))
