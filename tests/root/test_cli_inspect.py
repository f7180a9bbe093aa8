"""ps, inspect, top, port, stats: what the CLI shows about containers."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.docker_cli import Docker, eventually, free_port


def ids(docker: Docker, *args: str) -> set[str]:
    """Return the ids that `ps ARGS` lists, of this runner's containers."""
    mine = f"label=berth.test={docker.token}"
    return set(docker.ok("ps", "-q", "--no-trunc", "--filter", mine, *args).split())


def test_ps_lists_running_containers_and_with_a_all(docker: Docker) -> None:
    running = docker.running()
    created = docker.ok("create", docker.image)
    assert ids(docker) == {running}
    assert ids(docker, "-a") == {running, created}


def test_ps_shows_the_usual_columns(docker: Docker) -> None:
    name = docker.name()
    cid = docker.running("--name", name, "-p", "127.0.0.1::80")
    lines = docker.ok("ps", "--filter", f"id={cid}").splitlines()
    assert lines[0].split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert lines[1].startswith(cid[:12])
    assert re.search(r'"sh -c \'trap .*…"', lines[1])
    assert re.search(r"(Less than a second|\d+ seconds?) ago\s+Up (Less than a second|\d+ second)", lines[1])
    assert re.search(r"127\.0\.0\.1:\d+->80/tcp\s+" + name, lines[1])


def test_the_newest_is_first_and_can_be_asked_for(docker: Docker) -> None:
    made = [docker.ok("create", docker.image) for _ in range(3)]
    mine = f"label=berth.test={docker.token}"
    assert docker.ok("ps", "-aq", "--no-trunc", "--filter", mine).split() == made[::-1]
    assert docker.ok("ps", "-q", "--no-trunc", "-n", "2", "--filter", mine).split() == made[:0:-1]
    assert docker.ok("ps", "-q", "--no-trunc", "-l", "--filter", mine) == made[-1]


def test_filters_by_name_id_label_status_image_and_exit_code(docker: Docker) -> None:
    name = docker.name("findme")
    running = docker.running("--name", name, "--label", "color=blue")
    failed = docker.ok("run", "-d", "--label", "color=red", f"{docker.image}:full")
    docker.ok("wait", failed)
    created = docker.ok("create", docker.image)
    for filters, expected in (
        ([f"name={name[5:-3]}"], {running}),
        ([f"name=^/{name}$"], {running}),
        ([f"id={failed[:10]}"], {failed}),
        (["label=color"], {running, failed}),
        (["label=color=red"], {failed}),
        (["status=running"], {running}),
        (["status=exited"], {failed}),
        (["status=created"], {created}),
        (["status=created", "status=running"], {created, running}),
        (["exited=0"], {failed}),
        ([f"before={failed}"], {running}),
        ([f"since={running}"], {failed, created}),
        ([f"ancestor={docker.image}:full"], {failed}),
        (["label=color", "status=running"], {running}),
        (["name=nothing-like-that"], set()),
    ):
        args = [word for text in filters for word in ("--filter", text)]
        assert ids(docker, "-a", *args) == expected, filters


def test_filters_by_volume_network_publish_and_health(docker: Docker) -> None:
    volume = docker.name("v")
    plain = docker.running()
    mounted = docker.running("-v", f"{volume}:/data")
    alone = docker.running("--network", "none")
    port = free_port()
    published = docker.running("-p", f"127.0.0.1:{port}:8123", "--expose", "9000")
    assert ids(docker, "--filter", f"volume={volume}") == {mounted}
    assert ids(docker, "--filter", "volume=/data") == {mounted}
    assert ids(docker, "--filter", "network=none") == {alone}
    assert ids(docker, "--filter", "network=bridge") == {plain, mounted, published}
    assert ids(docker, "--filter", f"publish={port}") == {published}
    assert ids(docker, "--filter", "publish=8123") == set()
    assert ids(docker, "--filter", "expose=8123") == {published}
    assert ids(docker, "--filter", "expose=9000/tcp") == {published}
    assert ids(docker, "--filter", "health=none") == {plain, mounted, alone, published}


