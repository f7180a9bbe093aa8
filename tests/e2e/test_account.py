"""The user's own things: a token that the docker CLI works with until it is revoked, sessions that are ended."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.conftest import Berth
from tests.e2e.conftest import ADMIN, PASSWORD, WINDOW, Complaints, new_page
from tests.support.docker_cli import Docker


def test_a_token_is_shown_once_works_for_the_docker_cli_and_is_revoked(
    page: Page, berth: Berth, docker: Docker, tmp_path: Path
) -> None:
    name = docker.name("seen-by-token")
    docker.running("--name", name)
    page.goto("/account")
    page.get_by_test_id("token-new").click()
    page.get_by_test_id("token-submit").click()
    expect(page.get_by_test_id("token-name")).to_have_attribute("aria-invalid", "true")
    page.get_by_test_id("token-name").fill("laptop")
    page.get_by_test_id("token-submit").click()
    secret = page.get_by_test_id("token-secret").inner_text()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_test_id("token-row")).to_contain_text("laptop")
    assert secret not in page.content()
    config = tmp_path / "cli"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"HttpHeaders": {"Authorization": f"Bearer {secret}"}}))
    cli = Docker(f"tcp://{berth.url.removeprefix('http://')}/engine/local", docker.image, config)
    assert name in cli.ok("ps", "--format", "{{.Names}}")
    page.get_by_role("button", name="Revoke laptop").click()
    page.get_by_test_id("ask-yes").click()
    expect(page.get_by_test_id("token-row")).to_have_count(0)
    assert cli("ps").code == 1


def test_a_session_that_is_ended_elsewhere_is_at_the_sign_in_at_once(
    page: Page, chromium: Browser, berth: Berth, complaints: Complaints
) -> None:
    context = chromium.new_context(base_url=berth.url, viewport=WINDOW, locale="en-US", user_agent="Firefox/140 Linux")
    other = new_page(context, complaints)
    other.goto("/")
    other.get_by_test_id("signin-name").fill(ADMIN)
    other.get_by_test_id("signin-password").fill(PASSWORD)
    other.get_by_test_id("signin-submit").click()
    expect(other.get_by_test_id("live-mark")).to_have_attribute("data-state", "live")
    page.goto("/account")
    row = page.get_by_test_id("session-row").filter(has_text="Firefox 140")
    row.get_by_role("button", name="End").click()
    expect(row).to_have_count(0)
    expect(other.get_by_test_id("signin-form")).to_be_visible()
    expect(page.get_by_test_id("live-mark")).to_have_attribute("data-state", "live")
    context.close()
