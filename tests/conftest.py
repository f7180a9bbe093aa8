"""Fixtures of every suite: a real engine, a real registry, the real docker CLI.

BERTH_TEST_DOCKER_HOST   run tests/root/test_cli_* against this engine (to learn what Docker itself does)
BERTH_TEST_IMAGE         the test image there (tests/support/images.py), as `name`
BERTH_TEST_NETNS         path of the network namespace in which that engine publishes ports
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker as docker_py
import pytest

from tests.support import images
from tests.support import registry as registry_support
from tests.support.docker_cli import Docker
from tests.support.instance import Instance
from tests.support.witness import watching

PEER = os.environ.get("BERTH_TEST_DOCKER_HOST", "")


@dataclass(frozen=True)
class Berth:
    """A whole product: engine and web tier, and the link for setting up the first admin."""

    instance: Instance
    url: str
    setup_link: str
    image: str


@pytest.fixture(scope="session")
def image_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A docker archive with testbox:latest and testbox:full."""
    path = tmp_path_factory.mktemp("images") / "testbox.tar"
    images.write_archive(path)
    return path


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, image_archive: Path) -> Iterator[str]:
    """A registry (`127.0.0.1:port`) with testbox:latest and testbox:full in it."""
    with registry_support.running(tmp_path_factory.mktemp("registry")) as address:
        images.push(image_archive, address)
        yield address


@pytest.fixture(scope="session")
def engine() -> Iterator[Instance]:
    """One engine for the session's tests; what it leaves behind at its end fails the session."""
    instance = Instance()
    try:
        instance.start("engine")
        yield instance
    finally:
        left = instance.destroy()
    assert not left, f"left behind by the engine: {left}"


@pytest.fixture(scope="session")
def docker_session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """The docker CLI on the session's engine, which has the test images; every answer's shape is checked."""
    config = tmp_path_factory.mktemp("docker-config")
    if PEER:
        yield Docker(PEER, os.environ["BERTH_TEST_IMAGE"], config, os.environ.get("BERTH_TEST_NETNS"))
        return
    instance: Instance = request.getfixturevalue("engine")
    address: str = request.getfixturevalue("registry")
    with watching(instance.folder / "witness.sock", instance.admin_socket) as witness:
        docker = Docker(f"unix://{witness.path}", f"{address}/testbox", config)
        for tag in ("latest", "full"):
            docker.ok("pull", "--quiet", f"{address}/testbox:{tag}")
        yield docker


@pytest.fixture
def docker(docker_session: Docker) -> Iterator[Docker]:
    """The docker CLI; containers, volumes and networks that the test made are removed after it."""
    yield docker_session
    docker_session.clean()


@pytest.fixture
def client(docker: Docker) -> Iterator[docker_py.DockerClient]:
    """docker-py on the same engine."""
    with_version = docker_py.DockerClient(base_url=docker.host, version="auto", timeout=60)
    yield with_version
    with_version.close()


@pytest.fixture(scope="session")
def berth(registry: str) -> Iterator[Berth]:
    """Engine and web tier as `make run` starts them, with a fresh database: the setup link is still good."""
    instance = Instance()
    try:
        instance.start("up")
        link = instance.wait_output(r"https?://\S*setup\S*").group(0)
        yield Berth(instance, instance.url, link, f"{registry}/testbox")
    finally:
        left = instance.destroy()
    assert not left, f"left behind by the engine: {left}"