def test_an_unknown_filter_is_refused(docker: Docker) -> None:
    assert re.search("invalid filter '?nosuch'?", docker.fails("ps", "--filter", "nosuch=1").lower())


def test_an_unknown_status_is_refused(docker: Docker) -> None:
    assert "nosuch" in docker.fails("ps", "--filter", "status=nosuch")


def test_formats(docker: Docker) -> None:
    name = docker.name()
    cid = docker.running("--name", name, "--label", "a=1")
    fields = '{{.ID}}|{{.Names}}|{{.Image}}|{{.State}}|{{.Networks}}|{{.Label "a"}}'
    out = docker.ok("ps", "--filter", f"id={cid}", "--format", fields)
    assert out == f"{cid[:12]}|{name}|{docker.image}|running|bridge|1"
    row = json.loads(docker.ok("ps", "--no-trunc", "--filter", f"id={cid}", "--format", "json"))
    assert (row["ID"], row["State"], row["LocalVolumes"]) == (cid, "running", "0")


def test_sizes_are_of_the_writable_layer_and_all(docker: Docker) -> None:
    cid = docker.running()
    docker.ok("exec", cid, "sh", "-c", "dd if=/dev/zero of=/big bs=1024 count=300 2>/dev/null; sync")
    row = docker.api("GET", f'/containers/json?size=1&filters={{"id":["{cid}"]}}')[1][0]
    assert 300_000 <= row["SizeRw"] < 500_000
    assert row["SizeRootFs"] > row["SizeRw"] + 1_000_000
    found = json.loads(docker.ok("inspect", "--size", cid))[0]
    assert (found["SizeRw"], found["SizeRootFs"]) == (row["SizeRw"], row["SizeRootFs"])
    assert "virtual" in docker.ok("ps", "-s", "--filter", f"id={cid}")


def test_inspect_tells_what_was_asked_for(docker: Docker) -> None:
    name = docker.name()
    cid = docker.ok(
        "create", "--name", name, "--hostname", "box", "-e", "A=1", "--label", "l=2", "-w", "/srv", "-u", "app",
        "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "--restart", "on-failure:3", "--read-only",
        "-v", "/anon", "--tmpfs", "/t:size=1m", "-p", "127.0.0.1:0:80/udp", "--cap-add", "NET_ADMIN", "--cap-drop",
        "CHOWN", "--ulimit", "nofile=100:200", "--entrypoint", "/bin/sh", "--stop-signal", "HUP", "--stop-timeout", "7",
        "--log-opt", "max-size=1m", "--init", "--shm-size", "8m", docker.image, "-c", "true",
    )  # fmt: skip
    found = docker.inspect(name)
    assert (found["Id"], found["Name"], found["Path"], found["Args"]) == (cid, f"/{name}", "/bin/sh", ["-c", "true"])
    config, host = found["Config"], found["HostConfig"]
    assert (config["Hostname"], config["User"], config["WorkingDir"]) == ("box", "app", "/srv")
    assert (config["Entrypoint"], config["Cmd"]) == (["/bin/sh"], ["-c", "true"])
    assert {"A=1", "FROM_IMAGE=yes"} <= set(config["Env"])
    assert (config["StopSignal"], config["StopTimeout"]) == ("HUP", 7)
    assert config["Image"] == docker.image
    assert list(config["Volumes"]) == ["/anon"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 500_000_000, 50)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert host["ReadonlyRootfs"] is True
    assert host["Tmpfs"] == {"/t": "size=1m"}
    binding = host["PortBindings"]["80/udp"][0]
    assert (binding["HostIp"], binding["HostPort"] in ("", "0")) == ("127.0.0.1", True)
    assert [cap.removeprefix("CAP_") for cap in host["CapAdd"] + host["CapDrop"]] == ["NET_ADMIN", "CHOWN"]
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 100, "Hard": 200}]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert (host["Init"], host["ShmSize"], host["NetworkMode"]) == (True, 8 << 20, found["HostConfig"]["NetworkMode"])
    assert found["Image"].startswith("sha256:")
    assert found["Mounts"][0]["Destination"] == "/anon"
    assert found["RestartCount"] == 0


