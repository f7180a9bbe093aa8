from dataclasses import replace

import pytest

from engine.api.wire.container import Places, render_inspect, render_row
from engine.containers.model import Config, Health, HealthResult, HostConfig, MountPoint, State, Status
from engine.values import Endpoint, EndpointConfig, PortBinding
from tests.fakes.containers import SECOND, a_container

PLACES = Places("/c", "/netns", "/s", "/rootfs")
NOW = 1_700_000_100 * SECOND
BRIDGE = Endpoint(
    config=EndpointConfig("bridge"), network_id="n" * 64, network_name="bridge", endpoint_id="e" * 64,
    gateway="10.0.0.1", ip_address="10.0.0.2", ip_prefix_len=24, mac_address="02:42:0a:00:00:02",
)  # fmt: skip
OTHER = replace(BRIDGE, network_name="app", ip_address="10.9.0.2", config=EndpointConfig("app", aliases=("db",)))


def running(**changes):
    return a_container(state=State(Status.RUNNING, pid=7, started_ns=NOW - 2 * SECOND), sandbox="sb1", **changes)


def test_a_created_container_shows_the_networks_it_will_join():
    found = render_inspect(a_container(networks=(EndpointConfig("bridge", ipv4_address="10.0.0.9"),)), PLACES)
    assert found["State"]["Status"] == "created"
    assert found["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    assert found["NetworkSettings"]["Networks"]["bridge"]["IPAMConfig"] == {"IPv4Address": "10.0.0.9"}
    assert found["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == ""
    assert found["NetworkSettings"]["Ports"] == {}
    assert found["ExecIDs"] is None


def test_the_default_bridge_is_repeated_at_the_top():
    settings = render_inspect(running(endpoints=(BRIDGE, OTHER)), PLACES)["NetworkSettings"]
    assert (settings["IPAddress"], settings["IPPrefixLen"], settings["Gateway"]) == ("10.0.0.2", 24, "10.0.0.1")
    assert settings["Networks"]["app"]["Aliases"] == ["db"]
    assert settings["SandboxKey"] == "/netns/sb1"


def test_a_network_of_ones_own_is_not_repeated_at_the_top():
    assert render_inspect(running(endpoints=(OTHER,)), PLACES)["NetworkSettings"]["IPAddress"] == ""


@pytest.mark.parametrize("mode", ["none", "host"])
def test_modes_without_an_endpoint_are_named(mode):
    container = running(host_config=HostConfig(network_mode=mode))
    assert list(render_inspect(container, PLACES)["NetworkSettings"]["Networks"]) == [mode]


def test_published_and_exposed_ports_differ():
    container = running(
        config=Config(image="a", cmd=("x",), exposed_ports=("80/tcp", "81/tcp")),
        ports=(PortBinding(80, host_port=8080), PortBinding(53, "udp", "127.0.0.1", 5353)),
    )
    assert render_inspect(container, PLACES)["NetworkSettings"]["Ports"] == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}],
        "81/tcp": None,
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}],
    }
    assert render_row(container, NOW)["Ports"] == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"IP": "127.0.0.1", "PrivatePort": 53, "PublicPort": 5353, "Type": "udp"},
        {"PrivatePort": 81, "Type": "tcp"},
    ]


def test_a_stopped_container_publishes_nothing():
    container = a_container(
        state=State(Status.EXITED, exit_code=3, started_ns=NOW - 9 * SECOND, finished_ns=NOW - 5 * SECOND),
        ports=(PortBinding(80, host_port=8080),),
    )
    row = render_row(container, NOW)
    assert (row["Ports"], row["State"], row["Status"]) == ([], "exited", "Exited (3) 5 seconds ago")


def test_health_is_shown_only_where_there_is_a_check():
    assert "Health" not in render_inspect(running(), PLACES)["State"]
    result = HealthResult(NOW, NOW + 1, 0, "fine")
    state = State(Status.RUNNING, started_ns=NOW, health=Health("healthy", 0, (result,)))
    assert render_inspect(a_container(state=state), PLACES)["State"]["Health"] == {
        "Status": "healthy",
        "FailingStreak": 0,
        "Log": [
            {
                "Start": "2023-11-14T22:15:00.000000000Z",
                "End": "2023-11-14T22:15:00.000000001Z",
                "ExitCode": 0,
                "Output": "fine",
            }
        ],
    }


def test_restarting_counts_as_running():
    state = render_inspect(a_container(state=State(Status.RESTARTING, exit_code=1)), PLACES)["State"]
    assert (state["Running"], state["Restarting"], state["Pid"]) == (True, True, 0)


def test_the_command_of_a_row_quotes_arguments_with_spaces():
    container = a_container(config=Config(image="a", entrypoint=("sh", "-c"), cmd=("echo a b",)))
    assert render_row(container, NOW)["Command"] == "sh -c 'echo a b'"
    inspected = render_inspect(container, PLACES)
    assert (inspected["Path"], inspected["Args"]) == ("sh", ["-c", "echo a b"])


def test_sizes_are_there_when_asked_for():
    assert "SizeRw" not in render_row(a_container(), NOW)
    row = render_row(a_container(), NOW, size=(1, 2))
    assert (row["SizeRw"], row["SizeRootFs"]) == (1, 2)
    assert render_inspect(a_container(), PLACES, size=(1, 2))["SizeRootFs"] == 2


def test_a_volume_is_a_mount_with_a_name():
    volume = MountPoint("volume", "/data", source="/v/_data", name="v", driver="local", mode="z")
    bind = MountPoint("bind", "/b", source="/tmp", rw=False, propagation="rprivate")
    assert render_row(a_container(mounts=(volume, bind)), NOW)["Mounts"] == [
        {"Type": "volume", "Name": "v", "Source": "/v/_data", "Destination": "/data", "Driver": "local", "Mode": "z",
         "RW": True, "Propagation": ""},
        {"Type": "bind", "Source": "/tmp", "Destination": "/b", "Mode": "", "RW": False, "Propagation": "rprivate"},
    ]  # fmt: skip


def test_an_old_client_finds_the_mac_address_in_the_config():
    assert render_inspect(running(endpoints=(BRIDGE,)), PLACES, version=(1, 43))["Config"]["MacAddress"] == (
        "02:42:0a:00:00:02"
    )
    assert "MacAddress" not in render_inspect(running(endpoints=(BRIDGE,)), PLACES)["Config"]
