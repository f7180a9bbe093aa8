"""What needs somebody comes first with its cause and a way out; the journal is live and filtered by its address."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.docker_cli import Docker


def test_trouble_comes_first_and_its_way_out_works(page: Page, docker: Docker) -> None:
    failed, hungry = docker.name("failed"), docker.name("hungry")
    page.goto("/overview")
    expect(page.get_by_test_id("needs")).to_be_visible()
    docker("run", "--name", failed, docker.image, "sh", "-c", "echo cannot open config >&2; exit 3")
    line = page.get_by_test_id("need").filter(has_text=failed)
    expect(line).to_contain_text("exit code 3")
    expect(line).to_contain_text("cannot open config")
    docker("run", "--name", hungry, "-m", "16m", docker.image, "sh", "-c", "head -c 100m /dev/zero | tail")
    starved = page.get_by_test_id("need").filter(has_text=hungry)
    expect(starved).to_contain_text("limit 16 MiB")
    starved.get_by_role("button", name="Allow 32 MiB and start").click()
    page.wait_for_function("document.body.innerText.includes('limits changed')")
    assert docker.inspect(hungry)["HostConfig"]["Memory"] == 32 * 1024**2
    line.get_by_role("button", name="Logs").click()
    expect(page).to_have_url(re.compile("/logs$"))
    docker.ok("rm", "-f", failed, hungry)
    page.goto("/overview")
    expect(page.get_by_label("Disk:")).to_be_visible()
    expect(page.get_by_test_id("need").filter(has_text=failed)).to_have_count(0)


def test_the_journal_is_live_and_filtered(page: Page, docker: Docker) -> None:
    name = docker.name("journal")
    page.goto(f"/events?q={name}")
    docker.running("--name", name)
    events = page.get_by_test_id("event")
    expect(events.filter(has_text="started")).to_have_count(1)
    docker.ok("exec", name, "true")
    docker.ok("pause", name)
    expect(events.filter(has_text="paused")).to_have_count(1)
    expect(events.filter(has_text="command")).to_have_count(0)
    page.get_by_test_id("events-all").click()
    expect(events.filter(has_text="command run: true").first).to_be_visible()
    page.get_by_test_id("events-type").select_option("network")
    expect(page).to_have_url(re.compile("type=network"))
    expect(events.filter(has_text="paused")).to_have_count(0)
    docker.ok("unpause", name)


def test_networks_tell_ports_and_who_reaches_whom(page: Page, docker: Docker) -> None:
    net, web, db = docker.name("net"), docker.name("web"), docker.name("db")
    docker.ok("network", "create", net)
    docker.running("--name", web, "-p", "127.0.0.1::80")
    docker.running("--name", db, "--network", net)
    page.goto(f"/networks?from={web}&to={db}")
    expect(page.get_by_test_id("reach")).to_have_attribute("data-yes", "false")
    docker.ok("network", "connect", net, web)
    expect(page.get_by_test_id("reach")).to_have_attribute("data-yes", "true")
    expect(page.get_by_test_id("reach")).to_contain_text(net)
    page.get_by_text("Published ports", exact=True).click()
    port = docker.ok("port", web, "80").rpartition(":")[2]
    expect(page.locator(f'[data-testid=port-row][data-port="{port}"]')).to_contain_text(web)
    page.get_by_text("Graph", exact=True).click()
    expect(page.get_by_test_id("network-graph").get_by_role("link", name=db)).to_be_visible()
    docker.ok("rm", "-f", web, db)
    docker.ok("network", "rm", net)
