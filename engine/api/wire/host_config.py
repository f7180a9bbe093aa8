"""A container's `HostConfig` and its JSON. What the model has no place for is refused by name."""

from __future__ import annotations

from typing import Any

from engine.api.codec import Fields
from engine.api.wire.mounts import parse_mount, refuse_unread, render_mount
from engine.api.wire.ports import parse_bindings, render_bindings
from engine.api.wire.resources import parse_resources, parse_restart_policy, render_resources
from engine.containers.model import HostConfig, LogConfig, RestartPolicy
from engine.errors import InvalidArgument, Unsupported

DEFAULT_RUNTIME = "crun"
_RUNTIMES = ("", DEFAULT_RUNTIME, "runc", "io.containerd.runc.v2")
_SHAREABLE_SINCE = (1, 40)
_CONSOLE_SINCE = (1, 42)


def parse_host_config(fields: Fields, version: tuple[int, int]) -> HostConfig:
    """Return HostConfig; `version` is the client's, whose defaults hold."""
    if fields.mapping("StorageOpt"):
        raise Unsupported(f"{fields.name_of('StorageOpt')}: not supported")
    log = fields.table("LogConfig")
    host = HostConfig(
        binds=fields.texts("Binds"),
        mounts=tuple(parse_mount(entry) for entry in fields.tables("Mounts")),
        tmpfs=fields.mapping("Tmpfs"),
        volumes_from=fields.texts("VolumesFrom"),
        volume_driver=fields.text("VolumeDriver"),
        network_mode=fields.text("NetworkMode") or "default",
        port_bindings=parse_bindings(fields, "PortBindings"),
        publish_all_ports=fields.flag("PublishAllPorts"),
        restart_policy=parse_restart_policy(fields) or RestartPolicy(),
        auto_remove=fields.flag("AutoRemove"),
        log_config=LogConfig(log.text("Type") or "json-file", log.mapping("Config")),
        container_id_file=fields.text("ContainerIDFile"),
        init=fields.optional_flag("Init"),
        annotations=fields.mapping("Annotations"),
        console_size=_console_size(fields, version),
        **_security(fields),
        **_naming(fields),
        **_namespaces(fields, version),
        **parse_resources(fields),
    )
    _check_windows(fields)
    refuse_unread(fields, log)
    return host


def _security(fields: Fields) -> dict[str, Any]:
    return {
        "cap_add": fields.texts("CapAdd"),
        "cap_drop": fields.texts("CapDrop"),
        "privileged": fields.flag("Privileged"),
        "readonly_rootfs": fields.flag("ReadonlyRootfs"),
        "security_opt": fields.texts("SecurityOpt"),
        "masked_paths": fields.optional_texts("MaskedPaths"),
        "readonly_paths": fields.optional_texts("ReadonlyPaths"),
        "sysctls": fields.mapping("Sysctls"),
        "group_add": fields.texts("GroupAdd"),
        "oom_score_adj": fields.integer("OomScoreAdj"),
    }


def _naming(fields: Fields) -> dict[str, Any]:
    return {
        "dns": fields.texts("Dns"),
        "dns_options": fields.texts("DnsOptions"),
        "dns_search": fields.texts("DnsSearch"),
        "extra_hosts": fields.texts("ExtraHosts"),
        "links": fields.texts("Links"),
    }


def _namespaces(fields: Fields, version: tuple[int, int]) -> dict[str, Any]:
    ipc = fields.text("IpcMode") or ("shareable" if version < _SHAREABLE_SINCE else "")
    cgroupns = fields.text("CgroupnsMode")
    pid, uts, userns = fields.text("PidMode"), fields.text("UTSMode"), fields.text("UsernsMode")
    runtime, shm = fields.text("Runtime"), fields.integer("ShmSize")
    if pid not in ("", "host", "private") and not pid.startswith("container:"):
        raise InvalidArgument(f"invalid PID mode: {pid}")
    if ipc not in ("", "none", "private", "shareable", "host") and not ipc.startswith("container:"):
        raise InvalidArgument(f"invalid IPC mode: {ipc}")
    if uts not in ("", "host"):
        raise InvalidArgument(f"invalid UTS mode: {uts}")
    if userns not in ("", "host"):
        raise InvalidArgument(f"invalid userns mode: {userns}")
    if cgroupns not in ("", "private", "host"):
        raise InvalidArgument(f"invalid cgroup namespace mode: {cgroupns}")
    if runtime not in _RUNTIMES:
        raise InvalidArgument(f"unknown or invalid runtime name: {runtime}")
    if shm < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    return {
        "ipc_mode": ipc,
        "pid_mode": pid,
        "uts_mode": uts,
        "userns_mode": userns,
        "cgroupns_mode": cgroupns,
        "runtime": runtime,
        "shm_size": shm,
    }


