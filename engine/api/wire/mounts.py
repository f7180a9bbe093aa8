"""Mounts: HostConfig.Mounts as asked for, MountPoint as it is."""

from __future__ import annotations

from typing import Any

from engine.api.codec import Fields
from engine.containers.model import Container, MountPoint, MountSpec
from engine.errors import InvalidArgument, Unsupported

_TYPES = ("bind", "volume", "tmpfs", "npipe", "cluster", "image")
_TAKEN = ("bind", "volume", "tmpfs")


def parse_mount(fields: Fields) -> MountSpec:
    """Return one entry of HostConfig.Mounts."""
    kind = fields.text("Type")
    if kind not in _TYPES:
        raise InvalidArgument(f'invalid mount config for type "{kind}": mount type unknown')
    if kind not in _TAKEN:
        raise Unsupported(f"{fields.name_of('Type')}: mounts of type {kind} are not supported")
    for options, owner in (("BindOptions", "bind"), ("VolumeOptions", "volume"), ("TmpfsOptions", "tmpfs")):
        if kind != owner and fields.raw(options) is not None:
            raise InvalidArgument(f'invalid mount config for type "{kind}": field {options} must not be specified')
    bind, volume, tmpfs = (fields.table(f"{name}Options") for name in ("Bind", "Volume", "Tmpfs"))
    driver = volume.table("DriverConfig")
    spec = MountSpec(
        type=kind,
        target=fields.text("Target"),
        source=fields.text("Source"),
        read_only=fields.flag("ReadOnly"),
        consistency=fields.text("Consistency"),
        propagation=bind.text("Propagation"),
        non_recursive=bind.flag("NonRecursive"),
        create_mountpoint=bind.flag("CreateMountpoint"),
        read_only_non_recursive=bind.flag("ReadOnlyNonRecursive"),
        read_only_force_recursive=bind.flag("ReadOnlyForceRecursive"),
        no_copy=volume.flag("NoCopy"),
        labels=volume.mapping("Labels"),
        driver=driver.text("Name"),
        driver_options=driver.mapping("Options"),
        subpath=volume.text("Subpath"),
        tmpfs_size=tmpfs.integer("SizeBytes"),
        tmpfs_mode=tmpfs.integer("Mode"),
        tmpfs_options=_tmpfs_options(tmpfs),
    )
    refuse_unread(fields, bind, volume, tmpfs, driver)
    return spec


def refuse_unread(*tables: Fields) -> None:
    """Refuse fields that have a value and that nobody has read: they would be dropped in silence."""
    for table in tables:
        for name in table.unread():
            raise Unsupported(f"{name}: not supported")


def _tmpfs_options(tmpfs: Fields) -> tuple[tuple[str, ...], ...]:
    options = tmpfs.raw("Options") or []
    if not isinstance(options, list) or not all(
        isinstance(option, list) and 1 <= len(option) <= 2 and all(isinstance(part, str) for part in option)
        for option in options
    ):
        raise InvalidArgument(f"{tmpfs.name_of('Options')}: expected an array of arrays of one or two strings")
    return tuple(tuple(option) for option in options)


def render_mount(spec: MountSpec) -> dict[str, Any]:
    """Return an entry of HostConfig.Mounts; what is zero is left out, as Docker does."""
    bind = {
        "Propagation": spec.propagation,
        "NonRecursive": spec.non_recursive,
        "CreateMountpoint": spec.create_mountpoint,
        "ReadOnlyNonRecursive": spec.read_only_non_recursive,
        "ReadOnlyForceRecursive": spec.read_only_force_recursive,
    }
    driver = {"Name": spec.driver, "Options": dict(spec.driver_options)}
    volume = {
        "NoCopy": spec.no_copy,
        "Labels": dict(spec.labels),
        "DriverConfig": _present(driver),
        "Subpath": spec.subpath,
    }
    tmpfs = {
        "SizeBytes": spec.tmpfs_size,
        "Mode": spec.tmpfs_mode,
        "Options": [list(option) for option in spec.tmpfs_options],
    }
    return {"Type": spec.type} | _present(
        {
            "Source": spec.source,
            "Target": spec.target,
            "ReadOnly": spec.read_only,
            "Consistency": spec.consistency,
            "BindOptions": _present(bind),
            "VolumeOptions": _present(volume),
            "TmpfsOptions": _present(tmpfs),
        }
    )


def _present(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value}


def render_mounts(container: Container) -> list[dict[str, Any]]:
    """Return a container's `Mounts`; what HostConfig.Tmpfs asked for is not among them, as with Docker."""
    return [_mount_point(mount) for mount in container.mounts if mount.destination not in container.host_config.tmpfs]


def _mount_point(mount: MountPoint) -> dict[str, Any]:
    """Return a MountPoint of an answer."""
    named: dict[str, Any] = {"Type": mount.type}
    if mount.name:
        named["Name"] = mount.name
    named |= {"Source": mount.source, "Destination": mount.destination}
    if mount.driver:
        named["Driver"] = mount.driver
    return named | {"Mode": mount.mode, "RW": mount.rw, "Propagation": mount.propagation}
