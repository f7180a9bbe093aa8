from dataclasses import fields

import pytest

from engine import policy
from engine.containers.model import Config, Device, HostConfig, MountSpec, RestartPolicy
from engine.errors import Forbidden
from engine.values import PortBinding, Scope, Surface

WEB = Scope(namespace="team", actor="ann", surface=Surface.WEB)


def web(*grants):
    return Scope(namespace="team", actor="ann", surface=Surface.WEB, grants=frozenset(grants))


def check(scope, **host):
    policy.check_create(scope, Config(image="a"), HostConfig(**host))


def test_every_field_of_the_model_has_a_rule():
    known = policy._PLAIN_HOST | set(policy._GUARDED_HOST)
    assert {field.name for field in fields(HostConfig)} == known
    assert {field.name for field in fields(Config)} == policy._PLAIN_CONFIG


def test_every_guard_names_a_grant_that_exists():
    assert {guard.grant for guard in policy._GUARDED_HOST.values()} <= policy.GRANTS


@pytest.mark.parametrize(
    "host",
    [
        {},
        {"binds": ("data:/data", "/anonymous")},
        {"mounts": (MountSpec("volume", "/a", source="v"), MountSpec("tmpfs", "/b"))},
        {"memory": 1 << 30, "nano_cpus": 1, "pids_limit": 5, "cap_drop": ("ALL",), "readonly_rootfs": True},
        {"port_bindings": (PortBinding(80, host_port=8080),), "restart_policy": RestartPolicy("always")},
        {"security_opt": ("no-new-privileges",)},
        {"security_opt": ("no-new-privileges:true",)},
        {"network_mode": "none", "ipc_mode": "private", "pid_mode": "container:x", "cgroupns_mode": "private"},
        {"oom_kill_disable": False, "oom_score_adj": 500, "volume_driver": "local"},
    ],
    ids=str,
)
def test_a_plain_container_needs_no_grant(host):
    check(WEB, **host)


REACHING = [
    ({"binds": ("/etc:/etc",)}, "Binds", "binds"),
    ({"binds": ("../x:/etc",)}, "Binds", "binds"),
    ({"mounts": (MountSpec("bind", "/a", source="/"),)}, "Mounts", "binds"),
    ({"mounts": (MountSpec("volume", "/a", driver_options={"device": "/"}),)}, "Mounts", "binds"),
    ({"volume_driver": "nfs"}, "VolumeDriver", "volume-drivers"),
    ({"privileged": True}, "Privileged", "privileged"),
    ({"cap_add": ("SYS_ADMIN",)}, "CapAdd", "capabilities"),
    ({"network_mode": "host"}, "NetworkMode", "namespaces"),
    ({"pid_mode": "host"}, "PidMode", "namespaces"),
    ({"ipc_mode": "host"}, "IpcMode", "namespaces"),
    ({"uts_mode": "host"}, "UTSMode", "namespaces"),
    ({"userns_mode": "host"}, "UsernsMode", "namespaces"),
    ({"cgroupns_mode": "host"}, "CgroupnsMode", "namespaces"),
    ({"devices": (Device("/dev/sda", "/dev/sda"),)}, "Devices", "devices"),
    ({"device_cgroup_rules": ("c 1:3 rwm",)}, "DeviceCgroupRules", "devices"),
    ({"security_opt": ("seccomp=unconfined",)}, "SecurityOpt", "security"),
    ({"security_opt": ("no-new-privileges", "apparmor=unconfined")}, "SecurityOpt", "security"),
    ({"security_opt": ("no-new-privileges:false",)}, "SecurityOpt", "security"),
    ({"masked_paths": ()}, "MaskedPaths", "security"),
    ({"readonly_paths": ()}, "ReadonlyPaths", "security"),
    ({"oom_score_adj": -500}, "OomScoreAdj", "security"),
    ({"oom_kill_disable": True}, "OomKillDisable", "security"),
    ({"sysctls": {"net.ipv4.ip_forward": "1"}}, "Sysctls", "sysctls"),
    ({"cgroup_parent": "/"}, "CgroupParent", "cgroup-parent"),
    ({"cpu_realtime_runtime": 5}, "CpuRealtimeRuntime", "security"),
]


@pytest.mark.parametrize(("host", "name", "grant"), REACHING, ids=lambda value: str(value)[:40])
def test_what_reaches_the_host_takes_its_grant_and_no_other(host, name, grant):
    with pytest.raises(Forbidden, match=f"HostConfig.{name}: not allowed"):
        check(WEB, **host)
    with pytest.raises(Forbidden):
        check(web(*(policy.GRANTS - {grant, policy.GRANT_ALL})), **host)
    check(web(grant), **host)
    check(web(policy.GRANT_ALL), **host)


@pytest.mark.parametrize("host", [case[0] for case in REACHING], ids=str)
def test_root_on_the_host_has_no_limits(host):
    check(Scope(), **host)


def test_a_field_without_a_rule_is_refused(monkeypatch):
    monkeypatch.setattr(policy, "_PLAIN_HOST", policy._PLAIN_HOST - {"memory"})
    monkeypatch.setattr(policy, "_PLAIN_CONFIG", policy._PLAIN_CONFIG - {"image"})
    with pytest.raises(Forbidden, match=r"Config\.image"):
        check(WEB)
    with pytest.raises(Forbidden, match=r"HostConfig\.memory"):
        policy.check_update(WEB, {"memory": 5})


def test_an_update_and_an_exec_are_limited_too():
    policy.check_update(WEB, {"memory": 5})
    with pytest.raises(Forbidden, match="Devices"):
        policy.check_update(WEB, {"devices": (Device("/dev/sda", "/dev/sda"),)})
    policy.check_exec(WEB, privileged=False)
    with pytest.raises(Forbidden, match="Privileged"):
        policy.check_exec(WEB, privileged=True)
    policy.check_exec(web("privileged"), privileged=True)
    policy.check_exec(Scope(), privileged=True)


def test_a_volume_with_options_can_be_any_host_path():
    policy.check_volume(WEB, "local", {})
    with pytest.raises(Forbidden, match="DriverOpts"):
        policy.check_volume(WEB, "local", {"type": "none", "o": "bind", "device": "/"})
    with pytest.raises(Forbidden, match="Driver"):
        policy.check_volume(WEB, "nfs", {})
    policy.check_volume(web("volume-drivers"), "local", {"device": "/"})
