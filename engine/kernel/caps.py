"""Capabilities: their names, Docker's default set, what this process may hand on (capabilities(7))."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from engine.errors import InvalidArgument
from engine.kernel import proc

NAMES: tuple[str, ...] = tuple(
    f"CAP_{word}"
    for word in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
        "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
        "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL "
        "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
    ).split()
)
"""By number, from 0."""

DEFAULT: tuple[str, ...] = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)
"""What Docker gives a container that asks for nothing."""

SYS_RESOURCE = "CAP_SYS_RESOURCE"
_ALL = "ALL"


def of_mask(mask: int) -> tuple[str, ...]:
    """Return the names of a capability mask as /proc/PID/status prints it."""
    return tuple(name for number, name in enumerate(NAMES) if mask >> number & 1)


def available() -> tuple[str, ...]:
    """Return what this process can give to a child: its permitted set within its bounding set."""
    status = proc.status(os.getpid())
    return of_mask(int(status["CapBnd"], 16) & int(status["CapPrm"], 16))


def normalize(name: str, field: str) -> str:
    """Return `CAP_X` for `x`, `cap_x` or `X`; `ALL` stays. Raises InvalidArgument naming the field."""
    word = name.strip().upper()
    if word == _ALL:
        return word
    full = word if word.startswith("CAP_") else f"CAP_{word}"
    if full not in NAMES:
        raise InvalidArgument(f'invalid {field}: unknown capability: "{full}"')
    return full


def tweak(add: Sequence[str], drop: Sequence[str], *, privileged: bool, possible: Collection[str]) -> tuple[str, ...]:
    """Return a container's capabilities by Docker's rules, kept within what is `possible` on this machine.

    Raises InvalidArgument for a name that is none.
    """
    added = [normalize(name, "CapAdd") for name in add]
    dropped = {normalize(name, "CapDrop") for name in drop}
    if privileged or (_ALL in added and _ALL not in dropped):
        wanted = [name for name in NAMES if privileged or name not in dropped]
    elif _ALL in dropped:
        wanted = [name for name in added if name != _ALL] if _ALL not in added else list(NAMES)
    else:
        wanted = [name for name in DEFAULT if name not in dropped] + added
    return tuple(name for name in dict.fromkeys(wanted) if name in possible)
