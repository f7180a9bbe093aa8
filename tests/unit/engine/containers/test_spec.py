"""Each concern of a spec, and the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.containers import model, spec
from engine.containers.devices import Node
from engine.containers.model import Config, Container, HostConfig, MountPoint, Ulimit
from engine.containers.spec import SpecHost
from engine.containers.users import User
from engine.errors import InvalidArgument, Unsupported
from engine.kernel import caps
from tests.fakes.make import a_container

HOST = SpecHost(rootfs=Path("/r"), cgroup="/berth/i/n/c", files=Path("/f"), netns=Path("/n/1"))


def _container(config: dict[str, Any] | None = None, **host: Any) -> Container:
    made = a_container(id="ab" * 32)
    return replace(made, config=replace(made.config, **(config or {})), host_config=replace(made.host_config, **host))


def _build(config: dict[str, Any] | None = None, host: SpecHost = HOST, **host_config: Any) -> dict[str, Any]:
    return spec.build_spec(_container(config, **host_config), host)


def _mounts(built: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in built["mounts"]}


def _kinds(built: dict[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry.get("path", "") for entry in built["linux"]["namespaces"]}


def test_plain_container_is_dockers() -> None:
    built = _build({"entrypoint": ("/entry",), "cmd": ("a", "b"), "working_dir": "/w", "env": ("A=1", "PATH=/p")})
    process = built["process"]
    assert process["args"] == ["/entry", "a", "b"]
    assert process["cwd"] == "/w"
    assert process["env"] == ["PATH=/p", "HOSTNAME=abababababab", "A=1"]
    assert process["user"] == {"uid": 0, "gid": 0, "additionalGids": []}
    assert (process["terminal"], process["noNewPrivileges"]) == (False, False)
    assert set(process["capabilities"]) == {"bounding", "permitted", "effective"}
    assert process["capabilities"]["effective"] == list(caps.DEFAULT)
    assert built["root"] == {"path": "/r", "readonly": False}
    assert built["hostname"] == "abababababab"
    assert _kinds(built) == {"mount": "", "pid": "", "ipc": "", "uts": "", "network": "/n/1"}
    assert built["linux"]["cgroupsPath"] == "/berth/i/n/c"
    assert built["linux"]["resources"] == {"devices": [{"allow": False, "access": "rwm"}]}
    assert built["linux"]["maskedPaths"] == list(model.DEFAULT_MASKED_PATHS)
    assert built["linux"]["readonlyPaths"] == list(model.DEFAULT_READONLY_PATHS)
    assert built["linux"]["sysctl"]["net.ipv4.ip_unprivileged_port_start"] == "0"
    assert "oomScoreAdj" not in process
    assert "rlimits" not in process


def test_no_command_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no command specified"):
        _build({"cmd": (), "entrypoint": None})


def test_terminal_has_term_and_size() -> None:
    process = _build({"tty": True}, console_size=(24, 80))["process"]
    assert process["terminal"] is True
    assert process["consoleSize"] == {"height": 24, "width": 80}
    assert "TERM=xterm" in process["env"]


def test_environment_name_alone_takes_it_away() -> None:
    assert spec.merge_environment({"A": "1", "B": "2"}, ("B", "C=3", "C=4", "D=x=y")) == ["A=1", "C=4", "D=x=y"]


def test_plain_user_has_no_effective_capabilities() -> None:
    sets = _build(host=replace(HOST, user=User(1000, 1000, (1000,))))["process"]["capabilities"]
    assert (sets["bounding"], sets["effective"], sets["permitted"]) == (list(caps.DEFAULT), [], [])


def test_capabilities_asked_for() -> None:
    sets = _build(cap_add=("NET_ADMIN",), cap_drop=("CHOWN",))["process"]["capabilities"]
    assert "CAP_NET_ADMIN" in sets["bounding"]
    assert "CAP_CHOWN" not in sets["effective"]


def test_privileged_sees_everything() -> None:
    node = Node("/dev/kvm", "c", 10, 232, 0o666, 0, 0)
    built = _build(host=replace(HOST, bpf="QUJD", devices=(node,)), privileged=True)
    assert built["process"]["capabilities"]["effective"] == list(caps.NAMES)
    assert "maskedPaths" not in built["linux"]
    assert "readonlyPaths" not in built["linux"]
    assert built["annotations"] == {}
    assert built["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert [device["path"] for device in built["linux"]["devices"]] == ["/dev/kvm"]
    assert "rw" in _mounts(built)["/sys"]["options"]
    assert "rw" in _mounts(built)["/sys/fs/cgroup"]["options"]


@pytest.mark.parametrize(
    ("host_config", "present", "absent"),
    [
        ({"pid_mode": "host"}, {"ipc": ""}, "pid"),
        ({"ipc_mode": "host"}, {"pid": ""}, "ipc"),
        ({"uts_mode": "host"}, {"pid": ""}, "uts"),
        ({"pid_mode": "container:x"}, {"pid": "/proc/1/ns/pid"}, "cgroup"),
        ({"ipc_mode": "container:x"}, {"ipc": "/proc/1/ns/ipc"}, "cgroup"),
        ({"cgroupns_mode": "private"}, {"cgroup": ""}, "user"),
    ],
)
def test_namespaces(host_config: dict[str, str], present: dict[str, str], absent: str) -> None:
    kinds = _kinds(
        _build(host=replace(HOST, namespaces={"pid": "/proc/1/ns/pid", "ipc": "/proc/1/ns/ipc"}), **host_config)
    )
    assert present.items() <= kinds.items()
    assert absent not in kinds


def test_host_network_has_no_namespace_and_no_sysctls() -> None:
    built = _build(host=replace(HOST, netns=None), network_mode="host")
    assert "network" not in _kinds(built)
    assert "sysctl" not in built["linux"]


def test_no_network_has_a_namespace_of_its_own() -> None:
    assert _kinds(_build(host=replace(HOST, netns=None), network_mode="none"))["network"] == ""


def test_cgroup_namespace_is_private_on_v2_unless_privileged() -> None:
    v2 = replace(HOST, is_cgroup_v2=True)
    assert "cgroup" in _kinds(_build(host=v2))
    assert "cgroup" not in _kinds(_build(host=v2, privileged=True))
    assert "cgroup" not in _kinds(_build(host=v2, cgroupns_mode="host"))


def test_host_name_is_the_hosts_in_its_namespace() -> None:
    assert "hostname" not in _build(uts_mode="host")
    built = _build({"hostname": "web", "domainname": "example.org"})
    assert built["hostname"] == "web"
    assert built["linux"]["sysctl"]["kernel.domainname"] == "example.org"


@pytest.mark.parametrize(
    ("name", "host_config", "text"),
    [
        ("net.core.somaxconn", {"network_mode": "host"}, "not allowed in host network namespace"),
        ("kernel.shmmax", {"ipc_mode": "host"}, "not allowed in host ipc namespace"),
        ("vm.swappiness", {}, "is not in a separate kernel namespace"),
        ("kernel.panic", {}, "is not in a separate kernel namespace"),
    ],
)
def test_sysctl_of_the_host_is_refused(name: str, host_config: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        _build(host=replace(HOST, netns=None), sysctls={name: "1"}, **host_config)


def test_sysctl_of_the_container_is_set() -> None:
    built = _build(
        sysctls={"net.core.somaxconn": "9", "kernel.shmmax": "1", "net.ipv4.ip_unprivileged_port_start": "1024"}
    )
    assert built["linux"]["sysctl"]["net.core.somaxconn"] == "9"
    assert built["linux"]["sysctl"]["net.ipv4.ip_unprivileged_port_start"] == "1024"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("no-new-privileges",), True),
        (("no-new-privileges:true",), True),
        (("no-new-privileges=false",), False),
        (("label=disable",), False),
    ],
)
def test_no_new_privileges(options: tuple[str, ...], expected: bool) -> None:
    assert _build(security_opt=options)["process"]["noNewPrivileges"] is expected


@pytest.mark.parametrize(
    ("options", "annotated"),
    [((), True), (("seccomp=unconfined",), False), (("seccomp:unconfined",), False), (("seccomp=builtin",), True)],
)
def test_seccomp(options: tuple[str, ...], annotated: bool) -> None:
    built = _build(host=replace(HOST, bpf="QUJD"), security_opt=options)
    assert built["annotations"] == ({"run.oci.seccomp_bpf_data": "QUJD"} if annotated else {})


def test_seccomp_without_a_compiled_filter_is_the_runtimes_work() -> None:
    assert _build(host=replace(HOST, seccomp={"defaultAction": "X"}))["linux"]["seccomp"] == {"defaultAction": "X"}


def test_annotations_of_the_runtime_are_not_the_users() -> None:
    built = _build(annotations={"a": "b", "run.oci.handler": "krun"})
    assert built["annotations"] == {"a": "b"}


def test_limits_devices_and_scores() -> None:
    node = Node("/dev/fuse", "c", 10, 229, 0o666, 0, 0, "rw")
    built = _build(
        host=replace(HOST, devices=(node,)),
        memory=1 << 25,
        pids_limit=9,
        ulimits=(Ulimit("nofile", 5, 6),),
        oom_score_adj=100,
        device_cgroup_rules=("c 1:3 r",),
    )
    resources = built["linux"]["resources"]
    assert (resources["memory"]["limit"], resources["pids"]) == (1 << 25, {"limit": 9})
    assert [rule.get("major") for rule in resources["devices"]] == [None, 10, 1]
    assert built["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 6}]
    assert built["process"]["oomScoreAdj"] == 100


def test_paths_shown_when_asked() -> None:
    built = _build(masked_paths=(), readonly_paths=("/proc/x",))
    assert (built["linux"]["maskedPaths"], built["linux"]["readonlyPaths"]) == ([], ["/proc/x"])


def test_read_only_root() -> None:
    assert _build(readonly_rootfs=True)["root"]["readonly"] is True


def test_init_runs_the_command() -> None:
    built = _build({"cmd": ("sleep", "1")}, init=True)
    assert built["process"]["args"] == ["/sbin/docker-init", "--", "sleep", "1"]
    assert _mounts(built)["/sbin/docker-init"]["source"] == "/usr/bin/catatonit"
    assert _build(init=True, pid_mode="host")["process"]["args"] == ["true"]


def test_managed_files_are_bound_and_a_users_mount_wins() -> None:
    assert _mounts(_build())["/etc/hosts"]["source"] == "/f/hosts"
    point = MountPoint("bind", "/etc/hosts", "/mine", rw=False)
    container = replace(_container(), mounts=(point,))
    mount = _mounts(spec.build_spec(container, HOST))["/etc/hosts"]
    assert (mount["source"], mount["options"]) == ("/mine", ["rbind", "rprivate", "ro"])


def test_mounts_are_ordered_parents_first() -> None:
    points = (MountPoint("volume", "/a/b/c", "/v1"), MountPoint("tmpfs", "/a"), MountPoint("bind", "/a/b", "/v2"))
    order = [m["destination"] for m in spec.build_spec(replace(_container(), mounts=points), HOST)["mounts"]]
    assert [target for target in order if target.startswith("/a")] == ["/a", "/a/b", "/a/b/c"]
    assert order.index("/dev") < order.index("/dev/shm")


@pytest.mark.parametrize(
    ("point", "options", "root"),
    [
        (MountPoint("bind", "/x", "/s"), ["rbind", "rprivate"], None),
        (MountPoint("bind", "/x", "/s", rw=False, propagation="rslave"), ["rbind", "rslave", "ro"], "rslave"),
        (MountPoint("bind", "/x", "/s", propagation="rshared"), ["rbind", "rshared"], "shared"),
        (MountPoint("bind", "/x", "/s", options=("bind",)), ["bind", "rprivate"], None),
        (MountPoint("tmpfs", "/x"), ["noexec", "nosuid", "nodev"], None),
        (MountPoint("tmpfs", "/x", options=("exec", "size=1m")), ["nosuid", "nodev", "exec", "size=1m"], None),
        (MountPoint("tmpfs", "/x", rw=False), ["noexec", "nosuid", "nodev", "ro"], None),
    ],
)
def test_options_of_a_mount(point: MountPoint, options: list[str], root: str | None) -> None:
    built = spec.build_spec(replace(_container(), mounts=(point,)), HOST)
    assert _mounts(built)["/x"]["options"] == options
    assert built["linux"].get("rootfsPropagation") == root


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("", 0, ("tmpfs", "size=67108864")),
        ("private", 1 << 20, ("tmpfs", "size=1048576")),
        ("host", 0, ("bind", "rprivate")),
    ],
)
def test_shared_memory(mode: str, size: int, expected: tuple[str, str]) -> None:
    mount = _mounts(_build(ipc_mode=mode, shm_size=size))["/dev/shm"]
    assert (mount["type"], mount["options"][-1]) == expected


def test_shared_memory_can_be_left_out_or_anothers() -> None:
    assert "/dev/shm" not in _mounts(_build(ipc_mode="none"))
    shared = _mounts(_build(host=replace(HOST, shm=Path("/run/shm/1"))))["/dev/shm"]
    assert (shared["type"], shared["source"]) == ("bind", "/run/shm/1")


def test_tmpfs_of_the_short_form() -> None:
    assert _mounts(_build(tmpfs={"/t": "size=9m,exec"}))["/t"]["options"] == ["nosuid", "nodev", "size=9m", "exec"]


def test_exec_inherits_the_containers_world() -> None:
    container = _container({"env": ("A=1",), "working_dir": "/w"}, security_opt=("no-new-privileges",))
    process = spec.build_exec_process(container, HOST, ["ls"], env=("B=2",), tty=True)
    assert process["env"] == ["PATH=" + spec.DEFAULT_PATH, "HOSTNAME=abababababab", "A=1", "TERM=xterm", "B=2"]
    assert (process["cwd"], process["args"], process["terminal"]) == ("/w", ["ls"], True)
    assert process["noNewPrivileges"] is True
    assert process["capabilities"]["effective"] == list(caps.DEFAULT)
    other = spec.build_exec_process(container, HOST, ["ls"], working_dir="/x", privileged=True)
    assert other["cwd"] == "/x"
    assert other["capabilities"]["effective"] == list(caps.NAMES)


def test_every_field_of_the_host_config_that_is_not_here_is_named() -> None:
    """A new field must be decided on: rendered by a step, or listed as somebody else's."""
    elsewhere = {
        "binds", "mounts", "volumes_from", "volume_driver", "port_bindings", "publish_all_ports", "restart_policy",
        "auto_remove", "log_config", "container_id_file", "group_add", "dns", "dns_options", "dns_search",
        "extra_hosts", "links", "userns_mode", "cgroup_parent", "runtime", "storage_opt", "devices",
    }  # fmt: skip
    sources = "".join(
        Path(module).read_text()
        for module in ("engine/containers/spec.py", "engine/containers/spec_mounts.py", "engine/containers/limits.py")
    )
    missing = {name for name in HostConfig.__dataclass_fields__ if name not in elsewhere and f".{name}" not in sources}
    assert missing == set()
    assert Config.__dataclass_fields__


@pytest.mark.parametrize(
    "option",
    [
        "no-new-privileges",
        "no-new-privileges:true",
        "label=disable",
        "label:type:x",
        "apparmor=unconfined",
        "seccomp={}",
    ],
)
def test_security_option_that_has_a_meaning_is_taken(option: str) -> None:
    spec.check_security_options((option,))


def test_security_option_without_a_meaning_is_refused() -> None:
    with pytest.raises(InvalidArgument, match='invalid --security-opt 2: "bogus=1"'):
        spec.check_security_options(("label=disable", "bogus=1"))
    with pytest.raises(Unsupported, match="apparmor=mine"):
        spec.check_security_options(("apparmor=mine",))
