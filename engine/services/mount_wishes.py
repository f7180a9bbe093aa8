"""The mounts that a container's HostConfig asks for, as wishes; what Berth does not do is refused by name."""

from __future__ import annotations

from pathlib import Path

from engine.containers.model import HostConfig, MountSpec
from engine.errors import InvalidArgument, Unsupported
from engine.volumes import model, mountspec
from engine.volumes.mountspec import Wish


def parse(host: HostConfig) -> list[Wish]:
    """Return the mounts of HostConfig.Binds, Mounts and Tmpfs; InvalidArgument where two have one target."""
    found = [mountspec.parse_bind(text) for text in host.binds]
    found.extend(_from_mount(mount) for mount in host.mounts)
    found.extend(mountspec.parse_tmpfs(target, text) for target, text in host.tmpfs.items())
    seen: set[str] = set()
    for wish in found:
        if wish.target in seen:
            raise InvalidArgument(f"Duplicate mount point: {wish.target}")
        seen.add(wish.target)
    return found


def _from_mount(mount: MountSpec) -> Wish:
    """Return what an entry of HostConfig.Mounts asks for; what Berth does not do is refused by name."""
    target = mountspec.check_mount(mount.type, mount.source, mount.target)
    if mount.subpath:
        raise Unsupported("VolumeOptions.Subpath is not supported")
    if mount.read_only_force_recursive:
        raise Unsupported("BindOptions.ReadOnlyForceRecursive is not supported")
    if mount.type == "tmpfs":
        return Wish("tmpfs", target, read_only=mount.read_only, options=_tmpfs_options(mount))
    if mount.type == "volume":
        model.check_driver(mount.driver, mount.driver_options)
        name = model.check_name(mount.source) if mount.source else ""
        return Wish("volume", target, name, "", mount.read_only, no_copy=mount.no_copy, labels=mount.labels)
    if mount.propagation and mount.propagation not in mountspec.PROPAGATIONS:
        raise InvalidArgument(f'invalid mount config for type "bind": invalid propagation: {mount.propagation}')
    return Wish(
        "bind",
        target,
        mount.source,
        read_only=mount.read_only,
        propagation=mount.propagation or "rprivate",
        make_source=mount.create_mountpoint,
        options=("bind",) if mount.non_recursive else (),
    )


def _tmpfs_options(mount: MountSpec) -> tuple[str, ...]:
    given = ["=".join(pair) for pair in mount.tmpfs_options]
    if mount.tmpfs_size:
        given.append(f"size={mount.tmpfs_size}")
    if mount.tmpfs_mode:
        given.append(f"mode={mount.tmpfs_mode:o}")
    if mount.read_only:
        given.append("ro")
    return mountspec.tmpfs_options(given)


def check_source(wish: Wish) -> None:
    """Pass where the host path of a bind is there, make it for `-v`; Docker's text otherwise."""
    source = Path(wish.source)
    try:
        source.stat()
    except FileNotFoundError:
        if not wish.make_source:
            raise InvalidArgument(
                f'invalid mount config for type "bind": bind source path does not exist: {wish.source}'
            ) from None
        source.mkdir(parents=True, exist_ok=True, mode=0o755)
    except OSError as error:
        raise InvalidArgument(f'invalid mount config for type "bind": {wish.source}: {error.strerror}') from error
