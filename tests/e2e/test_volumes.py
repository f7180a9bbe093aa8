"""Volumes: made here or by the CLI, shown at once, with their users; one in use is kept and the engine says why."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.docker_cli import Docker


def test_volumes_come_and_go_while_the_page_is_open(page: Page, docker: Docker) -> None:
    made, other, user = docker.name("made"), docker.name("other"), docker.name("user")
    page.goto("/containers")
    page.get_by_test_id("nav-volumes").click()
    page.get_by_test_id("volume-create").click()
    page.get_by_test_id("volume-name").fill("no/such name")
    page.get_by_test_id("volume-submit").click()
    expect(page.get_by_test_id("volume-dialog")).to_contain_text("includes invalid characters")
    page.get_by_test_id("volume-name").fill(made)
    page.keyboard.press("Enter")
    row = page.locator(f'[data-testid=volume-row][data-name="{made}"]')
    expect(row).to_contain_text("unused")
    assert docker.ok("volume", "ls", "-q", "-f", f"name={made}").split() == [made]

    docker.ok("volume", "create", "--label", "colour=blue", other)
    expect(page.locator(f'[data-testid=volume-row][data-name="{other}"]')).to_contain_text("colour=blue")
    page.get_by_test_id("volumes-filter").fill("colour=blue")
    expect(row).to_have_count(0)
    docker.ok("volume", "rm", other)
    expect(page.get_by_test_id("volume-row")).to_have_count(0)
    page.get_by_test_id("volumes-filter").fill("")

    docker.running("--name", user, "-v", f"{made}:/data", script="head -c 300000 /dev/zero > /data/some; sleep 600")
    expect(row.get_by_role("link", name=user)).to_have_attribute("href", re.compile(r"/containers/[0-9a-f]{12}$"))
    expect(row).to_contain_text("not measured")
    page.get_by_test_id("volumes-measure").click()
    expect(row).to_contain_text(re.compile(r"\d+(\.\d+)? (k|K|M)i?B"))

    row.get_by_test_id("volume-remove").click()
    page.get_by_test_id("ask-yes").click()
    expect(page.get_by_test_id("conflict-message")).to_contain_text("volume is in use")
    docker.ok("rm", "-f", user)
    page.get_by_test_id("ask-yes").click()
    expect(row).to_have_count(0)
    assert made not in docker.ok("volume", "ls", "-q")
