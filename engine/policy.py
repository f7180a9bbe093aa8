"""What a caller without grants may ask of the host: an allow-list of the fields of a container.

On the web socket every field of `Config` and `HostConfig` is refused unless it has its default, or is in the list of
plain fields, or in the list of guarded ones whose grant (Berth-Grants) the caller has, or whose value is harmless. A
field that is added to the model and not here is refused. The admin socket knows no limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from config.contract import GRANT_NAMES
from engine.containers.model import Config, HostConfig, MountSpec
from engine.errors import Forbidden
from engine.values import Scope, Surface

GRANT_ALL = "*"
GRANTS = GRANT_NAMES | {GRANT_ALL}
"""The names in Berth-Grants; `*` is all of them."""

_PLAIN_HOST = frozenset(
    """
    tmpfs volumes_from port_bindings publish_all_ports restart_policy auto_remove log_config container_id_file cap_drop
    readonly_rootfs group_add dns dns_options dns_search extra_hosts links runtime init shm_size memory
    memory_reservation memory_swap memory_swappiness nano_cpus cpu_shares cpu_period cpu_quota cpuset_cpus cpuset_mems
    pids_limit blkio_weight blkio_weight_device blkio_device_read_bps blkio_device_write_bps blkio_device_read_iops
    blkio_device_write_iops ulimits annotations console_size
    """.split()
)


@dataclass(frozen=True, slots=True)
class _Guard:
    """A field that reaches the host: its name in Docker's JSON, the grant it takes, and values that do no harm."""

    name: str
    grant: str
    is_harmless: Callable[[Any], bool] = lambda value: False


def _is_named_volume(bind: str) -> bool:
    source, colon, _ = bind.partition(":")
    return not colon or not source.startswith(("/", ".", "~"))


def _is_plain_mount(mount: MountSpec) -> bool:
    return mount.type in ("volume", "tmpfs") and not mount.driver_options and mount.driver in ("", "local")


_GUARDED_HOST: Mapping[str, _Guard] = {
    "binds": _Guard("Binds", "binds", lambda binds: all(map(_is_named_volume, binds))),
    "mounts": _Guard("Mounts", "binds", lambda mounts: all(map(_is_plain_mount, mounts))),
    "volume_driver": _Guard("VolumeDriver", "volume-drivers", lambda driver: driver in ("", "local")),
    "privileged": _Guard("Privileged", "privileged"),
    "cap_add": _Guard("CapAdd", "capabilities"),
    "network_mode": _Guard("NetworkMode", "namespaces", lambda mode: mode != "host"),
    "ipc_mode": _Guard("IpcMode", "namespaces", lambda mode: mode != "host"),
    "pid_mode": _Guard("PidMode", "namespaces", lambda mode: mode != "host"),
    "uts_mode": _Guard("UTSMode", "namespaces", lambda mode: mode != "host"),
    "userns_mode": _Guard("UsernsMode", "namespaces", lambda mode: mode != "host"),
    "cgroupns_mode": _Guard("CgroupnsMode", "namespaces", lambda mode: mode != "host"),
    "devices": _Guard("Devices", "devices"),
    "device_cgroup_rules": _Guard("DeviceCgroupRules", "devices"),
    "security_opt": _Guard("SecurityOpt", "security", lambda options: all(map(_only_tightens, options))),
    "masked_paths": _Guard("MaskedPaths", "security"),
    "readonly_paths": _Guard("ReadonlyPaths", "security"),
    "oom_score_adj": _Guard("OomScoreAdj", "security", lambda score: score >= 0),
    "oom_kill_disable": _Guard("OomKillDisable", "security", lambda disable: not disable),
    "sysctls": _Guard("Sysctls", "sysctls"),
    "cgroup_parent": _Guard("CgroupParent", "cgroup-parent"),
    "cpu_realtime_period": _Guard("CpuRealtimePeriod", "security"),
    "cpu_realtime_runtime": _Guard("CpuRealtimeRuntime", "security"),
    "storage_opt": _Guard("StorageOpt", "volume-drivers"),
}

