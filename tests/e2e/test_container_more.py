"""A container's files, processes and story; edited with a plan, duplicated, renamed, saved as an image."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.docker_cli import Docker


def test_files_are_browsed_edited_and_uploaded(page: Page, docker: Docker) -> None:
    name = docker.name("files")
    docker.running("--name", name)
    script = "mkdir -p '/srv/<b>x'; echo one > /srv/note.txt; chmod 640 /srv/note.txt"
    docker.ok("exec", name, "sh", "-c", script)
    page.goto(f"/containers/{name}/files")
    page.locator('[data-testid=file][data-name="srv"] button').click()
    expect(page).to_have_url(re.compile("path=%2Fsrv"))
    note = page.locator('[data-testid=file][data-name="note.txt"]')
    expect(note).to_have_attribute("data-mark", "1")
    expect(note).to_contain_text("-rw-r-----")
    expect(page.locator('[data-testid=file][data-name="<b>x"]')).to_have_attribute("data-kind", "folder")
    note.get_by_role("button").click()
    text = page.get_by_test_id("file-text")
    expect(text).to_have_value("one\n")
    text.fill("two\n")
    page.keyboard.press("Control+s")
    expect(page.get_by_test_id("toast-done")).to_be_visible()
    assert docker.ok("exec", name, "sh", "-c", "cat /srv/note.txt; stat -c %a /srv/note.txt").split() == ["two", "640"]
    page.go_back()
    page.locator("input[type=file]").set_input_files([{"name": "up.txt", "mimeType": "text/plain", "buffer": b"hi"}])
    expect(page.locator('[data-testid=file][data-name="up.txt"]')).to_be_visible()
    assert docker.ok("exec", name, "cat", "/srv/up.txt") == "hi"
    page.goto(f"/containers/{name}/files?path=/nowhere")
    expect(page.get_by_test_id("files-error")).to_contain_text("/nowhere")


def test_processes_history_and_the_time_axis(page: Page, docker: Docker) -> None:
    name = docker.name("story")
    docker.running("--name", name, script="while :; do echo line; sleep 0.2; done")
    page.goto(f"/containers/{name}")
    expect(page.get_by_test_id("timeline").locator("rect.time-out").first).to_be_attached()
    axis = page.get_by_test_id("timeline").locator("svg[role=img]")
    expect(axis).to_have_attribute("aria-label", re.compile("started"))
    page.get_by_test_id("tab-processes").click()
    expect(page.get_by_test_id("process").first).to_be_visible()
    page.get_by_test_id("tab-history").click()
    expect(page.get_by_test_id("history")).to_contain_text("created")
    docker.ok("pause", name)
    expect(page.get_by_test_id("history")).to_contain_text("paused")
    docker.ok("unpause", name)


def test_an_edit_shows_its_plan_and_comes_back_when_it_fails(page: Page, docker: Docker) -> None:
    name = docker.name("edit")
    docker.running("--name", name, "-m", "64m", "-e", "A=1", "-l", "keep=me", script="echo x > /lost; sleep 600")
    before = docker.inspect(name)["Id"]
    page.goto(f"/containers/{name}")
    page.get_by_test_id("act-more").click()
    page.get_by_test_id("act-edit").click()
    expect(page.get_by_test_id("run-memory")).to_have_value("64m")
    expect(page.get_by_test_id("plan-lost")).to_contain_text("lost")
    expect(page.get_by_test_id("run-submit")).to_be_disabled()
    page.get_by_test_id("run-command").fill("/no/such/program")
    page.get_by_test_id("run-submit").click()
    expect(page.get_by_test_id("run-command")).to_have_attribute("aria-invalid", "true")
    found = docker.inspect(name)
    assert (found["Id"], found["State"]["Running"]) == (before, True)
    page.get_by_test_id("run-command").fill("sleep 500")
    page.get_by_test_id("run-memory").fill("96m")
    expect(page.locator("[data-testid=plan-change][data-field=memory]")).to_contain_text("96m")
    page.get_by_test_id("run-submit").click()
    expect(page).to_have_url(re.compile("/logs$"))
    found = docker.inspect(name)
    assert found["Id"] != before
    assert found["HostConfig"]["Memory"] == 96 * 1024**2
    assert found["Config"]["Labels"]["keep"] == "me"
    assert "A=1" in found["Config"]["Env"]
    docker.ok("rm", "-f", name)


def test_renamed_duplicated_and_saved_as_an_image(page: Page, docker: Docker) -> None:
    name, other, image = docker.name("was"), docker.name("is"), f"saved{docker.token.lower()}:1"
    docker.running("--name", name)
    page.goto(f"/containers/{docker.inspect(name)['Id'][:12]}")
    page.get_by_test_id("act-more").click()
    page.get_by_test_id("act-rename").click()
    page.get_by_test_id("rename-name").fill(other)
    page.get_by_test_id("rename-submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(other)
    page.get_by_test_id("act-more").click()
    page.get_by_test_id("act-commit").click()
    page.get_by_test_id("commit-name").fill(image)
    page.get_by_test_id("commit-submit").click()
    expect(page.get_by_test_id("toast-done")).to_contain_text(image)
    assert docker.ok("images", "-q", image)
    page.get_by_test_id("act-more").click()
    page.get_by_test_id("act-duplicate").click()
    expect(page.get_by_test_id("run-image")).to_have_value(docker.image)
    docker.ok("rm", "-f", other)
    docker.ok("rmi", image)


def test_a_run_line_becomes_the_form_and_the_form_a_compose_file(page: Page) -> None:
    page.goto("/run")
    page.get_by_test_id("run-line-edit").click()
    page.get_by_test_id("run-line").fill(
        "docker run -d --name web -p 8080:80 -e A=1 --cap-add NET_ADMIN nginx:1.27 sh -c 'sleep 1'"
    )
    page.get_by_test_id("run-line-take").click()
    expect(page.get_by_test_id("run-image")).to_have_value("nginx:1.27")
    expect(page.get_by_test_id("port-host")).to_have_value("8080")
    expect(page.get_by_test_id("run-line-left")).to_contain_text("--cap-add NET_ADMIN")
    page.get_by_text("Compose", exact=True).click()
    expect(page.get_by_test_id("run-preview-compose")).to_contain_text('command: ["sh", "-c", "sleep 1"]')
    page.get_by_text("API", exact=True).click()
    expect(page.get_by_test_id("run-preview-api")).to_contain_text('"PortBindings"')
