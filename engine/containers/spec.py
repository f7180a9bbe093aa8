"""A container as an OCI runtime spec: a list of `with_*` steps, each one concern of Docker's HostConfig. Pure.

What depends on the host (files looked at, namespaces of others, what the kernel offers) comes in as `SpecHost`.
Source: opencontainers/runtime-spec 1.0.2, and what dockerd 20.10 to 28 hand to their runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.containers import devices, limits, spec_mounts
from engine.containers.limits import Machine
from engine.containers.model import DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS, Container
from engine.containers.users import User
from engine.errors import InvalidArgument, Unsupported
from engine.kernel import caps

Spec = dict[str, Any]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT_TARGET = "/sbin/docker-init"
_BPF_ANNOTATION = "run.oci.seccomp_bpf_data"
_OPEN_NETWORK = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
"""Docker's: no capability is needed to bind a low port or to ping in a network of one's own."""


@dataclass(frozen=True, slots=True)
class SpecHost:
    """The host's side of a spec.

    `namespaces` maps a kind (`ipc`, `pid`, `uts`) to the nsfs path of another container's. `netns` None: the host's
    network. `files` holds hostname, hosts, resolv.conf. `bpf` is a compiled filter (base64), `seccomp` an OCI one.
    """

    rootfs: Path
    cgroup: str
    files: Path | None = None
    netns: Path | None = None
    user: User = field(default_factory=User)
    is_cgroup_v2: bool = False
    bpf: str = ""
    seccomp: Mapping[str, Any] | None = None
    capabilities: Sequence[str] = caps.NAMES
    machine: Machine = field(default_factory=Machine)
    devices: Sequence[devices.Node] = ()
    namespaces: Mapping[str, str] = field(default_factory=dict)
    shm: Path | None = None
    """A tmpfs of the host to share as /dev/shm; None: one of the container's own."""
    init: Path = Path("/usr/bin/catatonit")


def build_spec(container: Container, host: SpecHost) -> Spec:
    """Return the spec. Raises InvalidArgument for what contradicts itself or has no meaning."""
    spec: Spec = {"ociVersion": "1.0.2", "linux": {}, "annotations": {}}
    for step in STEPS:
        step(spec, container, host)
    return spec


