"""A newcomer's whole way: setup link → pull → run → log lines arrive → terminal → stop → remove, without a reload."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Berth
from tests.e2e.conftest import ADMIN, PASSWORD, WINDOW, Complaints, new_page
from tests.support.docker_cli import Docker

PICTURE = os.environ.get("BERTH_TEST_PICTURE", "")
"""Where a new picture of the dashboard for the README goes, if one is wanted."""


@pytest.mark.usefixtures("signed_in")
def test_a_newcomer_gets_from_the_image_to_the_live_log_and_back(
    chromium: Browser, berth: Berth, complaints: Complaints
) -> None:
    context = chromium.new_context(base_url=berth.url, viewport=WINDOW, locale="en-US")
    page = new_page(context, complaints)
    # Sign in: the wrong password first.
    page.goto("/")
    page.get_by_test_id("signin-name").fill(ADMIN)
    page.get_by_test_id("signin-password").fill("wrong")
    page.get_by_test_id("signin-submit").click()
    expect(page.get_by_test_id("form-error")).to_be_visible()
    page.get_by_test_id("signin-password").fill(PASSWORD)
    page.get_by_test_id("signin-submit").click()
    expect(page.get_by_test_id("live-mark")).to_have_attribute("data-state", "live")
    page.evaluate("window.sameDocument = true")
    # Pull.
    page.get_by_test_id("nav-images").click()
    page.get_by_test_id("pull-open").click()
    page.get_by_test_id("pull-image").fill(f"{berth.image}:full")
    page.get_by_test_id("pull-submit").click()
    expect(page.get_by_test_id("pull-progress")).to_have_attribute("data-state", "done", timeout=30_000)
    assert page.get_by_test_id("pull-layer").count() >= 1
    page.get_by_test_id("pull-close").click()
    expect(page.locator(f'[data-testid=image-row][data-image="{berth.image}:full"]')).to_be_visible()
    # Run.
    page.locator(f'[data-image="{berth.image}:full"]').get_by_test_id("image-run").click()
    expect(page.get_by_test_id("run-image")).to_have_value(f"{berth.image}:full")
    page.get_by_test_id("run-name").fill("newcomer")
    page.get_by_test_id("run-command").fill("x")
    page.get_by_test_id("run-command").fill("")
    page.get_by_test_id("env-add").click()
    page.get_by_test_id("env-key").fill("GREETING")
    page.get_by_test_id("env-value").fill("it's me")
    expect(page.get_by_test_id("run-preview")).to_contain_text("-e 'GREETING=it'\\''s me'")
    page.get_by_test_id("run-image").fill("busybox")
    page.keyboard.press("Escape")
    page.get_by_test_id("run-command").fill(
        """sh -c 'trap "exit 0" TERM; i=0; while :; do i=$((i+1)); echo "$GREETING $i"; sleep 0.2 & wait $!; done'"""
    )
    page.get_by_test_id("run-submit").click()
    # The log lines arrive.
    expect(page).to_have_url(re.compile(r"/containers/[0-9a-f]{12}/logs$"))
    lines = page.get_by_test_id("log-line")
    expect(lines.filter(has_text="it's me 1").first).to_be_visible()
    expect(lines.filter(has_text="it's me 8").first).to_be_visible()
    # A terminal.
    page.get_by_test_id("tab-terminal").click()
    terminal = page.get_by_test_id("terminal")
    expect(terminal).to_contain_text("#")
    page.keyboard.type("echo from-$((40+2)) $(hostname)\n")
    expect(terminal).to_contain_text("from-42 ")
    # Stats and overview.
    page.get_by_test_id("tab-stats").click()
    expect(page.get_by_test_id("stats").locator("canvas").first).to_be_visible()
    page.get_by_test_id("tab-overview").click()
    expect(page.get_by_test_id("overview")).to_contain_text("GREETING")
    # Stop and remove.
    page.get_by_test_id("act-stop").click()
    expect(page.get_by_test_id("state")).to_have_attribute("data-state", "exited")
    page.get_by_test_id("act-remove").click()
    page.get_by_test_id("ask-yes").click()
    page.get_by_test_id("undo-now").click()
    expect(page.get_by_test_id("container-gone")).to_be_visible()
    page.get_by_test_id("nav-containers").click()
    expect(page.locator("[data-name=newcomer]")).to_have_count(0)
    assert page.evaluate("window.sameDocument") is True
    context.close()


def test_the_picture_of_the_readme(
    chromium: Browser, berth: Berth, docker: Docker, signed_in: Path, tmp_path: Path
) -> None:
    web, api, cache = images = "shop/web:2.4", "shop/api:1.9", "shop/cache:7"
    for image in images:
        docker.ok("tag", docker.image, image)
    fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=$((20 + i % 7 * 4)) 2>/dev/null"
    busy = f"i=0; while :; do i=$((i+1)); seq $((i % 11 * 40000)) >/dev/null; {fill}; sleep 0.7; done"
    shown = (("web", web, busy), ("api", api, busy), ("worker", api, busy), ("cache", cache, "sleep 99"))
    for name, of, script in shown:
        ports = ["-p", "80"] if name in ("web", "api") else []
        docker.ok("run", "-d", "--name", name, "-l", "env=prod", *ports, of, "sh", "-c", script)
    docker("run", "--name", "migrate", api, "sh", "-c", "exit 3")
    docker.ok("pause", "cache")
    context = chromium.new_context(base_url=berth.url, viewport={"width": 1440, "height": 560}, storage_state=signed_in)
    page = context.new_page()
    page.goto("/containers")
    expect(page.locator("[data-name=web]").get_by_test_id("cpu")).to_contain_text("%")
    expect(page.locator("[data-name=migrate]").get_by_test_id("state")).to_contain_text("3")
    page.wait_for_timeout(45_000 if PICTURE else 500)
    target = Path(PICTURE) if PICTURE else tmp_path / "dashboard.png"
    page.screenshot(path=target)
    assert target.stat().st_size > 20_000
    context.close()
    docker.clean()
    docker.ok("rmi", *images)


def test_the_setup_link_works_once(chromium: Browser, berth: Berth, signed_in: Path) -> None:
    assert signed_in
    context = chromium.new_context(base_url=berth.url)
    page = context.new_page()
    page.goto(berth.setup_link)
    expect(page.get_by_test_id("signin-form")).to_be_visible()
    context.close()


def test_signing_out_closes_the_live_views_of_the_session(
    chromium: Browser, berth: Berth, signed_in: Path, complaints: Complaints
) -> None:
    assert signed_in
    context = chromium.new_context(base_url=berth.url, viewport=WINDOW, locale="en-US")
    first, second = new_page(context, complaints), new_page(context, complaints)
    first.goto("/")
    first.get_by_test_id("signin-name").fill(ADMIN)
    first.get_by_test_id("signin-password").fill(PASSWORD)
    first.get_by_test_id("signin-submit").click()
    expect(first.get_by_test_id("live-mark")).to_have_attribute("data-state", "live")
    second.goto("/images")
    expect(second.get_by_test_id("live-mark")).to_have_attribute("data-state", "live")
    first.get_by_test_id("account-menu").click()
    first.get_by_test_id("sign-out").click()
    expect(first.get_by_test_id("signin-form")).to_be_visible()
    expect(second.get_by_test_id("signin-form")).to_be_visible()
    context.close()
