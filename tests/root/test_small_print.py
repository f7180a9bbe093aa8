"""What clients rely on and no other suite holds: the small print of Docker's API."""

from __future__ import annotations

import io
import json
import socket
import tarfile
from pathlib import Path
from urllib.parse import quote

import docker as docker_py
import pytest

from tests.support.docker_cli import Docker, eventually
from tests.support.instance import Instance


def test_limits_of_a_block_device_reach_the_cgroup(docker: Docker) -> None:
    found = (Path("/dev") / entry.name for entry in Path("/sys/block").iterdir())
    device = next((path for path in found if path.exists()), None)
    assert device is not None, "this test needs a block device, if only a loop device"
    number = device.stat().st_rdev
    name = docker.running("--device-write-bps", f"{device}:1mb", "--device-read-iops", f"{device}:77")
    found = docker.inspect(name)["HostConfig"]
    assert found["BlkioDeviceWriteBps"] == [{"Path": str(device), "Rate": 1 << 20}]
    assert found["BlkioDeviceReadIOps"] == [{"Path": str(device), "Rate": 77}]
    major, minor = number >> 8 & 0xFFF, number & 0xFF
    pid = docker.inspect(name)["State"]["Pid"]
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    groups = {controllers: group for _, controllers, group in lines}
    if "blkio" in groups:
        folder = Path("/sys/fs/cgroup/blkio" + groups["blkio"])
        assert f"{major}:{minor} {1 << 20}" in (folder / "blkio.throttle.write_bps_device").read_text()
        assert f"{major}:{minor} 77" in (folder / "blkio.throttle.read_iops_device").read_text()
    else:
        text = Path("/sys/fs/cgroup" + groups[""] + "/io.max").read_text()
        assert f"wbps={1 << 20}" in text
        assert "riops=77" in text
    refused = docker.fails("run", "--device-read-bps", "/dev/null:1mb", docker.image, "true", code=125)
    assert "/dev/null: not a block device" in refused


def test_what_an_update_can_not_change_is_refused_by_name(docker: Docker) -> None:
    name = docker.running()
    for field, value in (("Ulimits", [{"Name": "nofile", "Soft": 9, "Hard": 9}]), ("CgroupParent", "x")):
        status, body = docker.api("POST", f"/v1.50/containers/{name}/update", {field: value})
        assert (status, body["message"].partition(":")[0]) == (501, field)


def test_cp_with_a_gives_files_to_the_containers_user(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    name = docker.ok("create", "--user", "1000:1001", docker.image, "sh", "-c", "stat -c %u:%g /tmp/file /tmp/other")
    docker.ok("cp", "-a", tmp_path / "file", f"{name}:/tmp/file")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("other")
        entry.uid = entry.gid = 7
        archive.addfile(entry)
    with_py = docker_py.DockerClient(base_url=docker.host, version="auto")
    try:
        assert with_py.containers.get(name).put_archive("/tmp", buffer.getvalue())
    finally:
        with_py.close()
    assert docker.ok("start", "-a", name).splitlines() == ["1000:1001", "7:7"]


def test_a_working_folder_that_is_a_file_is_refused(docker: Docker) -> None:
    refused = docker.fails("run", "-w", "/etc/passwd", docker.image, "true", code=125)
    assert "Cannot mkdir: /etc/passwd is not a directory" in refused


def test_the_list_shows_the_image_id_where_the_tag_has_moved(docker: Docker) -> None:
    tag = f"{docker.name('moved')}:latest".lower()
    docker.ok("tag", docker.image, tag)
    name = docker.ok("create", tag, "true")
    base = docker.ok("create", docker.image, "sh")
    docker.ok("commit", base, tag)
    image = docker.inspect(name)["Image"].removeprefix("sha256:")
    shown = docker.ok("ps", "-a", "--filter", f"id={name}", "--format", "{{.Image}}")
    assert shown == image[:12]
    docker.ok("rm", name)
    docker.ok("rmi", tag)


def test_an_old_client_gets_what_it_knows(docker: Docker, engine: Instance) -> None:
    # Not by way of the witness: older answers have members that the definition dropped.
    old = docker_py.DockerClient(base_url=engine.docker_host, version="1.24", timeout=60)
    try:
        container = old.containers.run(docker.image, ["sh", "-c", "echo out; echo err >&2; cat"], detach=True,
                                       stdin_open=True)  # fmt: skip
        eventually(lambda: container.logs(stderr=True).count(b"\n") == 2)
        assert container.exec_run("true").exit_code == 0
        assert [found.id for found in old.containers.list(filters={"id": container.id})] == [container.id]
        assert old.images.list(docker.image)
        assert old.networks.list(names=["bridge"])[0].attrs["Containers"]
        assert old.version()["ApiVersion"] == "1.50"
        assert "read" in container.stats(stream=False)
        container.stop(timeout=0)
        assert container.wait()["StatusCode"] == 137
        container.remove()
    finally:
        old.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/swarm", 503),
        ("POST", "/swarm/leave", 503),
        ("GET", "/nodes", 503),
        ("GET", "/services", 503),
        ("GET", "/secrets", 503),
        ("GET", "/configs", 503),
        ("GET", "/tasks", 503),
        ("GET", "/plugins", 200),
        ("GET", "/plugins/x/json", 404),
        ("POST", "/swarm/init", 501),
        ("POST", "/containers/x/checkpoints", 501),
    ],
)
def test_swarm_and_plugins_answer_as_a_docker_in_no_swarm(docker: Docker, method: str, path: str, status: int) -> None:
    answer = docker.api(method, f"/v1.50{path}", {} if method == "POST" else None)
    assert answer[0] == status, answer


def test_leaving_an_exec_by_the_detach_keys_is_an_event(docker: Docker, client: docker_py.DockerClient) -> None:
    """The CLI finds the keys itself; docker-py leaves them to the engine."""
    name = docker.running()
    made = client.api.exec_create(name, "cat", stdin=True, tty=True, detach_keys="ctrl-x")
    stream = client.api.exec_start(made["Id"], tty=True, socket=True)
    stream._sock.sendall(b"hi\n\x18")
    query = quote(json.dumps({"container": [name], "event": ["exec_detach"]}))
    found = eventually(lambda: docker.api("GET", f"/v1.50/berth/journal?filters={query}")[1]["events"])
    assert found[0]["Actor"]["Attributes"]["execID"] == made["Id"]
    assert client.api.exec_inspect(made["Id"])["Running"] is True
    stream._sock.shutdown(socket.SHUT_RDWR)  # closing would wait for docker-py's own references
    stream.close()