_PLAIN_CONFIG = frozenset(
    """
    image hostname domainname user attach_stdin attach_stdout attach_stderr tty open_stdin stdin_once env cmd entrypoint
    args_escaped working_dir labels exposed_ports volumes healthcheck stop_signal stop_timeout shell on_build
    network_disabled mac_address
    """.split()
)


_GUARDED_NETWORK_OPTIONS = frozenset({"com.docker.network.bridge.name", "parent"})
_ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls"


def _only_tightens(option: str) -> bool:
    return option.replace(":", "=", 1) in ("no-new-privileges", "no-new-privileges=true")


def is_limited(scope: Scope) -> bool:
    """Say whether limits hold for this caller at all."""
    return scope.surface is Surface.WEB and GRANT_ALL not in scope.grants


def check_create(scope: Scope, config: Config, host_config: HostConfig) -> None:
    """Pass, or raise Forbidden with the name of the first field that the caller may not set."""
    if not is_limited(scope):
        return
    for name in _set_fields(config):
        if name not in _PLAIN_CONFIG:
            raise Forbidden(f"Config.{name} is not allowed here")
    for name in _set_fields(host_config):
        _check_field(scope, name, getattr(host_config, name))


def check_update(scope: Scope, changes: Mapping[str, Any]) -> None:
    """The same for the changes of an update (fields of HostConfig by our names)."""
    if is_limited(scope):
        for name, value in changes.items():
            _check_field(scope, name, value)


def check_exec(scope: Scope, *, privileged: bool) -> None:
    """The same for a process started in a running container."""
    if privileged and is_limited(scope) and "privileged" not in scope.grants:
        raise _forbidden("Privileged", "privileged")


def check_volume(scope: Scope, driver: str, options: Mapping[str, str]) -> None:
    """The same for a volume: driver options of `local` can bind any host path."""
    if is_limited(scope) and "volume-drivers" not in scope.grants:
        if driver not in ("", "local"):
            raise _forbidden("Driver", "volume-drivers")
        if options:
            raise _forbidden("DriverOpts", "volume-drivers")


def check_network(scope: Scope, driver: str, options: Mapping[str, str]) -> None:
    """The same for a network: on the wire of a host's link it is in the host's LAN, a device's name is the host's."""
    if not is_limited(scope) or "namespaces" in scope.grants:
        return
    if driver not in ("", "bridge"):
        raise _forbidden("Driver", "namespaces")
    for name in options:
        if name in _GUARDED_NETWORK_OPTIONS:
            raise _forbidden(f"Options[{name}]", "namespaces")


def check_endpoint(scope: Scope, driver_opts: Mapping[str, str] | None) -> None:
    """The same for a container's place in a network: its options may hold sysctls."""
    if is_limited(scope) and "sysctls" not in scope.grants and _ENDPOINT_SYSCTLS in (driver_opts or {}):
        raise _forbidden(f"DriverOpts[{_ENDPOINT_SYSCTLS}]", "sysctls")


def _set_fields(value: Config | HostConfig) -> list[str]:
    """Return the names of the fields that do not have their default."""
    found = []
    for field in fields(value):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if getattr(value, field.name) != default:
            found.append(field.name)
    return found


def _check_field(scope: Scope, name: str, value: Any) -> None:
    if name in _PLAIN_HOST:
        return
    guard = _GUARDED_HOST.get(name)
    if guard is None:
        raise Forbidden(f"HostConfig.{name} is not allowed here")
    if guard.grant not in scope.grants and not guard.is_harmless(value):
        raise _forbidden(f"HostConfig.{guard.name}", guard.grant)


def _forbidden(name: str, grant: str) -> Forbidden:
    return Forbidden(f"{name}: not allowed for this user (it takes the grant {grant!r})")
