"""Named and anonymous volumes, binds, tmpfs, read-only roots."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.docker_cli import Docker


def test_a_named_volume_keeps_its_files(docker: Docker) -> None:
    volume = docker.name("v")
    docker.ok("run", "--rm", "-v", f"{volume}:/data", docker.image, "sh", "-c", "echo kept > /data/file")
    assert docker.ok("run", "--rm", "-v", f"{volume}:/data:ro", docker.image, "cat", "/data/file") == "kept"
    found = docker.inspect(volume)
    assert (found["Driver"], found["Scope"], found["Name"]) == ("local", "local", volume)
    assert Path(found["Mountpoint"], "file").read_text() == "kept\n"


def test_volumes_are_created_listed_and_removed(docker: Docker) -> None:
    volume = docker.name("v")
    assert docker.ok("volume", "create", "--label", "a=1", volume) == volume
    assert docker.inspect(volume)["Labels"] == {"a": "1"}
    assert docker.ok("volume", "ls", "-q", "--filter", f"name={volume}") == volume
    assert docker.ok("volume", "create", volume) == volume
    assert docker.ok("volume", "rm", volume) == volume
    assert f"get {volume}: no such volume" in docker.fails("volume", "inspect", volume)


def test_a_volume_in_use_is_not_removed(docker: Docker) -> None:
    volume = docker.name("v")
    cid = docker.ok("create", "-v", f"{volume}:/data", docker.image)
    assert f"remove {volume}: volume is in use - [{cid}]" in docker.fails("volume", "rm", volume)
    docker.ok("rm", cid)
    docker.ok("volume", "rm", volume)


def test_an_anonymous_volume_goes_with_v_and_stays_without(docker: Docker) -> None:
    for args, stays in ((["rm"], True), (["rm", "-v"], False)):
        cid = docker.ok("create", "-v", "/data", docker.image)
        volume = docker.inspect(cid)["Mounts"][0]["Name"]
        assert re.fullmatch("[0-9a-f]{64}", volume)
        docker.ok(*args, cid)
        assert (docker("volume", "inspect", volume).code == 0) is stays
        docker("volume", "rm", volume)


def test_a_new_volume_is_filled_from_the_image_with_owners_and_modes(docker: Docker) -> None:
    volume = docker.name("v")
    script = "cat /seeded/hello; stat -c '%u %a' /seeded"
    out = docker.ok("run", "--rm", "-v", f"{volume}:/seeded", docker.image, "sh", "-c", script)
    assert out.splitlines() == ["from the image", "1000 750"]
    docker.ok("run", "--rm", "-v", f"{volume}:/seeded", docker.image, "sh", "-c", "echo mine > /seeded/hello")
    assert docker.ok("run", "--rm", "-v", f"{volume}:/seeded", docker.image, "cat", "/seeded/hello") == "mine"


def test_nocopy_leaves_a_new_volume_empty(docker: Docker) -> None:
    volume = docker.name("v")
    out = docker.ok("run", "--rm", "-v", f"{volume}:/seeded:nocopy", docker.image, "ls", "/seeded")
    assert out == ""


def test_the_images_volumes_are_made(docker: Docker) -> None:
    cid = docker.ok("create", f"{docker.image}:full")
    mount = docker.inspect(cid)["Mounts"][0]
    assert (mount["Type"], mount["Destination"], mount["RW"], mount["Driver"]) == ("volume", "/seeded", True, "local")


def test_a_bind_shows_the_hosts_files(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the host\n")
    script = "cat /mnt/in; echo from the container > /mnt/out"
    assert docker.ok("run", "--rm", "-v", f"{tmp_path}:/mnt", docker.image, "sh", "-c", script) == "from the host"
    assert (tmp_path / "out").read_text() == "from the container\n"


def test_a_bind_of_one_file(docker: Docker, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("setting\n")
    assert docker.ok("run", "--rm", "-v", f"{file}:/etc/deep/config:ro", docker.image, "cat", "/etc/deep/config") == (
        "setting"
    )


def test_a_read_only_bind_can_not_be_written(docker: Docker, tmp_path: Path) -> None:
    result = docker("run", "--rm", "-v", f"{tmp_path}:/mnt:ro", docker.image, "touch", "/mnt/x")
    assert result.code == 1
    assert "Read-only file system" in result.err


def test_v_makes_a_missing_host_folder_and_mount_refuses_it(docker: Docker, tmp_path: Path) -> None:
    missing = tmp_path / "new"
    docker.ok("run", "--rm", "-v", f"{missing}:/mnt", docker.image, "true")
    assert missing.is_dir()
    other = tmp_path / "other"
    error = docker.fails("create", "--mount", f"type=bind,source={other},target=/mnt", docker.image)
    assert f"bind source path does not exist: {other}" in error
    assert 'invalid mount config for type "bind"' in error


def test_mount_options_for_volume_and_tmpfs(docker: Docker) -> None:
    volume = docker.name("v")
    out = docker.ok(
        "run", "--rm", "--mount", f"type=volume,source={volume},target=/data,readonly",
        "--mount", "type=tmpfs,target=/fast,tmpfs-size=1048576,tmpfs-mode=700",
        docker.image, "sh", "-c", "touch /data/x || echo read-only; stat -c %a /fast; grep ' /fast ' /proc/mounts",
    )  # fmt: skip
    assert out.splitlines()[:2] == ["read-only", "700"]
    assert re.search(r"^tmpfs /fast tmpfs .*size=1024k", out, re.MULTILINE)


def test_tmpfs_has_dockers_options(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--tmpfs", "/t:size=2m,exec", docker.image, "grep", " /t ", "/proc/mounts")
    assert out.startswith("tmpfs /t tmpfs rw,nosuid,nodev")
    assert "noexec" not in out
    assert "size=2048k" in out
    assert "noexec" in docker.ok("run", "--rm", "--tmpfs", "/t", docker.image, "grep", " /t ", "/proc/mounts")


def test_a_read_only_root_takes_writes_only_in_its_mounts(docker: Docker) -> None:
    script = "touch /x /etc/y; touch /data/z && echo volume; touch /run/r && echo tmpfs; : > /dev/null && echo dev"
    result = docker("run", "--rm", "--read-only", "--tmpfs", "/run", "-v", "/data", docker.image, "sh", "-c", script)
    assert result.out.splitlines() == ["volume", "tmpfs", "dev"]
    assert result.err.count("Read-only file system") == 2


def test_volumes_from_another_container(docker: Docker, tmp_path: Path) -> None:
    volume = docker.name("v")
    source = docker.ok("create", "-v", f"{volume}:/data", "-v", f"{tmp_path}:/mnt:ro", docker.image)
    cid = docker.ok("create", "--volumes-from", source, docker.image)
    mounts = {mount["Destination"]: mount for mount in docker.inspect(cid)["Mounts"]}
    assert (mounts["/data"]["Name"], mounts["/data"]["RW"]) == (volume, True)
    assert (mounts["/mnt"]["Source"], mounts["/mnt"]["RW"]) == (str(tmp_path), False)
    read_only = docker.ok("create", "--volumes-from", f"{source}:ro", docker.image)
    assert not any(mount["RW"] for mount in docker.inspect(read_only)["Mounts"])


def test_a_mount_below_another_is_seen(docker: Docker, tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    (outer / "sub").mkdir(parents=True)
    inner.mkdir()
    (inner / "file").write_text("inner\n")
    out = docker.ok("run", "--rm", "-v", f"{inner}:/a/sub", "-v", f"{outer}:/a", docker.image, "cat", "/a/sub/file")
    assert out == "inner"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("name:relative", "invalid mount path: 'relative' mount path must be absolute"),
        ("/tmp:/", "destination can't be '/'"),
        ("bad name:/data", "includes invalid characters for a local volume name"),
        ("/a:/b:nosuchmode", "invalid mode: nosuchmode"),
    ],
)
def test_a_bad_volume_is_refused(docker: Docker, spec: str, message: str) -> None:
    error = docker.fails("create", "-v", spec, docker.image)
    assert message in error


def test_two_mounts_at_one_place_are_refused(docker: Docker) -> None:
    error = docker.fails("create", "-v", "a-volume:/data", "-v", "/tmp:/data", docker.image)
    assert "Duplicate mount point: /data" in error


def test_prune_takes_unused_anonymous_volumes(docker: Docker) -> None:
    cid = docker.ok("create", "-v", "/data", docker.image)
    volume = docker.inspect(cid)["Mounts"][0]["Name"]
    docker.ok("rm", cid)
    named = docker.ok("volume", "create", docker.name("v"))
    out = docker.ok("volume", "prune", "-f")
    assert volume in out
    if docker.speaks(1, 42):
        assert named not in out


def test_tmpfs_of_the_old_option_is_no_mount_in_the_answer_and_that_of_the_new_is(docker: Docker) -> None:
    old = docker.running("--tmpfs", "/scratch")
    new = docker.running("--mount", "type=tmpfs,destination=/scratch")
    assert docker.inspect(old)["Mounts"] == []
    assert [mount["Type"] for mount in docker.inspect(new)["Mounts"]] == ["tmpfs"]
    for cid in (old, new):
        assert "tmpfs /scratch tmpfs" in docker.ok("exec", cid, "cat", "/proc/mounts")
