"""The tab of a container that tells what it wrote against its image."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.support.docker_cli import Docker


def test_what_was_added_changed_and_deleted_is_marked(page: Page, docker: Docker) -> None:
    name = docker.name("writer")
    docker.running("--name", name)
    docker.ok("exec", name, "sh", "-c", "echo new > /added.txt; rm /etc/group")
    page.goto(f"/containers/{name}")
    page.get_by_test_id("tab-changes").click()
    changes = page.get_by_test_id("change")
    expect(changes.filter(has_text="/added.txt")).to_have_attribute("data-kind", "1")
    expect(changes.filter(has_text="/added.txt")).to_contain_text("added")
    expect(changes.filter(has_text="/etc/group")).to_have_attribute("data-kind", "2")
    expect(changes.filter(has_text="/etc").first).to_have_attribute("data-kind", "0")
    docker.ok("exec", name, "touch", "/later.txt")
    page.get_by_test_id("changes-again").click()
    page.get_by_test_id("changes-filter").fill("later")
    expect(changes).to_have_count(1)
    expect(changes).to_contain_text("/later.txt")
