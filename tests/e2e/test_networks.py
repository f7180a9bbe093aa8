"""Networks: made here or by the CLI, shown at once with their containers; one in use stays, and the engine says why."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.docker_cli import Docker

SUBNET = "10.231.59.0/24"


def test_networks_come_and_go_while_the_page_is_open(page: Page, docker: Docker) -> None:
    made, other, user = docker.name("made"), docker.name("other"), docker.name("user")
    page.goto("/containers")
    page.get_by_test_id("nav-networks").click()
    expect(
        page.locator('[data-testid=network-row][data-name="bridge"]').get_by_test_id("network-remove")
    ).to_have_count(0)
    page.get_by_test_id("network-create").click()
    page.get_by_test_id("network-name").fill(made)
    page.get_by_test_id("network-subnet").fill("10.231.59.0/99")
    page.get_by_test_id("network-internal").check()
    page.get_by_test_id("network-submit").click()
    expect(page.get_by_test_id("network-subnet")).to_have_attribute("aria-invalid", "true")
    page.get_by_test_id("network-subnet").fill(SUBNET)
    page.keyboard.press("Enter")
    row = page.locator(f'[data-testid=network-row][data-name="{made}"]')
    expect(row).to_contain_text(SUBNET)
    shown = docker.ok("network", "inspect", "-f", "{{.Internal}} {{(index .IPAM.Config 0).Subnet}}", made)
    assert shown.split() == ["true", SUBNET]

    docker.ok("network", "create", other)
    expect(page.locator(f'[data-testid=network-row][data-name="{other}"]')).to_be_visible()
    page.get_by_test_id("networks-filter").fill(other)
    expect(row).to_have_count(0)
    docker.ok("network", "rm", other)
    expect(page.get_by_test_id("network-row")).to_have_count(0)
    page.get_by_test_id("networks-filter").fill("")

    docker.running("--name", user)
    docker.ok("network", "connect", made, user)
    link = row.get_by_role("link", name=re.compile(rf"{user} · 10\.231\.59\.\d+"))
    expect(link).to_have_attribute("href", re.compile(r"/containers/[0-9a-f]{12}$"))

    docker.ok("network", "disconnect", made, user)
    expect(link).to_have_count(0)
    docker.ok("network", "connect", made, user)
    expect(link).to_be_visible()

    row.get_by_test_id("network-remove").click()
    page.get_by_test_id("ask-yes").click()
    expect(page.get_by_test_id("conflict-message")).to_contain_text("has active endpoints")
    docker.ok("network", "disconnect", made, user)
    expect(row).to_contain_text("unused")
    page.get_by_test_id("ask-yes").click()
    expect(row).to_have_count(0)
    assert made not in docker.ok("network", "ls", "--format", "{{.Name}}")


def test_volumes_and_networks_fit_a_phone(page: Page, docker: Docker) -> None:
    volume = docker.name("volume")
    docker.ok("volume", "create", volume)
    page.set_viewport_size({"width": 390, "height": 780})
    for path, row, remove in (("/volumes", volume, "volume-remove"), ("/networks", "bridge", "")):
        page.goto(path)
        shown = page.locator(f'[data-name="{row}"]')
        expect(shown).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate("[...document.querySelectorAll('.bottom a')].every(a => a.scrollWidth <= a.clientWidth)")
        if remove:
            expect(shown.get_by_test_id(remove)).to_be_in_viewport(ratio=1)
    docker.ok("volume", "rm", volume)
