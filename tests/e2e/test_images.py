"""Images: a pull that is watched over a reload and cancelled, conflicts in the engine's words."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.docker_cli import Docker

SLOW = 250_000
"""Bytes a second of the slow line."""


@pytest.fixture
def slow_registry(registry: str) -> Iterator[str]:
    """The test registry behind a line that is slow enough to be watched."""
    host, _, port = registry.rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket, rate: int) -> None:
        try:
            while data := source.recv(16_384):
                target.sendall(data)
                time.sleep(len(data) / rate if rate else 0)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection((host, int(port))) as upstream:
            up = threading.Thread(target=pump, args=(client, upstream, 0))
            up.start()
            pump(upstream, client, SLOW)
            up.join()

    def listen() -> None:
        with listener:
            while not closing.is_set():
                try:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
                except TimeoutError:
                    pass

    closing = threading.Event()
    listener.settimeout(0.1)
    thread = threading.Thread(target=listen)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    closing.set()
    thread.join()


def pull(page: Page, image: str) -> None:
    """Ask for a pull in the dialog."""
    page.goto("/images")
    page.get_by_test_id("pull-open").click()
    page.get_by_test_id("pull-image").fill(image)
    page.get_by_test_id("pull-submit").click()


def test_the_progress_of_a_pull_survives_a_reload(page: Page, docker: Docker, slow_registry: str) -> None:
    for line in docker.ok("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        if "testbox" in line:
            docker.ok("rmi", "-f", line)
    pull(page, f"{slow_registry}/testbox")
    progress = page.get_by_test_id("pull-progress")
    expect(page.get_by_test_id("pull-layer").first).to_contain_text("Downloading")
    expect(progress).to_have_attribute("data-state", "running")
    page.reload()
    expect(progress).to_have_attribute("data-state", "running")
    expect(page.get_by_test_id("pull-layer").first).to_contain_text("Downloading")
    expect(progress).to_have_attribute("data-state", "done", timeout=60_000)
    page.get_by_test_id("pull-close").click()
    page.get_by_test_id("operations-open").click()
    expect(page.get_by_test_id("operation").first).to_have_attribute("data-state", "done")
    docker.ok("rmi", f"{slow_registry}/testbox")


def test_a_pull_is_cancelled(page: Page, docker: Docker, slow_registry: str) -> None:
    for line in docker.ok("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        if "testbox" in line:
            docker.ok("rmi", "-f", line)
    pull(page, f"{slow_registry}/testbox:full")
    expect(page.get_by_test_id("pull-layer").first).to_contain_text("Downloading")
    page.get_by_role("button", name="Cancel the pull").click()
    expect(page.get_by_test_id("pull-progress")).to_have_attribute("data-state", "cancelled")


def test_a_pull_that_fails_says_what_and_where(page: Page, registry: str) -> None:
    pull(page, f"{registry}/testbox:no-such-tag")
    expect(page.get_by_test_id("pull-error")).to_contain_text("no-such-tag")


def test_an_image_in_use_is_not_removed_and_the_reason_is_shown(page: Page, docker: Docker) -> None:
    name = docker.name("user")
    docker.running("--name", name)
    page.goto("/images")
    row = page.locator(f'[data-testid=image-row][data-image="{docker.image}:latest"]')
    expect(row).to_contain_text(re.compile(f"{name}|containers"))
    row.get_by_test_id("image-more").click()
    page.get_by_test_id("image-remove").click()
    page.get_by_test_id("ask-yes").click()
    expect(page.get_by_test_id("conflict-message")).to_contain_text("conflict: unable to remove repository reference")
    page.get_by_role("button", name="Cancel").click()
    docker.ok("rm", "-f", name)
    row.get_by_test_id("image-more").click()
    page.get_by_test_id("image-remove").click()
    page.get_by_test_id("ask-yes").click()
    expect(row).to_have_count(0)
