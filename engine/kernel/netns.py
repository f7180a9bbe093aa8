"""Network namespaces pinned as files, and work inside of them.

`pin` makes a namespace on a throw-away thread and binds it to a file; it lives until the last of file, processes and
sockets is gone. `run_in` runs a function on a throw-away thread that entered a namespace: sockets opened there stay
of that namespace, `/proc/sys/net` written there is that namespace's. No process is made, the calling thread moves
nowhere.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from engine.kernel import syscalls

T = TypeVar("T")


def pin(path: Path, prepare: Callable[[], T]) -> T:
    """Make a network namespace, pin it at `path` and return what `prepare`, run inside, returns.

    Where `prepare` fails, nothing is left behind.
    """

    def make() -> T:
        syscalls.unshare(syscalls.Namespace.NETWORK)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o600))
        try:
            syscalls.mount("/proc/thread-self/ns/net", path, flags=syscalls.MountFlag.BIND)
            return prepare()
        except BaseException:
            unpin(path)
            raise

    return _on_thread(make)


def run_in(path: Path, work: Callable[[], T]) -> T:
    """Return what `work` returns, run inside the network namespace that is pinned at `path`."""

    def enter() -> T:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(fd, syscalls.Namespace.NETWORK)
        finally:
            os.close(fd)
        return work()

    return _on_thread(enter)


def unpin(path: Path) -> None:
    """Let go of the namespace at `path`; the kernel takes it down later, links included. Idempotent."""
    try:
        syscalls.umount(path, syscalls.UmountFlag.DETACH)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):
            raise
    path.unlink(missing_ok=True)


def write_sysctl(name: str, value: str) -> None:
    """Write a `net.` sysctl (slashes for dots) of the calling thread's namespace."""
    fd = os.open(f"/proc/sys/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def read_sysctl(name: str) -> str:
    """Return a sysctl's value in the calling thread's namespace."""
    with open(f"/proc/sys/{name}") as file:  # noqa: PTH123 - hot path
        return file.read().strip()


def filters_bridged(family: int) -> bool:
    """Say whether firewall rules see what goes from port to port of a bridge (br_netfilter); `family` 4 or 6."""
    try:
        return read_sysctl(f"net/bridge/bridge-nf-call-{'ip' if family == 4 else 'ip6'}tables") == "1"
    except FileNotFoundError:
        return False


def _on_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # handed to the waiting caller
            failures.append(error)

    thread = threading.Thread(target=run, name="netns", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
