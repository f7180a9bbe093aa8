"""Create bodies: what the docker CLI sends is taken, what has no place in the model is refused by name."""

import json

import pytest

from engine.api.codec import Fields
from engine.api.wire.container import parse_create
from engine.api.wire.host_config import render_host_config
from engine.containers.model import HostConfig, MountSpec, RestartPolicy, Ulimit
from engine.errors import InvalidArgument, Unsupported
from engine.values import EndpointConfig, PortBinding

NOW = (1, 50)

# What docker 28.2 sends for `docker create -p 8080:80 --name x -v /tmp:/y --mount type=tmpfs,dst=/t --network foo
# --ip 1.2.3.4 --network-alias al busybox true`.
CLI_BODY = json.loads("""
{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,
"ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["true"],
"Image":"busybox","Volumes":{},"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{},
"HostConfig":{"Binds":["/tmp:/y"],"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"foo",
"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},
"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],"CapAdd":null,"CapDrop":null,
"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"",
"Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,
"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":0,"NanoCpus":0,
"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],
"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,
"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,
"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],
"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"Mounts":[{"Type":"tmpfs","Target":"/t"}],
"MaskedPaths":null,"ReadonlyPaths":null},
"NetworkingConfig":{"EndpointsConfig":{"foo":{"IPAMConfig":{"IPv4Address":"1.2.3.4"},"Links":null,"Aliases":["al"],
"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"",
"IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}
""")


def parse(body, version=NOW):
    return parse_create(Fields(body), version)


def host(**fields):
    return parse({"Image": "a", "HostConfig": fields}).host_config


def test_what_the_cli_sends_is_taken():
    request = parse(CLI_BODY)
    assert request.config.image == "busybox"
    assert request.config.cmd == ("true",)
    assert request.config.entrypoint is None
    assert request.config.exposed_ports == ("80/tcp",)
    assert request.networking == (EndpointConfig("foo", aliases=("al",), ipv4_address="1.2.3.4"),)
    assert request.host_config == HostConfig(
        binds=("/tmp:/y",),
        mounts=(MountSpec("tmpfs", "/t"),),
        network_mode="foo",
        port_bindings=(PortBinding(80, host_port=8080),),
        oom_kill_disable=False,
    )


def test_a_body_with_nothing_but_an_image_has_defaults():
    request = parse({"Image": "a"})
    assert request.host_config == HostConfig()
    assert request.networking == ()


def test_an_old_client_shares_its_ipc_namespace():
    assert parse({"Image": "a"}, (1, 39)).host_config.ipc_mode == "shareable"
    assert parse({"Image": "a"}, (1, 40)).host_config.ipc_mode == ""


def test_every_field_finds_its_place():
    found = host(
        Memory=1, MemorySwap=2, MemorySwappiness=60, NanoCpus=3, PidsLimit=4, ShmSize=5, OomScoreAdj=6, Init=True,
        CapAdd=["NET_ADMIN"], Privileged=True, SecurityOpt=["no-new-privileges"], Sysctls={"a": "b"},
        Ulimits=[{"Name": "nofile", "Soft": 1, "Hard": 2}], Dns=["1.1.1.1"], ExtraHosts=["a:1.2.3.4"],
        RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 3}, Tmpfs={"/run": "size=1m"}, GroupAdd=["5"],
        MaskedPaths=[], CpusetCpus="0-1", ConsoleSize=[24, 80], Annotations={"x": "y"}, PidMode="container:abc",
    )  # fmt: skip
    assert (found.memory, found.memory_swap, found.memory_swappiness, found.nano_cpus) == (1, 2, 60, 3)
    assert (found.pids_limit, found.shm_size, found.oom_score_adj, found.init) == (4, 5, 6, True)
    assert found.ulimits == (Ulimit("nofile", 1, 2),)
    assert found.restart_policy == RestartPolicy("on-failure", 3)
    assert found.masked_paths == ()
    assert found.readonly_paths is None
    assert found.console_size == (24, 80)
    assert found.pid_mode == "container:abc"


