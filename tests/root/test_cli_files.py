"""docker cp, diff, export and commit: the files of a container, in and out."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.support.docker_cli import Docker


def tar_of(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar.getmembers()}


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_file_goes_in_and_comes_out_unchanged(docker: Docker, tmp_path: Path, running: bool) -> None:
    source = tmp_path / "data.bin"
    source.write_bytes(os.urandom(300_000))
    source.chmod(0o640)
    cid = docker.running() if running else docker.ok("create", docker.image, "true")
    docker.ok("cp", source, f"{cid}:/srv-copy.bin")
    docker.ok("cp", f"{cid}:/srv-copy.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == source.read_bytes()
    assert (tmp_path / "back.bin").stat().st_mode & 0o777 == 0o640


def test_a_folder_goes_in_with_its_links(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "tree/inner").mkdir(parents=True)
    (tmp_path / "tree/inner/file").write_text("text")
    (tmp_path / "tree/link").symlink_to("inner/file")
    cid = docker.running()
    docker.ok("cp", tmp_path / "tree", f"{cid}:/")
    assert docker.ok("exec", cid, "cat", "/tree/link") == "text"
    assert docker.ok("exec", cid, "readlink", "/tree/link") == "inner/file"


def test_what_lies_in_a_volume_is_reached_in_both_states(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    cid = docker.ok("run", "-d", "-v", "/data", docker.image, "sleep", "60")
    docker.ok("cp", tmp_path / "file", f"{cid}:/data/file")
    assert docker.ok("exec", cid, "cat", "/data/file") == "kept"
    docker.ok("kill", cid)
    docker.ok("cp", f"{cid}:/data/file", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "kept"


def test_a_link_in_the_container_does_not_lead_out_of_it(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "file").write_text("x")
    cid = docker.running()
    docker.ok("exec", cid, "ln", "-s", str(tmp_path / "victim"), "/escape")
    docker("cp", tmp_path / "file", f"{cid}:/escape/file")
    assert list((tmp_path / "victim").iterdir()) == []
    result = docker("cp", f"{cid}:/escape/../../../../etc/machine-id", tmp_path / "stolen")
    assert result.code != 0
    assert not (tmp_path / "stolen").exists()


def test_a_tar_with_dots_is_refused_and_writes_nothing(docker: Docker, tmp_path: Path) -> None:
    member = tarfile.TarInfo("../../escaped")
    member.size = 1
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.addfile(member, io.BytesIO(b"x"))
    cid = docker.running()
    result = docker("cp", "-", f"{cid}:/tmp", stdin=data.getvalue())
    assert result.code != 0
    assert ".." in result.err
    assert docker("exec", cid, "ls", "/escaped").code != 0


def test_a_missing_path_is_told_with_dockers_words(docker: Docker, tmp_path: Path) -> None:
    cid = docker.running()
    assert "Could not find the file /nothing/here in container" in docker.fails(
        "cp", f"{cid}:/nothing/here", tmp_path / "x"
    )


def test_a_read_only_root_takes_nothing(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cid = docker.ok("run", "-d", "--read-only", docker.image, "sleep", "60")
    assert "read-only" in docker.fails("cp", tmp_path / "file", f"{cid}:/file")


def test_diff_tells_added_changed_and_deleted(docker: Docker) -> None:
    cid = docker.running()
    docker.ok("exec", cid, "sh", "-c", "echo 1 > /added; echo 2 >> /etc/passwd; rm /etc/group")
    assert set(docker.ok("diff", cid).splitlines()) == {"A /added", "C /etc", "C /etc/passwd", "D /etc/group"}


def test_export_is_the_whole_root_without_volumes(docker: Docker, tmp_path: Path) -> None:
    cid = docker.ok(
        "run", "-d", "-v", "/data", docker.image, "sh", "-c", "echo v > /data/in; echo r > /root-file; sleep 60"
    )
    docker.ok("exec", cid, "sh", "-c", "while ! [ -s /root-file ]; do :; done")
    docker.ok("export", "-o", tmp_path / "root.tar", cid)
    found = tar_of((tmp_path / "root.tar").read_bytes())
    names = {name.removeprefix("./") for name in found}
    assert {"root-file", "etc/passwd", "bin/busybox"} <= names
    assert "data/in" not in names


def test_commit_makes_an_image_that_runs_with_the_changes(docker: Docker) -> None:
    cid = docker.ok("create", "-e", "A=1", docker.image, "sh", "-c", "echo made > /made; rm /etc/group; mkdir /new")
    docker.ok("start", "-a", cid)
    tag = f"{docker.name()}:v1"
    image = docker.ok("commit", "-m", "why", "-a", "who", "-c", "CMD cat /made", "-c", "ENV B=2", cid, tag)
    try:
        assert docker.ok("run", "--rm", tag) == "made"
        assert docker.ok("run", "--rm", tag, "sh", "-c", "echo $A$B; ls /etc/group; ls -d /new").splitlines() == [
            "12",
            "/new",
        ]
        found = docker.inspect(image)
        assert (found["Comment"], found["Author"]) == ("why", "who")
        assert len(found["RootFS"]["Layers"]) == len(docker.inspect(docker.image)["RootFS"]["Layers"]) + 1
    finally:
        docker.ok("rmi", tag)


def test_commit_of_a_running_container_lets_it_go_on(docker: Docker) -> None:
    cid = docker.running()
    image = docker.ok("commit", cid)
    try:
        assert docker.inspect(cid)["State"]["Status"] == "running"
        assert docker.ok("exec", cid, "echo", "alive") == "alive"
    finally:
        docker.ok("rmi", image)