def _check_windows(fields: Fields) -> None:
    isolation = fields.text("Isolation")
    if isolation not in ("", "default"):
        raise InvalidArgument(f"invalid isolation ({isolation}) on linux")


def _console_size(fields: Fields, version: tuple[int, int]) -> tuple[int, int]:
    size = fields.raw("ConsoleSize") or [0, 0]
    if not isinstance(size, list) or len(size) != 2 or not all(type(n) is int and 0 <= n < 65536 for n in size):
        raise InvalidArgument(f"{fields.name_of('ConsoleSize')}: expected an array of two integers")
    return (size[0], size[1]) if version >= _CONSOLE_SINCE else (0, 0)


def render_host_config(host: HostConfig, masked: tuple[str, ...], readonly: tuple[str, ...]) -> dict[str, Any]:
    """Return HostConfig's JSON; `masked` and `readonly` are the paths where the request left them open."""
    open_paths = host.privileged
    found: dict[str, Any] = {
        "Binds": list(host.binds) or None,
        "ContainerIDFile": host.container_id_file,
        "LogConfig": {"Type": host.log_config.type, "Config": dict(host.log_config.config)},
        "NetworkMode": host.network_mode,
        "PortBindings": render_bindings(host.port_bindings),
        "RestartPolicy": {
            "Name": host.restart_policy.name,
            "MaximumRetryCount": host.restart_policy.maximum_retry_count,
        },
        "AutoRemove": host.auto_remove,
        "VolumeDriver": host.volume_driver,
        "VolumesFrom": list(host.volumes_from) or None,
        "ConsoleSize": list(host.console_size),
        "CapAdd": list(host.cap_add) or None,
        "CapDrop": list(host.cap_drop) or None,
        "CgroupnsMode": host.cgroupns_mode,
        "Dns": list(host.dns),
        "DnsOptions": list(host.dns_options),
        "DnsSearch": list(host.dns_search),
        "ExtraHosts": list(host.extra_hosts) or None,
        "GroupAdd": list(host.group_add) or None,
        "IpcMode": host.ipc_mode,
        "Cgroup": "",
        "Links": list(host.links) or None,
        "OomScoreAdj": host.oom_score_adj,
        "PidMode": host.pid_mode,
        "Privileged": host.privileged,
        "PublishAllPorts": host.publish_all_ports,
        "ReadonlyRootfs": host.readonly_rootfs,
        "SecurityOpt": list(host.security_opt) or None,
        "UTSMode": host.uts_mode,
        "UsernsMode": host.userns_mode,
        "ShmSize": host.shm_size,
        "Runtime": host.runtime or DEFAULT_RUNTIME,
        "Isolation": "",
        "MaskedPaths": _paths(host.masked_paths, () if open_paths else masked),
        "ReadonlyPaths": _paths(host.readonly_paths, () if open_paths else readonly),
    }
    sometimes: dict[str, Any] = {
        "Mounts": [render_mount(spec) for spec in host.mounts],
        "Tmpfs": dict(host.tmpfs),
        "Sysctls": dict(host.sysctls),
        "Annotations": dict(host.annotations),
    }
    found |= {name: value for name, value in sometimes.items() if value}
    if host.init is not None:
        found["Init"] = host.init
    return found | render_resources(host)


def _paths(asked: tuple[str, ...] | None, default: tuple[str, ...]) -> list[str] | None:
    if asked is None:
        return list(default) or None
    return list(asked)