@pytest.mark.parametrize("limit", [0, -1, None])
def test_no_pids_limit_is_none(limit):
    assert host(PidsLimit=limit).pids_limit is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("DeviceRequests", [{"Count": -1}]),
        ("StorageOpt", {"size": "1G"}),
        ("KernelMemory", 1),
        ("KernelMemoryTCP", 1),
        ("Cgroup", "container:x"),
        ("FromTheFuture", True),
    ],
)
def test_what_has_no_place_is_refused_by_name(field, value):
    with pytest.raises(Unsupported) as caught:
        host(**{field: value})
    assert f"HostConfig.{field}" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("Memory", "1g", "HostConfig.Memory: expected an integer, got a string"),
        ("Binds", "a:b", "HostConfig.Binds: expected an array, got a string"),
        (
            "PortBindings",
            {"80/tcp": [{"HostPort": 80}]},
            "HostConfig.PortBindings.80/tcp[0].HostPort: expected a string",
        ),
        ("PortBindings", {"99999/tcp": []}, "invalid port specification: '99999/tcp'"),
        ("PortBindings", {"80/xyz": []}, "invalid port specification: '80/xyz'"),
        ("PortBindings", {"80/tcp": [{"HostPort": "70000"}]}, "invalid port specification: '70000'"),
        ("PortBindings", {"80/tcp": [{"HostPort": "90-80"}]}, "invalid port range: '90-80'"),
        ("PortBindings", {"80/tcp": [{"HostIp": "localhost"}]}, "invalid IP address: localhost"),
        ("PidMode", "foo", "invalid PID mode: foo"),
        ("IpcMode", "foo", "invalid IPC mode: foo"),
        ("UTSMode", "foo", "invalid UTS mode: foo"),
        ("CgroupnsMode", "foo", "invalid cgroup namespace mode: foo"),
        ("Runtime", "kata", "unknown or invalid runtime name: kata"),
        ("Isolation", "hyperv", "invalid isolation (hyperv) on linux"),
        ("ShmSize", -1, "SHM size can not be less than 0"),
        ("MemorySwappiness", 101, "valid memory swappiness range is 0-100"),
        ("CpuPercent", 5, "HostConfig.CpuPercent"),
        ("ConsoleSize", [1], "HostConfig.ConsoleSize"),
        ("Mounts", [{"Type": "foo"}], "mount type unknown"),
        ("Mounts", [{"Type": "tmpfs", "BindOptions": {}}], "field BindOptions must not be specified"),
        ("Ulimits", [{"Soft": 1}], "HostConfig.Ulimits[0].Name"),
    ],
)
def test_a_value_no_container_can_have_is_named(field, value, message):
    with pytest.raises(InvalidArgument) as caught:
        host(**{field: value})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"Env": ["A", 1]}, "Env[1]: expected a string"),
        ({"ExposedPorts": {"0/tcp": {}}}, "invalid port specification"),
        ({"Healthcheck": {"Interval": 5}}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Retries": -1}}, "Retries in Healthcheck cannot be negative"),
        (
            {"NetworkingConfig": {"EndpointsConfig": {"a": []}}},
            "NetworkingConfig.EndpointsConfig.a: expected an object",
        ),
    ],
)
def test_the_top_level_is_checked_too(body, message):
    with pytest.raises(InvalidArgument) as caught:
        parse({"Image": "a"} | body)
    assert message in str(caught.value)


def test_link_local_addresses_are_refused_by_name():
    body = {"EndpointsConfig": {"a": {"IPAMConfig": {"LinkLocalIPs": ["169.254.1.1"]}}}}
    with pytest.raises(Unsupported, match="LinkLocalIPs"):
        parse({"Image": "a", "NetworkingConfig": body})


def test_host_config_comes_back_as_it_was_sent():
    sent = {
        "Binds": ["/a:/b"], "Memory": 7340032, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
        "53/udp": [{"HostIp": "", "HostPort": "5300-5310"}], "54/udp": [{"HostIp": "", "HostPort": "0"}]},
        "CapAdd": ["ALL"], "PidsLimit": 5, "Init": False,
        "Tmpfs": {"/x": ""}, "LogConfig": {"Type": "local", "Config": {"max-size": "1m"}}, "NetworkMode": "host",
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "r"}],
        "Mounts": [{"Type": "volume", "Source": "v", "Target": "/v", "ReadOnly": True,
                    "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}, "DriverConfig": {"Name": "local"}}},
                   {"Type": "bind", "Source": "/s", "Target": "/t", "BindOptions": {"Propagation": "rslave"}},
                   {"Type": "tmpfs", "Target": "/u", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 448}}],
    }  # fmt: skip
    found = render_host_config(host(**sent), ("/masked",), ("/readonly",))
    assert {name: found[name] for name in sent} == sent
    assert (found["MaskedPaths"], found["ReadonlyPaths"]) == (["/masked"], ["/readonly"])


def test_a_privileged_container_hides_nothing():
    found = render_host_config(host(Privileged=True), ("/masked",), ("/readonly",))
    assert (found["MaskedPaths"], found["ReadonlyPaths"]) == (None, None)
