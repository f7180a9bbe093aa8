"""Limits: the part of HostConfig that `update` can change too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.api.codec import Fields
from engine.api.wire.mounts import refuse_unread
from engine.containers.model import BlockLimit, Device, HostConfig, RestartPolicy, Ulimit
from engine.errors import InvalidArgument, Unsupported

_INTEGERS = {
    "CpuShares": "cpu_shares",
    "Memory": "memory",
    "NanoCpus": "nano_cpus",
    "BlkioWeight": "blkio_weight",
    "CpuPeriod": "cpu_period",
    "CpuQuota": "cpu_quota",
    "CpuRealtimePeriod": "cpu_realtime_period",
    "CpuRealtimeRuntime": "cpu_realtime_runtime",
    "MemoryReservation": "memory_reservation",
    "MemorySwap": "memory_swap",
}
_DEVICES = {
    "BlkioWeightDevice": ("blkio_weight_device", "Weight"),
    "BlkioDeviceReadBps": ("blkio_device_read_bps", "Rate"),
    "BlkioDeviceWriteBps": ("blkio_device_write_bps", "Rate"),
    "BlkioDeviceReadIOps": ("blkio_device_read_iops", "Rate"),
    "BlkioDeviceWriteIOps": ("blkio_device_write_iops", "Rate"),
}
_TEXTS = {"CpusetCpus": "cpuset_cpus", "CpusetMems": "cpuset_mems"}
_FIXED = {
    "CgroupParent": "cgroup_parent",
    "Ulimits": "ulimits",
    "Devices": "devices",
    "DeviceCgroupRules": "device_cgroup_rules",
    "OomKillDisable": "oom_kill_disable",
    "MemorySwappiness": "memory_swappiness",
}
# Only Windows has them: Docker on Linux says the same.
_WINDOWS = ("CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth")


def parse_resources(fields: Fields) -> dict[str, Any]:
    """Return the limits in HostConfig, as arguments of our HostConfig."""
    for name in _WINDOWS:
        if fields.integer(name):
            raise InvalidArgument(f"invalid option: {fields.name_of(name)} is for Windows only")
    found: dict[str, Any] = {ours: fields.integer(name) for name, ours in _INTEGERS.items()}
    found |= {ours: fields.text(name) for name, ours in _TEXTS.items()}
    for name, (ours, amount) in _DEVICES.items():
        found[ours] = tuple(_block_limit(entry, amount) for entry in fields.tables(name))
    pids = fields.optional_integer("PidsLimit")
    swappiness = fields.optional_integer("MemorySwappiness")
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidArgument(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    found |= {
        "pids_limit": None if pids is None or pids <= 0 else pids,
        "memory_swappiness": None if swappiness == -1 else swappiness,
        "oom_kill_disable": fields.optional_flag("OomKillDisable"),
        "cgroup_parent": fields.text("CgroupParent"),
        "ulimits": tuple(_ulimit(entry) for entry in fields.tables("Ulimits")),
        "devices": tuple(_device(entry) for entry in fields.tables("Devices")),
        "device_cgroup_rules": fields.texts("DeviceCgroupRules"),
    }
    return found


def parse_changes(fields: Fields) -> dict[str, Any]:
    """Return the limits that an `update` sets, as arguments of our HostConfig: those that are not zero.

    A PidsLimit of 0 or -1 lifts the limit.
    """
    found = {name: value for name, value in parse_resources(fields).items() if value not in (0, "", (), None)}
    if fields.raw("PidsLimit") is not None:
        found["pids_limit"] = parse_resources(fields)["pids_limit"]
    return found


def check_changes(changes: Mapping[str, Any]) -> None:
    """Raise Unsupported for what an update can't change; Docker takes it and does nothing."""
    for name, ours in _FIXED.items():
        if ours in changes:
            raise Unsupported(f"{name}: can't be changed by an update: make the container anew")


def parse_restart_policy(fields: Fields) -> RestartPolicy | None:
    """Return RestartPolicy, None if it is absent or without a name."""
    table = fields.table("RestartPolicy")
    name, count = table.text("Name"), table.integer("MaximumRetryCount")
    return RestartPolicy(name, count) if name else None


def _block_limit(fields: Fields, amount: str) -> BlockLimit:
    limit = BlockLimit(fields.text("Path"), fields.integer(amount))
    refuse_unread(fields)
    return limit


def _ulimit(fields: Fields) -> Ulimit:
    name = fields.text("Name")
    if not name:
        raise InvalidArgument(f"{fields.name_of('Name')}: a ulimit needs a name")
    return Ulimit(name, fields.integer("Soft"), fields.integer("Hard"))


def _device(fields: Fields) -> Device:
    return Device(
        path_on_host=fields.text("PathOnHost"),
        path_in_container=fields.text("PathInContainer") or fields.text("PathOnHost"),
        cgroup_permissions=fields.text("CgroupPermissions") or "rwm",
    )


def render_resources(host: HostConfig) -> dict[str, Any]:
    """Return the limits as members of HostConfig's JSON."""
    found: dict[str, Any] = {name: getattr(host, ours) for name, ours in (_INTEGERS | _TEXTS).items()}
    return found | {
        "CgroupParent": host.cgroup_parent,
        **{
            name: [{"Path": limit.path, amount: limit.amount} for limit in getattr(host, ours)]
            for name, (ours, amount) in _DEVICES.items()
        },
        "Devices": [
            {
                "PathOnHost": device.path_on_host,
                "PathInContainer": device.path_in_container,
                "CgroupPermissions": device.cgroup_permissions,
            }
            for device in host.devices
        ],
        "DeviceCgroupRules": list(host.device_cgroup_rules) or None,
        "DeviceRequests": None,
        "MemorySwappiness": host.memory_swappiness,
        "OomKillDisable": host.oom_kill_disable,
        "PidsLimit": host.pids_limit,
        "Ulimits": [{"Name": u.name, "Hard": u.hard, "Soft": u.soft} for u in host.ulimits],
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }
