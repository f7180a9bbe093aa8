"""docker-py, the SDK that most Python tools use, against the admin socket."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import docker as docker_py
import pytest
from docker import errors
from docker.types import LogConfig, Mount, Ulimit

from tests.support.docker_cli import LABEL, Docker, eventually, free_port


@pytest.fixture
def made(docker: Docker) -> dict[str, Any]:
    """Arguments that mark a container as this test's, so that it is removed after it."""
    return {"labels": {LABEL: docker.token}}


def test_run_returns_the_output(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    assert client.containers.run(docker.image, "echo hello", remove=True, **made) == b"hello\n"


def test_run_of_a_failing_command_raises_with_its_status(
    client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]
) -> None:
    with pytest.raises(errors.ContainerError) as caught:
        client.containers.run(docker.image, ["sh", "-c", "echo no >&2; exit 7"], remove=True, **made)
    assert caught.value.exit_status == 7
    assert caught.value.stderr == b"no\n"


def test_an_unknown_image_is_image_not_found(client: docker_py.DockerClient, made: dict[str, Any]) -> None:
    with pytest.raises(errors.ImageNotFound):
        client.images.get("no-such-image")
    with pytest.raises(errors.ImageNotFound):
        client.api.create_container("no-such-image", **made)


def test_an_unknown_container_is_not_found(client: docker_py.DockerClient) -> None:
    with pytest.raises(errors.NotFound) as caught:
        client.containers.get("no-such-container")
    assert caught.value.explanation == "No such container: no-such-container"


def test_a_name_conflict_is_an_api_error_409(
    client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]
) -> None:
    name = docker.name()
    client.containers.create(docker.image, name=name, **made)
    with pytest.raises(errors.APIError) as caught:
        client.containers.create(docker.image, name=name, **made)
    assert caught.value.status_code == 409


def test_the_life_of_a_container(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    container = client.containers.create(
        docker.image, ["sh", "-c", "trap 'exit 4' TERM; echo up; while :; do sleep 0.1; done"],
        name=docker.name(), environment={"A": "1"}, working_dir="/tmp", hostname="box", mem_limit="64m",
        ulimits=[Ulimit(name="nofile", soft=100, hard=200)], log_config=LogConfig(type="json-file"), **made,
    )  # fmt: skip
    assert container.status == "created"
    container.start()
    container.reload()
    assert container.status == "running"
    eventually(lambda: container.logs() == b"up\n", 5, "the log")
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    new = docker.name()
    container.rename(new)
    assert client.containers.get(new).id == container.id
    container.stop(timeout=5)
    assert container.wait()["StatusCode"] == 4
    container.restart(timeout=1)
    container.kill()
    assert container.wait()["StatusCode"] == 137
    container.remove()
    with pytest.raises(errors.NotFound):
        container.reload()


def test_exec_with_output_apart_and_exit_code(
    client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]
) -> None:
    container = client.containers.run(docker.image, ["sleep", "60"], detach=True, **made)
    code, (out, err) = container.exec_run(["sh", "-c", "echo o; echo e >&2; exit 3"], demux=True)
    assert (code, out, err) == (3, b"o\n", b"e\n")
    code, out = container.exec_run("pwd", workdir="/tmp", user="app", environment={"X": "y"})
    assert (code, out) == (0, b"/tmp\n")


