"""version, info, ping, df, events, and the CLI's view of images."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from config import contract
from tests.support.docker_cli import Docker, eventually


@contextmanager
def watching(docker: Docker, *args: str) -> Iterator[list[dict[str, Any]]]:
    """Follow `docker events ARGS` during the block; the list holds what came when the block has ended."""
    seen: list[dict[str, Any]] = []
    with docker.spawn("events", "--format", "json", *args) as process:
        # The CLI prints nothing when it has subscribed; an event of our own tells.
        marker = docker.name("marker")
        volume = docker.spawn("events", "--format", "json", "--filter", f"volume={marker}")
        with volume as ready:
            assert ready.stdout is not None
            time.sleep(0.3)
            docker.ok("volume", "create", marker)
            ready.stdout.readline()
        yield seen
        time.sleep(0.3)
        process.terminate()
        out, _ = process.communicate(timeout=10)
        seen.extend(json.loads(line) for line in out.splitlines())


def test_version_tells_client_and_server(docker: Docker) -> None:
    found = json.loads(docker.ok("version", "--format", "json"))
    assert found["Server"]["ApiVersion"]
    assert found["Server"]["Os"] == "linux"
    assert found["Server"]["KernelVersion"]
    assert docker.ok("version").count("API version:") == 2


def test_the_api_version_is_the_contracts(docker: Docker) -> None:
    if docker.speaks(1, 42):
        found = json.loads(docker.ok("version", "--format", "json"))
        assert found["Server"]["ApiVersion"] == contract.API_VERSION
        assert found["Server"]["MinAPIVersion"] == contract.MIN_API_VERSION


def test_ping_says_ok_and_which_versions(docker: Docker) -> None:
    done = subprocess.run(
        ["curl", "-s", "-i", "--unix-socket", docker.host.removeprefix("unix://"), "http://d/_ping"],
        capture_output=True, check=True,
    )  # fmt: skip
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200")
    assert body == "OK"
    headers = {line.split(":")[0].lower(): line.partition(": ")[2] for line in head.splitlines()[1:]}
    assert headers["api-version"]
    assert headers["ostype"] == "linux"
    assert "no-cache" in headers["cache-control"]


def test_an_api_version_that_is_too_new_or_too_old_is_refused(docker: Docker) -> None:
    status, body = docker.api("GET", "/v1.99/version")
    assert status == 400
    assert re.search(r"client version 1\.99 is too new\. Maximum supported API version is ", body["message"])
    status, body = docker.api("GET", "/v1.10/version")
    assert status == 400
    # Docker answers versions before 1.24 in plain text.
    assert "client version 1.10 is too old. Minimum supported API version is " in str(body)


def test_a_page_that_does_not_exist_is_not_found(docker: Docker) -> None:
    status, body = docker.api("GET", "/no/such/page")
    assert (status, body) == (404, {"message": "page not found"})


def test_info_counts_containers_and_names_the_parts(docker: Docker) -> None:
    before = json.loads(docker.ok("info", "--format", "json"))
    cid = docker.running()
    docker.ok("create", docker.image)
    docker.ok("pause", docker.running())
    after = json.loads(docker.ok("info", "--format", "json"))
    assert after["Containers"] == before["Containers"] + 3
    assert after["ContainersRunning"] == before["ContainersRunning"] + 1
    assert after["ContainersPaused"] == before["ContainersPaused"] + 1
    assert after["ContainersStopped"] == before["ContainersStopped"] + 1
    assert after["Images"] >= 1
    assert (after["OSType"], after["Driver"], after["CgroupDriver"]) == ("linux", after["Driver"], "cgroupfs")
    assert after["NCPU"] >= 1
    assert after["MemTotal"] > 1 << 28
    assert {"bridge", "host", "null"} <= set(after["Plugins"]["Network"])
    assert cid


def test_df_sums_up_images_containers_and_volumes(docker: Docker) -> None:
    cid = docker.running("-v", f"{docker.name('v')}:/data")
    docker.ok("exec", cid, "sh", "-c", "head -c 500000 /dev/zero > /big; head -c 200000 /dev/zero > /data/big")
    lines = docker.ok("system", "df").splitlines()
    assert lines[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert [line.split("  ")[0] for line in lines[1:]] == ["Images", "Containers", "Local Volumes", "Build Cache"]
    found = docker.api("GET", "/system/df")[1]
    row = next(row for row in found["Containers"] if row["Id"] == cid)
    assert 500_000 <= row["SizeRw"] < 800_000
    volume = next(volume for volume in found["Volumes"] if volume["Name"] == docker.inspect(cid)["Mounts"][0]["Name"])
    assert volume["UsageData"]["RefCount"] == 1
    assert 200_000 <= volume["UsageData"]["Size"] < 400_000


def test_events_tell_a_containers_life_in_order(docker: Docker) -> None:
    name = docker.name()
    with watching(docker, "--filter", "type=container", "--filter", f"container={name}") as seen:
        docker("run", "--name", name, "--label", "a=1", "--network", "none", docker.image, "sh", "-c", "exit 3")
        docker.ok("rm", name)
    assert [event["Action"] for event in seen] == ["create", "attach", "start", "die", "destroy"]
    die = seen[3]
    assert die["Type"] == "container"
    assert die["Actor"]["Attributes"].items() >= {
        "exitCode": "3", "image": docker.image, "name": name, "a": "1"
    }.items()  # fmt: skip
    times = [event["timeNano"] for event in seen]
    assert times == sorted(times)
    assert all(event["time"] == event["timeNano"] // 10**9 for event in seen)
    assert len(seen[0]["Actor"]["ID"]) == 64


def test_events_tell_of_kill_stop_pause_rename_restart_and_exec(docker: Docker) -> None:
    cid = docker.running(script="trap 'exit 1' TERM; echo ready; while :; do sleep 0.02; done")

    def ready(times: int) -> None:
        # Before its trap is set, process 1 ignores SIGTERM.
        eventually(lambda: docker.ok("logs", cid).count("ready") == times, 5, "the shell's trap")

    ready(1)
    with watching(docker, "--filter", f"container={cid}") as seen:
        docker.ok("exec", cid, "true")
        # Its output has ended before its exit is recorded.
        eventually(lambda: not docker.inspect(cid)["ExecIDs"], 5, "the end of the exec")
        docker.ok("pause", cid)
        docker.ok("unpause", cid)
        docker.ok("rename", cid, docker.name())
        docker.ok("restart", "-t", "5", cid)
        ready(2)
        docker.ok("stop", "-t", "5", cid)
        docker.ok("start", cid)
        docker.ok("kill", cid)
        eventually(lambda: not docker.inspect(cid)["State"]["Running"], 5, "the end")
        docker.ok("rm", cid)
    actions = [event["Action"].partition(":")[0] for event in seen if event["Type"] == "container"]
    assert actions == [
        "exec_create", "exec_start", "exec_die", "pause", "unpause", "rename",
        "kill", "die", "stop", "start", "restart",
        "kill", "die", "stop", "start", "kill", "die", "destroy",
    ]  # fmt: skip


def test_events_of_networks_volumes_and_filters(docker: Docker) -> None:
    volume = docker.name("v")
    with watching(docker, "--filter", "type=volume", "--filter", f"volume={volume}") as seen:
        docker.ok("run", "--rm", "-v", f"{volume}:/data", docker.image, "true")
        docker.ok("volume", "rm", volume)
    assert [event["Action"] for event in seen] == ["create", "mount", "unmount", "destroy"]


def test_events_of_the_network_of_a_container(docker: Docker) -> None:
    name = docker.name()
    with watching(docker, "--filter", "type=network") as seen:
        cid = docker.ok("run", "-d", "--name", name, docker.image, "true")
        docker.ok("wait", cid)
        eventually(lambda: docker("rm", cid).code == 0, 5, "the removal")
    mine = [event["Action"] for event in seen if event["Actor"]["Attributes"].get("container") == cid]
    assert mine == ["connect", "disconnect"]


def test_past_events_can_be_asked_for(docker: Docker) -> None:
    start = time.time()
    cid = docker.ok("create", docker.image)
    docker.ok("rm", cid)
    out = docker.ok(
        "events", "--since", f"{start - 1:.3f}", "--until", f"{time.time() + 0.1:.3f}",
        "--filter", f"container={cid}", "--format", "{{.Action}}",
    )  # fmt: skip
    assert out.splitlines() == ["create", "destroy"]


def test_images_are_listed_and_inspected(docker: Docker) -> None:
    row = json.loads(docker.ok("images", "--format", "json", "--no-trunc", f"{docker.image}:latest"))
    assert (row["Repository"], row["Tag"]) == (docker.image, "latest")
    found = json.loads(docker.ok("image", "inspect", docker.image))[0]
    assert found["Id"] == row["ID"]
    assert f"{docker.image}:latest" in found["RepoTags"]
    assert found["Config"]["Cmd"] == ["sh"]
    assert found["Architecture"]
    assert found["Os"] == "linux"
    assert found["RootFS"]["Type"] == "layers"
    assert len(found["RootFS"]["Layers"]) == 1
    assert found["Size"] > 1_000_000
    full = json.loads(docker.ok("image", "inspect", f"{docker.image}:full"))[0]
    assert full["RootFS"]["Layers"][0] == found["RootFS"]["Layers"][0]
    assert full["Config"]["StopSignal"] == "SIGUSR1"


def test_history_has_a_line_for_each_step(docker: Docker) -> None:
    lines = docker.ok("history", "--format", "{{.CreatedBy}}", f"{docker.image}:full").splitlines()
    assert lines == ["layer 1", "layer 0"]


def test_tags_are_made_and_removed(docker: Docker) -> None:
    tag = f"t-{docker.token}-tag:v1"
    docker.ok("tag", docker.image, tag)
    assert docker.inspect(tag)["Id"] == docker.inspect(f"{docker.image}:latest")["Id"]
    assert docker.ok("rmi", tag) == f"Untagged: {tag}"
    assert f"No such image: {tag}" in docker.fails("rmi", tag)


def test_an_image_in_use_is_not_removed(docker: Docker) -> None:
    tag = f"t-{docker.token}-used:v1"
    docker.ok("tag", docker.image, tag)
    cid = docker.running()
    image_id = docker.inspect(cid)["Image"].removeprefix("sha256:")
    error = docker.fails("rmi", image_id[:12])
    assert "conflict: unable to delete" in error
    assert "cannot be forced" in error or "must be forced" in error
    docker.ok("rmi", tag)


def test_an_unknown_image_is_named(docker: Docker) -> None:
    assert "No such image: no-such-image:latest" in docker.fails("image", "inspect", "no-such-image")
    assert "No such image: no-such-image:v9" in docker.fails("tag", "no-such-image:v9", "x")


@pytest.mark.parametrize("ref", ["UPPERcase", "a b", "name:", "name:bad tag", "-x/y"])
def test_a_bad_reference_is_refused(docker: Docker, ref: str) -> None:
    result = docker("create", "--", ref)
    assert result.code != 0
    assert "invalid reference format" in result.err


def test_prune_of_everything_keeps_what_runs(docker: Docker) -> None:
    if not docker.speaks(1, 42):
        return  # a foreign engine may hold others' things
    cid = docker.running()
    gone = docker.ok("create", docker.image)
    out = docker.ok("system", "prune", "-f")
    assert gone in out
    assert "Total reclaimed space:" in out
    assert cid in docker.ok("ps", "-q", "--no-trunc")
    assert docker("image", "inspect", docker.image).code == 0
