"""The engine's own mount namespace: entered at start, pinned so that the next engine enters the same one.

    host namespace                         engine's namespace (slave of the host's)
    RUN_ROOT/ns        private bind        the same folder, plain
    RUN_ROOT/ns/mnt    nsfs file ───────▶  overlay roots, network sandboxes, volumes' mounts live here only

Why: container roots stay out of the host's mount table; on hybrid cgroup machines crun works only where
`/sys/fs/cgroup/unified` is not mounted; and since the namespace is pinned by a bind mount of its nsfs file, mounts
outlive the engine, kill -9 included. Mounts that the host makes later appear inside (slave), ours never outside.
RUN_ROOT and DATA_ROOT are ordinary folders of the host: sockets and files made inside are seen on the host at the
same path.

setns(2) and unshare(2) of a mount namespace need a process with one thread, so `enter_mount_namespace` is the first
thing an engine does. It changes the working directory to `/` (setns does): make paths absolute before.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from engine.errors import Internal
from engine.kernel import mounts, syscalls
from engine.kernel.syscalls import MountFlag, Namespace

_SELF = "/proc/self/ns/mnt"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNIFIED = Path("/sys/fs/cgroup/unified")


def enter_mount_namespace(pin: Path) -> bool:
    """Put this single-threaded process into the namespace pinned at `pin`, which is made if it is not there.

    Returns whether the namespace is new; entering it again is a no-op. Raises Internal where the process has
    threads already, OSError where the kernel refuses.
    """
    if _is_inside(pin):
        return False
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise Internal("the engine's mount namespace must be entered before any thread starts")
    if _is_pinned(pin):
        fd = os.open(pin, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(fd, Namespace.MOUNT)
        finally:
            os.close(fd)
        return False
    _create(pin)
    return True


def drop_mount_namespace(pin: Path) -> None:
    """Unpin the namespace (from the host's side); it goes when its last process does. Idempotent."""
    mounts.unmount(pin)
    mounts.unmount(pin.parent)
    _record(pin).unlink(missing_ok=True)


def _create(pin: Path) -> None:
    _prepare_folder(pin)
    host = os.open(_SELF, os.O_RDONLY | os.O_CLOEXEC)
    cpus = os.sched_getaffinity(0)
    try:
        # The kernel pins a younger namespace in an older one only (EINVAL, mnt_ns_loop), and goes by ids that it
        # hands out in batches for each CPU (6.18): where one CPU gave an id that is too low, another has a higher.
        for allowed in [cpus, *({cpu} for cpu in sorted(cpus))]:
            os.sched_setaffinity(0, allowed)
            if _try_create(pin, host):
                return
    finally:
        os.sched_setaffinity(0, cpus)
        os.close(host)
    raise Internal(f"the kernel refuses to pin a mount namespace at {pin}")


def _try_create(pin: Path, host: int) -> bool:
    syscalls.unshare(Namespace.MOUNT)
    syscalls.mount("none", "/", flags=MountFlag.REC | MountFlag.SLAVE)
    hide_unified_cgroup()
    ours = os.open(_SELF, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Only the host's side may hold the pin: a namespace can't be mounted within itself.
        syscalls.setns(host, Namespace.MOUNT)
        try:
            syscalls.mount(f"/proc/self/fd/{ours}", pin, flags=MountFlag.BIND)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            raise
        _record(pin).write_text(_identity(os.fstat(ours)))
        syscalls.setns(ours, Namespace.MOUNT)
    finally:
        os.close(ours)
    return True


def _prepare_folder(pin: Path) -> None:
    folder = pin.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not mounts.is_mount_point(folder):
        mounts.bind(folder, folder)
    # nsfs files of mount namespaces can't be bound under a shared mount (EINVAL).
    syscalls.mount("none", folder, flags=MountFlag.PRIVATE)
    pin.touch(mode=0o600)


def hide_unified_cgroup() -> None:
    """Unmount the v2 tree of a hybrid machine, in the caller's own mount namespace."""
    if _UNIFIED.exists() and mounts.is_mount_point(_UNIFIED):
        mounts.unmount(_UNIFIED)


def _is_pinned(pin: Path) -> bool:
    return any(entry.target == os.path.realpath(pin) and entry.fstype == "nsfs" for entry in mounts.list_mounts(pin))


def _is_inside(pin: Path) -> bool:
    # Inside, the pin itself is not to be seen (private mount): the record beside it tells.
    try:
        return _record(pin).read_text() == _identity(Path(_SELF).stat())
    except FileNotFoundError:
        return False


def _record(pin: Path) -> Path:
    return pin.with_name(pin.name + ".id")


def _identity(found: os.stat_result) -> str:
    return f"{_BOOT_ID.read_text().strip()} {found.st_dev}:{found.st_ino}\n"
