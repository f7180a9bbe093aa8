"""`docker pull` from a real registry: what a person sees, what is left when it fails."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator

import pytest

from tests.support import images
from tests.support.docker_cli import Docker, free_port

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("BERTH_TEST_DOCKER_HOST")), reason="the foreign engine can't reach our registry"
)


@pytest.fixture(scope="module")
def big(registry: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image whose two big layers do not compress, so that its pull has a progress to show."""
    folder = tmp_path_factory.mktemp("big")
    layers = [images.rootfs_layer(), _random_layer("one"), _random_layer("two")]
    archive = folder / "big.tar"
    images.write(archive, {"big:latest": (images.PLAIN, layers)})
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false",
         f"docker-archive:{archive}:big:latest", f"docker://{registry}/big:latest"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return f"{registry}/big"


@pytest.fixture
def unpulled(docker: Docker, big: str) -> Iterator[str]:
    """The big image's name, with the image not there before and after."""
    docker("rmi", big)
    yield big
    docker("rmi", big)


def test_pull_prints_layers_digest_and_status(docker: Docker, unpulled: str) -> None:
    lines = docker.ok("pull", unpulled).splitlines()
    assert lines[0] == "Using default tag: latest"
    assert lines[1] == f"latest: Pulling from {unpulled.partition('/')[2]}"
    assert sum("Pull complete" in line or "Already exists" in line for line in lines) >= 3
    assert re.fullmatch(r"Digest: sha256:[0-9a-f]{64}", lines[-3])
    assert lines[-2] == f"Status: Downloaded newer image for {unpulled}:latest"
    assert lines[-1] == f"{unpulled}:latest"


def test_pull_again_says_that_it_is_up_to_date(docker: Docker, unpulled: str) -> None:
    docker.ok("pull", unpulled)
    assert f"Status: Image is up to date for {unpulled}:latest" in docker.ok("pull", unpulled)


def test_pull_shows_progress_bars_on_a_terminal(docker: Docker, unpulled: str) -> None:
    with docker.terminal("pull", unpulled, columns=120) as terminal:
        terminal.expect(r"[0-9a-f]{12}: (Pulling fs layer|Waiting|Downloading)", 20)
        terminal.expect(r"Downloading\s+\[=*>?\s*\]\s+[\d.]+k?M?B/[\d.]+MB", 20)
        terminal.expect(r"Pull complete", 20)
        assert terminal.wait(20) == 0


def test_quiet_pull_prints_the_name_only(docker: Docker, unpulled: str) -> None:
    assert docker.ok("pull", "--quiet", unpulled) == f"{unpulled}:latest"


def test_layers_that_are_there_are_not_pulled_again(docker: Docker, unpulled: str) -> None:
    assert re.search(r"[0-9a-f]{12}: Already exists", docker.ok("pull", unpulled))


def test_pull_by_digest(docker: Docker, unpulled: str) -> None:
    docker.ok("pull", unpulled)
    digest = docker.inspect(unpulled)["RepoDigests"][0].partition("@")[2]
    docker.ok("rmi", unpulled)
    assert f"Digest: {digest}" in docker.ok("pull", f"{unpulled}@{digest}")
    assert docker.ok("run", "--rm", f"{unpulled}@{digest}", "echo", "by digest") == "by digest"
    docker.ok("rmi", f"{unpulled}@{digest}")


def test_run_pulls_what_is_missing(docker: Docker, unpulled: str) -> None:
    result = docker("run", "--rm", unpulled, "ls", "/big-one")
    assert result.out == "/big-one\n"
    assert f"Unable to find image '{unpulled}:latest' locally" in result.err


def test_an_unknown_tag_and_an_unknown_repository_are_named(docker: Docker, registry: str) -> None:
    error = docker.fails("pull", f"{registry}/testbox:nosuch")
    assert f"manifest for {registry}/testbox:nosuch not found: manifest unknown" in error
    error = docker.fails("pull", f"{registry}/no/such/thing")
    assert "not found" in error or "does not exist" in error


def test_an_unreachable_registry_is_named(docker: Docker) -> None:
    port = free_port()
    error = docker.fails("pull", f"127.0.0.1:{port}/x")
    assert f"127.0.0.1:{port}" in error
    assert "connection refused" in error.lower()


def test_a_pull_that_is_interrupted_goes_on_where_it_was(docker: Docker, unpulled: str, registry: str) -> None:
    with _cutting_proxy(registry, after=3 << 20) as port:
        name = f"127.0.0.1:{port}/{unpulled.partition('/')[2]}"
        docker.ok("pull", name, timeout=60)
        assert docker.ok("run", "--rm", name, "sh", "-c", "wc -c < /big-one").strip() == str(6 << 20)
        docker.ok("rmi", name)


def test_nothing_is_left_of_a_pull_that_was_given_up(docker: Docker, unpulled: str) -> None:
    with docker.terminal("pull", unpulled) as terminal:
        terminal.expect(r"Downloading|Pulling fs layer", 20)
        terminal.type("\x03")
        terminal.wait(20)
    assert docker("image", "inspect", unpulled).code in (0, 1)
    docker("rmi", unpulled)
    assert docker.ok("pull", "-q", unpulled) == f"{unpulled}:latest"


class _cutting_proxy:  # noqa: N801 - used as a context manager
    """A TCP proxy in front of a registry that cuts the first connections after so many bytes."""

    def __init__(self, registry: str, *, after: int) -> None:
        host, _, port = registry.rpartition(":")
        self._target = (host, int(port))
        self._after = after
        self._cuts = 2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> int:
        self._start(self._accept)
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *_exc: object) -> None:
        for end in (self._listener, *self._open):
            _shut(end)
            end.close()
        for thread in self._threads:
            thread.join(15)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(self._target)
            self._open += [client, upstream]
            self._start(self._pump, client, upstream, None)
            self._start(self._pump, upstream, client, self._after)

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        moved = 0
        try:
            while data := source.recv(65536):
                moved += len(data)
                if limit is not None and moved > limit and self._cuts > 0:
                    self._cuts -= 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(sink)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is


def _random_layer(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(f"big-{name}")
        info.size = 6 << 20
        tar.addfile(info, io.BytesIO(os.urandom(info.size)))
    return buffer.getvalue()
