"""Debian's docker-compose 1.29 against the engine: a stack goes up, is scaled, shows its logs and goes down."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.docker_cli import Docker, eventually

STACK = """\
version: "3"
services:
  web:
    image: {image}
    command: sh -c "mkdir -p /www; echo hello from the stack > /www/index.html; exec httpd -f -p 80 -h /www"
    ports: ["127.0.0.1::80"]
    networks: [front]
    volumes: ["data:/data"]
    environment: [KIND=web]
  client:
    image: {image}
    depends_on: [web]
    links: ["web:shop"]
    command: sh -c "until wget -q -O - http://shop/; do sleep 0.1; done; exec sleep 300"
    networks: [front]
networks:
  front:
volumes:
  data:
"""
Compose = Callable[..., str]


@pytest.fixture
def compose(docker: Docker, tmp_path: Path) -> Iterator[Compose]:
    """Run docker-compose on the stack; it is taken down after the test."""
    path = tmp_path / "docker-compose.yml"
    path.write_text(STACK.format(image=docker.image))
    project = docker.name("stack").replace("-", "")

    def run(*args: str) -> str:
        done = subprocess.run(
            ["docker-compose", "--no-ansi", "-f", path, "-p", project, *args],
            env=docker.environ(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    run("down", "-v", "-t", "0")


def test_a_stack_goes_up_is_scaled_tells_its_logs_and_goes_down(docker: Docker, compose: Compose) -> None:
    compose("up", "-d")
    web, client = compose("ps", "-q", "web").strip(), compose("ps", "-q", "client").strip()
    assert docker.inspect(web)["State"]["Running"]
    eventually(lambda: "hello from the stack" in compose("logs", "client"), 20, "the link `shop` resolves")
    port = int(compose("port", "web", "80").rpartition(":")[2])
    assert docker.fetch(port).strip() == "hello from the stack"
    assert docker.ok("exec", web, "sh", "-c", "echo $KIND") == "web"
    volume, network = docker.inspect(web)["Mounts"][0]["Name"], docker.inspect(web)["HostConfig"]["NetworkMode"]
    compose("up", "-d", "--scale", "client=3")
    clients = compose("ps", "-q", "client").split()
    assert len(clients) == 3
    assert client in clients
    compose("up", "-d", "--scale", "client=1")
    assert compose("ps", "-q", "client").split() == [client]
    assert compose("ps", "-q", "web").strip() == web
    compose("restart", "-t", "0", "client")
    table = compose("ps")
    assert table.count(" Up ") == 2
    assert f"127.0.0.1:{port}->80/tcp" in table
    assert compose("exec", "-T", "web", "sh", "-c", "echo kept > /data/note; echo $KIND").strip() == "web"
    compose("down", "-t", "0")
    compose("up", "-d", "web")
    web = compose("ps", "-q", "web").strip()
    assert docker.ok("exec", web, "cat", "/data/note") == "kept"
    compose("down", "-v", "-t", "0")
    for kind, name in (("container", web), ("volume", volume), ("network", network)):
        assert docker(kind, "inspect", name).code != 0
