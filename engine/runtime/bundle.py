"""The folder of one launch, beside which conmon puts its sockets.

RUN_ROOT/bundles/<container id>/
    config.json     the OCI spec
    cgroup          the container's cgroup name
    pid conmon.pid  its first process, its monitor
    attach ctl winsz    conmon's attach socket and control pipes
    oom             made by conmon when the kernel killed for memory
    exec/<exec id>/     the same for a further process: process.json pid conmon.pid attach ctl winsz, its exit file
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.kernel import mounts, syscalls
from engine.kernel.syscalls import MountFlag

ATTACH = "attach"
CONTROL = "ctl"
SHARED_MEMORY = "shm"


def write(folder: Path, spec: Mapping[str, Any]) -> None:
    """Make the folder and put the spec into it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    put(folder / "config.json", json.dumps(spec, separators=(",", ":")).encode())
    put(folder / "cgroup", spec.get("linux", {}).get("cgroupsPath", "").encode())


def put(path: Path, data: bytes) -> None:
    """Write a small file that only root reads, by three calls."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def get(path: Path | str) -> str:
    """Return a small file's text, "" where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        return os.read(fd, 65536).decode()
    finally:
        os.close(fd)


def get_pid(path: Path | str) -> int:
    """Return the number in a pid file, 0 where there is none."""
    text = get(path).strip()
    return int(text) if text.isdigit() else 0


def exec_folder(folder: Path, exec_id: str) -> Path:
    """Return the folder of an exec session."""
    return folder / "exec" / exec_id


def share_memory(folder: Path, size: int) -> Path:
    """Mount a tmpfs of `size` bytes in the bundle, to be bound as /dev/shm by this container and its partners."""
    target = folder / SHARED_MEMORY
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not mounts.is_mount_point(target):
        flags = MountFlag.NOSUID | MountFlag.NODEV | MountFlag.NOEXEC
        syscalls.mount("shm", target, "tmpfs", flags, f"mode=1777,size={size}")
    return target


def remove(folder: Path) -> None:
    """Remove a bundle or an exec session's folder; gone already is fine."""
    if os.path.isdir(f"{folder}/{SHARED_MEMORY}"):  # noqa: PTH112 - hot path
        mounts.unmount(folder / SHARED_MEMORY)
    try:
        for name in os.listdir(folder):
            try:
                os.unlink(f"{folder}/{name}")  # noqa: PTH108 - hot path
            except (IsADirectoryError, PermissionError):
                shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
        os.rmdir(folder)  # noqa: PTH106 - hot path
    except FileNotFoundError:
        return
