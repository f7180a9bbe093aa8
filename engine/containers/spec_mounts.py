"""The mounts of a spec: what every container has, the engine's own files, what the user asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.containers.model import Container, MountPoint

DEFAULT_SHM_SIZE = 64 << 20
_MANAGED = ("resolv.conf", "hostname", "hosts")
_PROPAGATIONS = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")

OciMount = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """Host paths that are bound into a container: its managed files, a shared /dev/shm, an init program."""

    files: Path | None
    shm: Path | None
    init: Path | None
    init_target: str


def build_mounts(container: Container, sources: Sources, *, own_cgroup_namespace: bool) -> list[OciMount]:
    """Return OCI `mounts`; a user's mount replaces the default at its target, parents come before children."""
    found = {mount["destination"]: mount for mount in _system_mounts(container, own_cgroup_namespace)}
    for mount in _shared_memory(container, sources.shm):
        found[mount["destination"]] = mount
    if sources.files is not None:
        for name in _MANAGED:
            found[f"/etc/{name}"] = _bind(sources.files / name, f"/etc/{name}", ["rprivate"])
    if sources.init is not None:
        found[sources.init_target] = _bind(sources.init, sources.init_target, ["ro", "rprivate"])
    for destination, options in container.host_config.tmpfs.items():
        found[destination] = _tmpfs(destination, tuple(filter(None, options.split(","))))
    for point in container.mounts:
        found[point.destination] = _user_mount(point)
    # Stable: at equal depth defaults come first, so that /dev is there before /dev/pts.
    return sorted(found.values(), key=lambda mount: _depth(mount["destination"]))


def _depth(path: str) -> int:
    return len([part for part in path.split("/") if part])


def _system_mounts(container: Container, own_cgroup_namespace: bool) -> list[OciMount]:
    writable = container.host_config.privileged
    access = "rw" if writable else "ro"
    cgroup_options = [access, "nosuid", "noexec", "nodev"]
    mounts: list[OciMount] = [
        _mount("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount(
            "/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
        ),
        _mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", access]),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", cgroup_options + (["private"] if own_cgroup_namespace else [])),
    ]
    # One file system for each IPC namespace: in the host's namespace this is the host's.
    mounts.append(_mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]))
    return mounts


def _shared_memory(container: Container, shared: Path | None) -> list[OciMount]:
    mode = container.host_config.ipc_mode
    if mode == "none":
        return []
    if mode == "host":
        return [_bind(Path("/dev/shm"), "/dev/shm", ["rprivate"])]  # noqa: S108 - the host's own
    if shared is not None:
        return [_bind(shared, "/dev/shm", ["rprivate"])]  # noqa: S108
    size = container.host_config.shm_size or DEFAULT_SHM_SIZE
    options = ["nosuid", "noexec", "nodev", "mode=1777", f"size={size}"]
    return [_mount("/dev/shm", "tmpfs", "shm", options)]  # noqa: S108


def _user_mount(point: MountPoint) -> OciMount:
    if point.type == "tmpfs":
        return _tmpfs(point.destination, point.options, read_only=not point.rw)
    propagation = point.propagation if point.propagation in _PROPAGATIONS else "rprivate"
    extra = [word for word in point.options if word not in _PROPAGATIONS and word not in ("bind", "rbind", "ro", "rw")]
    access = [] if point.rw else ["ro"]
    depth = "bind" if "bind" in point.options else "rbind"
    return _mount(point.destination, "bind", point.source, [depth, propagation, *access, *extra])


def _tmpfs(destination: str, options: Sequence[str], *, read_only: bool = False) -> OciMount:
    given = [word for word in options if word not in _PROPAGATIONS]
    opposite = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}
    cancelled = {opposite[word] for word in given if word in opposite}
    defaults = [word for word in _TMPFS_DEFAULTS if word not in cancelled and word not in given]
    access = ["ro"] if read_only and "ro" not in given else []
    return _mount(destination, "tmpfs", "tmpfs", [*defaults, *given, *access])


def _bind(source: Path, destination: str, options: list[str]) -> OciMount:
    return _mount(destination, "bind", str(source), ["rbind", *options])


def _mount(destination: str, fstype: str, source: str, options: list[str]) -> OciMount:
    return {"destination": destination, "type": fstype, "source": source, "options": options}


def root_propagation(points: Sequence[MountPoint]) -> str:
    """Return the root's propagation that shared or slave binds need, "" for the runtime's default."""
    asked = {point.propagation for point in points}
    if asked & {"shared", "rshared"}:
        return "shared"
    return "rslave" if asked & {"slave", "rslave"} else ""