def test_exec_by_socket_is_interactive(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    container = client.containers.run(docker.image, ["sleep", "60"], detach=True, **made)
    exec_id = client.api.exec_create(container.id, "cat", stdin=True)["Id"]
    stream = client.api.exec_start(exec_id, socket=True)
    raw = stream._sock
    raw.settimeout(5)
    raw.sendall(b"ping\n")
    received = b""
    while len(received) < 13:
        received += raw.recv(100)
    assert received == b"\x01\0\0\0\0\0\0\x05ping\n"
    raw.shutdown(socket.SHUT_RDWR)  # closing would wait for docker-py's own references
    stream.close()


def test_attach_by_socket(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    container = client.containers.create(docker.image, ["cat"], stdin_open=True, **made)
    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    raw = stream._sock
    raw.settimeout(5)
    raw.sendall(b"typed\n")
    received = b""
    while len(received) < 14:
        received += raw.recv(100)
    assert received == b"\x01\0\0\0\0\0\0\x06typed\n"
    raw.shutdown(socket.SHUT_RDWR)  # closing would wait for docker-py's own references
    stream.close()


def test_logs_are_streamed(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    script = "for i in 1 2 3; do echo $i; sleep 0.1; done"
    container = client.containers.run(docker.image, ["sh", "-c", script], detach=True, **made)
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n"
    assert container.logs(tail=1) == b"3\n"
    assert container.logs(stdout=False) == b""


def test_stats_have_dockers_fields(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    container = client.containers.run(docker.image, ["sh", "-c", "while :; do :; done"], detach=True, **made)
    stats = container.stats(stream=False)
    assert stats["id"] == container.id
    assert stats["cpu_stats"]["cpu_usage"]["total_usage"] > stats["precpu_stats"]["cpu_usage"]["total_usage"]
    assert stats["memory_stats"]["usage"] > 0
    assert stats["memory_stats"]["limit"] > stats["memory_stats"]["usage"]
    assert stats["pids_stats"]["current"] >= 1
    assert stats["networks"]["eth0"]["rx_bytes"] >= 0
    container.kill()


def test_top(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    container = client.containers.run(docker.image, ["sleep", "60"], detach=True, **made)
    assert container.top()["Titles"][0] == "UID"
    # The runtime's own process becomes the command a moment after start has answered.
    eventually(lambda: container.top()["Processes"][0][-1] == "sleep 60", 5, "the command")


def test_events_are_streamed(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    seen: list[str] = []
    events = client.events(decode=True, filters={"label": f"{LABEL}={docker.token}", "type": "container"})

    def collect() -> None:
        seen.extend(event["Action"] for event in events)

    thread = threading.Thread(target=collect)
    thread.start()
    time.sleep(0.3)
    client.containers.run(docker.image, "true", remove=True, **made)
    eventually(lambda: "destroy" in seen, 10, "the last event")
    events.close()
    thread.join(5)
    assert [action for action in seen if action != "attach"] == ["create", "start", "die", "destroy"]


def test_ports_and_networks(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    port = free_port()
    command = ["httpd", "-f", "-p", "80", "-h", "/www"]
    ports = {"80/tcp": ("127.0.0.1", port)}
    container = client.containers.run(docker.image, command, ports=ports, detach=True, **made)
    container.reload()
    assert container.ports == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}

    def page() -> str:
        try:
            return docker.fetch(port, "/index.html")
        except OSError:
            return ""

    eventually(lambda: page() == "hello from the container\n", 5, "the page")
    name = docker.name("net")
    network = client.networks.create(name, driver="bridge", labels={"a": "1"})
    network.connect(container, aliases=["alias"])
    network.reload()
    assert [attached.id for attached in network.containers] == [container.id]
    network.disconnect(container)
    network.remove()
    assert client.networks.list(names=[name]) == []


def test_volumes_and_mounts(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    volume = client.volumes.create(docker.name("v"), labels={"a": "1"})
    mounts = [Mount("/data", volume.name), Mount("/fast", "", type="tmpfs", tmpfs_size=1 << 20)]
    client.containers.run(docker.image, ["sh", "-c", "echo kept > /data/x"], mounts=mounts, remove=True, **made)
    out = client.containers.run(
        docker.image, ["cat", "/data/x"], volumes={volume.name: {"bind": "/data", "mode": "ro"}}, remove=True, **made
    )
    assert out == b"kept\n"
    volume.remove()
    with pytest.raises(errors.NotFound):
        client.volumes.get(volume.name)


def test_lists_and_filters(client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]) -> None:
    running = client.containers.run(docker.image, ["sleep", "60"], detach=True, **made)
    created = client.containers.create(docker.image, "true", **made)
    mine = {"label": f"{LABEL}={docker.token}"}

    def ids(**query: Any) -> list[str]:
        return [found.id for found in client.containers.list(**query)]

    assert ids(filters=mine) == [running.id]
    assert ids(all=True, filters=mine) == [created.id, running.id]
    assert ids(all=True, filters=mine | {"status": "created"}) == [created.id]


def test_system_calls(client: docker_py.DockerClient) -> None:
    assert client.ping() is True
    assert client.version()["Os"] == "linux"
    assert client.info()["OSType"] == "linux"
    assert {"Images", "Containers", "Volumes"} <= set(client.df())


def test_waiting_for_the_next_exit_and_removal(
    client: docker_py.DockerClient, docker: Docker, made: dict[str, Any]
) -> None:
    container = client.containers.create(docker.image, ["sh", "-c", "exit 5"], **made)
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.append(container.wait(condition="next-exit")))
    thread.start()
    time.sleep(0.2)
    container.start()
    thread.join(10)
    assert results[0]["StatusCode"] == 5
    thread = threading.Thread(target=lambda: results.append(container.wait(condition="removed")))
    thread.start()
    time.sleep(0.2)
    container.remove()
    thread.join(10)
    assert results[1]["StatusCode"] == 5


def test_twenty_clients_at_once(docker: Docker, made: dict[str, Any]) -> None:
    outputs: dict[int, bytes] = {}

    def one(number: int) -> None:
        own = docker_py.DockerClient(base_url=docker.host, version="auto", timeout=60)
        try:
            outputs[number] = own.containers.run(docker.image, ["echo", str(number)], remove=True, **made)
        finally:
            own.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: f"{number}\n".encode() for number in range(20)}


def test_push_tells_its_progress_and_load_brings_a_saved_image_back(
    client: docker_py.DockerClient, docker: Docker, registry: str
) -> None:
    name = f"{registry}/py/pushed"
    image = client.images.get(docker.image)
    assert image.tag(name, "1")
    lines = list(client.images.push(name, "1", stream=True, decode=True))
    assert lines[0] == {"status": f"The push refers to repository [{name}]"}
    assert f"{name}@{lines[-1]['aux']['Digest']}" in client.images.get(f"{name}:1").attrs["RepoDigests"]
    assert f"tag does not exist: {name}:nosuch" in client.images.push(name, "nosuch")
    assert client.images.get_registry_data(f"{name}:1").id == lines[-1]["aux"]["Digest"]
    archive = b"".join(client.images.get(f"{name}:1").save(named=True))
    client.images.remove(f"{name}:1")
    assert [loaded.id for loaded in client.images.load(archive)] == [image.id]
    client.images.remove(f"{name}:1")