def with_root(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add the root file system."""
    spec["root"] = {"path": str(host.rootfs), "readonly": container.host_config.readonly_rootfs}


def with_process(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add the command, its environment, user and terminal."""
    argv = list(container.argv)
    if not argv or not argv[0]:
        raise InvalidArgument("no command specified")
    process = _process(container, host, container.config.tty)
    process |= {
        "args": [INIT_TARGET, "--", *argv] if wants_init(container) else argv,
        "env": build_environment(container),
        "cwd": container.config.working_dir or "/",
    }
    height, width = container.host_config.console_size
    if container.config.tty and height and width:
        process["consoleSize"] = {"height": height, "width": width}
    spec["process"] = process


def _process(container: Container, host: SpecHost, tty: bool) -> dict[str, Any]:
    user = host.user
    return {
        "terminal": tty,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
        "noNewPrivileges": _has_option(container, "no-new-privileges"),
    }


def build_environment(container: Container) -> list[str]:
    """Return Docker's defaults, then the container's own, which win."""
    found = {"PATH": DEFAULT_PATH, "HOSTNAME": container.config.hostname}
    if container.config.tty:
        found["TERM"] = "xterm"
    return merge_environment(found, container.config.env)


def merge_environment(base: Mapping[str, str], extra: Sequence[str]) -> list[str]:
    """Return `NAME=value` entries; the last one of a name wins, a name alone takes it away."""
    found = dict(base)
    for entry in extra:
        name, equals, value = entry.partition("=")
        if equals:
            found[name] = value
        else:
            found.pop(name, None)
    return [f"{name}={value}" for name, value in found.items()]


def with_capabilities(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add capabilities by Docker's rules; only root has them without asking."""
    spec["process"]["capabilities"] = build_capabilities(container, host)


def build_capabilities(container: Container, host: SpecHost, *, privileged: bool = False) -> dict[str, list[str]]:
    """Return the OCI capability sets of a process in this container."""
    asked = container.host_config
    names = list(container_capabilities(container, host.capabilities, privileged=privileged))
    # What execve would make of it: no ambient set, so a plain user's process starts with none.
    own = names if host.user.uid == 0 or asked.privileged or privileged else []
    return {"bounding": names, "permitted": own, "effective": own}


def container_capabilities(
    container: Container, possible: Sequence[str], *, privileged: bool = False
) -> tuple[str, ...]:
    """Return the capabilities that this container's processes may have."""
    asked = container.host_config
    return caps.tweak(asked.cap_add, asked.cap_drop, privileged=privileged or asked.privileged, possible=possible)


def with_rlimits(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add ulimits and the OOM score."""
    rlimits = limits.build_rlimits(container.host_config.ulimits, host.machine)
    if rlimits:
        spec["process"]["rlimits"] = rlimits
    score = container.host_config.oom_score_adj
    if score > 0 or (score < 0 and host.machine.may_lower_oom_score):
        spec["process"]["oomScoreAdj"] = score


def with_namespaces(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add namespaces: own, another container's, or (left out) the host's."""
    asked = container.host_config
    found: list[dict[str, str]] = [{"type": "mount"}]
    for kind, mode in (("pid", asked.pid_mode), ("ipc", asked.ipc_mode), ("uts", asked.uts_mode)):
        if mode.startswith("container:"):
            found.append({"type": kind, "path": host.namespaces[kind]})
        elif mode != "host":
            found.append({"type": kind})
    if host.netns is not None:
        found.append({"type": "network", "path": str(host.netns)})
    elif asked.network_mode != "host":
        found.append({"type": "network"})
    if has_own_cgroup_namespace(container, host.is_cgroup_v2):
        found.append({"type": "cgroup"})
    spec["linux"]["namespaces"] = found


def has_own_cgroup_namespace(container: Container, is_cgroup_v2: bool) -> bool:
    """Return Docker's choice: private on v2, the host's on v1 and for privileged ones, unless asked."""
    mode = container.host_config.cgroupns_mode
    return mode == "private" or (not mode and is_cgroup_v2 and not container.host_config.privileged)


def with_hostname(spec: Spec, container: Container, _host: SpecHost) -> None:
    """Add host and domain name, where the container has a UTS namespace of its own."""
    mode = container.host_config.uts_mode
    if mode == "host" or mode.startswith("container:"):
        return
    spec["hostname"] = container.config.hostname
    if container.config.domainname:
        spec["linux"].setdefault("sysctl", {})["kernel.domainname"] = container.config.domainname


def with_sysctls(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add kernel parameters; the host's own are never touched."""
    asked = container.host_config
    shared_network = asked.network_mode == "host" or (host.netns is None and asked.network_mode == "host")
    found: dict[str, str] = {}
    if not shared_network and not asked.network_mode.startswith("container:"):
        found |= _OPEN_NETWORK
    for name, value in asked.sysctls.items():
        check_sysctl(name, network_is_host=shared_network, ipc_is_host=asked.ipc_mode == "host")
        found[name] = value
    if found:
        spec["linux"].setdefault("sysctl", {}).update(found)


def check_sysctl(name: str, *, network_is_host: bool, ipc_is_host: bool) -> None:
    """Refuse a parameter that no namespace of the container holds. Raises InvalidArgument."""
    if name.startswith("net."):
        if network_is_host:
            raise InvalidArgument(f"sysctl '{name}' not allowed in host network namespace")
    elif name.startswith("fs.mqueue.") or name in _IPC_SYSCTLS:
        if ipc_is_host:
            raise InvalidArgument(f"sysctl '{name}' not allowed in host ipc namespace")
    else:
        raise InvalidArgument(f"sysctl '{name}' is not in a separate kernel namespace")


_IPC_SYSCTLS = frozenset(
    f"kernel.{word}" for word in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)


def with_mounts(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add file systems, the engine's own files, the user's mounts, in the order of their targets."""
    bound = spec_mounts.Sources(host.files, host.shm, host.init if wants_init(container) else None, INIT_TARGET)
    own_cgroupns = has_own_cgroup_namespace(container, host.is_cgroup_v2)
    spec["mounts"] = spec_mounts.build_mounts(container, bound, own_cgroup_namespace=own_cgroupns)
    propagation = spec_mounts.root_propagation(container.mounts)
    if propagation:
        spec["linux"]["rootfsPropagation"] = propagation


def with_cgroup(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add the cgroup's name and its limits."""
    spec["linux"]["cgroupsPath"] = host.cgroup
    resources = limits.build_resources(container.host_config, host.machine)
    if container.host_config.privileged:
        resources["devices"] = [dict(devices.ALLOW_ALL)]
    else:
        resources["devices"] = devices.build_rules(host.devices, container.host_config.device_cgroup_rules)
    spec["linux"]["resources"] = resources


def with_devices(spec: Spec, _container: Container, host: SpecHost) -> None:
    """Add device nodes."""
    if host.devices:
        spec["linux"]["devices"] = devices.build_nodes(host.devices)


def with_hidden_paths(spec: Spec, container: Container, _host: SpecHost) -> None:
    """Mask what /proc and /sys tell of the host, unless privileged or asked otherwise."""
    asked = container.host_config
    if asked.privileged:
        return
    masked, readonly = asked.masked_paths, asked.readonly_paths
    spec["linux"]["maskedPaths"] = list(DEFAULT_MASKED_PATHS if masked is None else masked)
    spec["linux"]["readonlyPaths"] = list(DEFAULT_READONLY_PATHS if readonly is None else readonly)


def with_seccomp(spec: Spec, container: Container, host: SpecHost) -> None:
    """Add the system call filter, compiled if there is one so."""
    if seccomp_option(container) == "unconfined":
        return
    if host.bpf:
        spec["annotations"][_BPF_ANNOTATION] = host.bpf
    elif host.seccomp is not None:
        spec["linux"]["seccomp"] = dict(host.seccomp)


def with_annotations(spec: Spec, container: Container, _host: SpecHost) -> None:
    """Add the user's annotations; the runtime's own keys are not theirs to set."""
    for key, value in container.host_config.annotations.items():
        if not key.startswith("run.oci."):
            spec["annotations"][key] = value


def seccomp_option(container: Container) -> str:
    """Return "unconfined", "" for the default, or a profile as JSON."""
    if container.host_config.privileged:
        return "unconfined"
    found = _option(container, "seccomp")
    return "" if found in ("builtin", "default") else found


def check_security_options(options: Sequence[str]) -> None:
    """Refuse an option that means nothing here: one that is ignored would look like protection. InvalidArgument.

    SELinux labels and `apparmor=unconfined` ask for what is so without SELinux and AppArmor profiles.
    """
    for index, entry in enumerate(options):
        key, _, value = entry.replace(":", "=", 1).partition("=") if "=" not in entry else entry.partition("=")
        if key == "apparmor" and value not in ("unconfined", ""):
            raise Unsupported(f"HostConfig.SecurityOpt: apparmor={value}: AppArmor profiles are not supported")
        if key not in ("apparmor", "label", "seccomp", "no-new-privileges", "systempaths"):
            raise InvalidArgument(f'invalid --security-opt {index + 1}: "{entry}"')


def wants_init(container: Container) -> bool:
    """Say whether an init process reaps for the container: asked for, and it has a pid namespace of its own."""
    return bool(container.host_config.init) and not container.host_config.pid_mode


def _option(container: Container, name: str) -> str:
    """Return the value of a security option (`name=value`, the older `name:value`), the last one given."""
    found = ""
    for entry in container.host_config.security_opt:
        for separator in ("=", ":"):
            key, present, value = entry.partition(separator)
            if key == name:
                found = value if present else "true"
                break
    return found


def _has_option(container: Container, name: str) -> bool:
    return _option(container, name).lower() in ("true", "1")


def build_exec_process(
    container: Container,
    host: SpecHost,
    argv: Sequence[str],
    *,
    env: Sequence[str] = (),
    working_dir: str = "",
    tty: bool = False,
    privileged: bool = False,
) -> dict[str, Any]:
    """Return the OCI process for a further command in a running container; `host.user` is the exec's user."""
    process = _process(container, host, tty)
    base = {"TERM": "xterm"} if tty else {}
    inherited = dict(entry.partition("=")[::2] for entry in build_environment(container))
    process |= {
        "args": list(argv),
        "env": merge_environment({**inherited, **base}, env),
        "cwd": working_dir or container.config.working_dir or "/",
        "capabilities": build_capabilities(container, host, privileged=privileged),
    }
    rlimits = limits.build_rlimits(container.host_config.ulimits, host.machine)
    return process | ({"rlimits": rlimits} if rlimits else {})


STEPS: tuple[Callable[[Spec, Container, SpecHost], None], ...] = (
    with_root,
    with_process,
    with_capabilities,
    with_rlimits,
    with_namespaces,
    with_hostname,
    with_sysctls,
    with_mounts,
    with_cgroup,
    with_devices,
    with_hidden_paths,
    with_seccomp,
    with_annotations,
)
"""In the order in which a later step may build on an earlier one."""
