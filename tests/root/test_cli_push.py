"""`docker push` to a real registry: what a person sees, and what others pull from there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.docker_cli import Docker, free_port

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("BERTH_TEST_DOCKER_HOST")), reason="the foreign engine can't reach our registry"
)


def skopeo_inspects(name: str) -> dict[str, object]:
    """Return what skopeo says of an image at its registry."""
    done = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def test_push_prints_layers_and_digest_and_a_pull_brings_it_back(docker: Docker, registry: str) -> None:
    name = f"{registry}/cli/pushed"
    docker.ok("tag", docker.image, f"{name}:latest")
    lines = docker.ok("push", name).splitlines()
    assert lines[:2] == ["Using default tag: latest", f"The push refers to repository [{name}]"]
    assert sum(bool(re.fullmatch(r"[0-9a-f]{12}: (Pushed|Mounted from \S+|Layer already exists)", x)) for x in lines)
    found = re.fullmatch(r"latest: digest: (sha256:[0-9a-f]{64}) size: (\d+)", lines[-1])
    assert found, lines
    assert skopeo_inspects(f"{name}:latest")["Digest"] == found[1]
    assert f"{name}@{found[1]}" in docker.inspect(f"{name}:latest")["RepoDigests"]
    assert "Layer already exists" in docker.ok("push", name)
    docker.ok("rmi", f"{name}:latest")
    assert f"Digest: {found[1]}" in docker.ok("pull", name)
    assert docker.ok("run", "--rm", name, "echo", "back") == "back"
    docker.ok("rmi", f"{name}:latest")


def test_quiet_push_prints_the_name_only(docker: Docker, registry: str) -> None:
    docker.ok("tag", docker.image, f"{registry}/cli/quiet:1")
    assert docker.ok("push", "--quiet", f"{registry}/cli/quiet:1") == f"{registry}/cli/quiet:1"
    docker.ok("rmi", f"{registry}/cli/quiet:1")


def test_push_of_all_tags(docker: Docker, registry: str) -> None:
    for tag in ("a", "b"):
        docker.ok("tag", docker.image, f"{registry}/cli/all:{tag}")
    lines = docker.ok("push", "--all-tags", f"{registry}/cli/all").splitlines()
    assert [line.partition(":")[0] for line in lines if ": digest: " in line] == ["a", "b"]
    assert skopeo_inspects(f"{registry}/cli/all:a")["Digest"] == skopeo_inspects(f"{registry}/cli/all:b")["Digest"]
    docker.ok("rmi", f"{registry}/cli/all:a", f"{registry}/cli/all:b")


def test_what_cannot_be_pushed_is_named(docker: Docker) -> None:
    name = f"127.0.0.1:{free_port()}/x"
    assert f"An image does not exist locally with the tag: {name}" in docker.fails("push", f"{name}:1")
    docker.ok("tag", docker.image, f"{name}:1")
    assert f"tag does not exist: {name}:2" in docker.fails("push", f"{name}:2")
    assert "connection refused" in docker.fails("push", f"{name}:1")
    docker.ok("rmi", f"{name}:1")


def test_a_committed_container_is_pushed(docker: Docker, registry: str, tmp_path: Path) -> None:
    name = f"{registry}/cli/committed:1"
    container = docker.ok("run", "-d", docker.image, "sh", "-c", "echo new > /new")
    docker.ok("wait", container)
    docker.ok("commit", container, name)
    docker.ok("rm", container)
    docker.ok("push", name)
    docker.ok("rmi", name)
    assert docker.ok("run", "--rm", "--pull=always", "--quiet", name, "cat", "/new") == "new"
    docker.ok("rmi", name)
    done = subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false",
         f"docker://{name}", f"oci:{tmp_path}/layout:1"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_load_that_shows_its_progress_reads_all_of_the_archive(docker: Docker, registry: str, tmp_path: Path) -> None:
    name, archive = f"{registry}/cli/big:1", tmp_path / "big.tar"
    container = docker.ok("run", "-d", docker.image, "sh", "-c", "dd if=/dev/urandom of=/big bs=1M count=3")
    docker.ok("wait", container)
    docker.ok("commit", container, name)
    docker.ok("save", "-o", str(archive), name)
    docker.ok("rm", container)
    docker.ok("rmi", name)
    with docker.terminal("load", "-i", str(archive)) as terminal:
        terminal.expect(f"Loaded image: {name}", 20)
        assert terminal.wait(20) == 0
    docker.ok("rmi", name)


def test_a_bad_archive_fails_the_load(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"garbage" * 1000)
    assert "invalid tar header" in docker.fails("load", "-i", str(tmp_path / "bad.tar"))