def test_inspect_of_a_running_container_has_its_network(docker: Docker) -> None:
    cid = docker.running("-p", "127.0.0.1::80")
    settings = docker.inspect(cid)["NetworkSettings"]
    bridge = settings["Networks"]["bridge"]
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", bridge["IPAddress"])
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", bridge["Gateway"])
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", bridge["MacAddress"])
    assert len(bridge["EndpointID"]) == 64
    assert bridge["IPPrefixLen"] in range(8, 31)
    binding = settings["Ports"]["80/tcp"][0]
    assert binding["HostIp"] == "127.0.0.1"
    assert docker.ok("port", cid, "80") == f"127.0.0.1:{binding['HostPort']}"
    assert docker.ok("port", cid) == f"80/tcp -> 127.0.0.1:{binding['HostPort']}"
    assert settings["SandboxID"]


def test_inspect_finds_by_short_id_and_name(docker: Docker) -> None:
    name = docker.name()
    cid = docker.ok("create", "--name", name, docker.image)
    for ref in (cid, cid[:12], cid[:6], name, f"/{name}"):
        assert docker.inspect(ref)["Id"] == cid


def test_inspect_of_nothing_is_an_empty_list_and_an_error(docker: Docker) -> None:
    name = docker.name()
    result = docker("inspect", name)
    assert (result.code, result.out) == (1, "[]\n")
    assert f"No such object: {name}" in result.err
    result = docker("container", "inspect", name)
    assert f"No such container: {name}" in result.err


def test_top_shows_the_processes(docker: Docker) -> None:
    cid = docker.running()
    lines = docker.ok("top", cid).splitlines()
    assert lines[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert any("sleep 1000" in line for line in lines[1:])
    pid = str(docker.inspect(cid)["State"]["Pid"])
    assert pid in docker.ok("top", cid, "-eo", "pid,comm")


def test_top_of_a_container_that_does_not_run_is_refused(docker: Docker) -> None:
    cid = docker.ok("create", docker.image)
    assert re.search(f"ontainer {cid} is not running", docker.fails("top", cid))


def test_stats_shows_use_and_limit(docker: Docker) -> None:
    cid = docker.running("--memory", "64m")
    row = json.loads(docker.ok("stats", "--no-stream", "--format", "json", cid))
    assert row["ID"] == cid[:12] or row["ID"] == cid
    assert re.fullmatch(r"\d+\.\d+%", row["CPUPerc"])
    assert re.fullmatch(r"[\d.]+(B|KiB|MiB) / 64MiB", row["MemUsage"])
    assert int(row["PIDs"]) >= 1


def test_a_health_check_makes_the_container_healthy_and_unhealthy(docker: Docker) -> None:
    cid = docker.running(
        "--health-cmd", "test -e /well", "--health-interval", "200ms", "--health-retries", "2", "--health-timeout", "5s"
    )
    assert docker.inspect(cid)["State"]["Health"]["Status"] in ("starting", "unhealthy")
    docker.ok("exec", cid, "touch", "/well")
    eventually(lambda: docker.inspect(cid)["State"]["Health"]["Status"] == "healthy", 10, "health")
    assert "(healthy)" in docker.ok("ps", "--filter", f"id={cid}", "--format", "{{.Status}}")
    docker.ok("exec", cid, "rm", "/well")
    eventually(lambda: docker.inspect(cid)["State"]["Health"]["Status"] == "unhealthy", 10, "illness")
    assert docker.inspect(cid)["State"]["Health"]["FailingStreak"] >= 2


@pytest.mark.parametrize("ref", ["json", "a" * 63, "..", "%2e%2e"])
def test_odd_references_are_not_found(docker: Docker, ref: str) -> None:
    assert docker.api("GET", f"/containers/{ref}/json")[0] in (301, 400, 404)
