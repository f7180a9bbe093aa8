"""Who a container's process is: Docker's `user[:group]` looked up in the container's own passwd and group files.

The files are opened within the root (openat2, RESOLVE_IN_ROOT): a link in an image can't make the engine read the
host's. A number needs no entry; a name does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidArgument
from engine.kernel import syscalls

_LARGEST = 1 << 20
_MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class User:
    """A process's identity: numbers as inside the container, home "" where passwd has none."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    number: int
    rest: tuple[str, ...]


def resolve_user(user: str, group_add: Sequence[str], root: Path) -> User:
    """Return the identity for `user` ("" root, `name`, `uid`, each with `:group`) in the root file system `root`.

    Raises InvalidArgument with Docker's texts.
    """
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        passwd = _parse(_read(fd, "etc/passwd"))
        groups = _parse(_read(fd, "etc/group"))
    finally:
        os.close(fd)
    return find_user(user, group_add, passwd, groups)


def find_user(user: str, group_add: Sequence[str], passwd: Sequence[_Entry], groups: Sequence[_Entry]) -> User:
    """Do what `resolve_user` does, on parsed files."""
    name, colon, group = user.partition(":")
    entry = _find(name or "0", passwd)
    if entry is None and not (name or "0").isdigit():
        raise InvalidArgument(f"unable to find user {name}: no matching entries in passwd file")
    uid = entry.number if entry else _number(name or "0")
    gid = int(entry.rest[0]) if entry and entry.rest and entry.rest[0].isdigit() else 0
    extra: list[int] = []
    if colon and group:
        gid = _group(group, groups)
    elif entry is not None:
        extra = [found.number for found in groups if entry.name in _members(found)]
    extra += [_group(name, groups) for name in group_add]
    home = entry.rest[2] if entry and len(entry.rest) > 2 else ""
    return User(uid, gid, tuple(dict.fromkeys([gid, *extra])) if extra else (gid,), home)


def _group(name: str, groups: Sequence[_Entry]) -> int:
    found = _find(name, groups)
    if found is not None:
        return found.number
    if not name.isdigit():
        raise InvalidArgument(f"unable to find group {name}: no matching entries in group file")
    return _number(name)


def _number(text: str) -> int:
    number = int(text)
    if number > _MAX_ID:
        raise InvalidArgument("uids and gids must be in range 0-2147483647")
    return number


def _find(name: str, entries: Iterable[_Entry]) -> _Entry | None:
    found = None
    for entry in entries:
        if entry.name == name:
            return entry
        if found is None and name.isdigit() and entry.number == int(name):
            found = entry
    return found


def _members(group: _Entry) -> list[str]:
    return group.rest[0].split(",") if group.rest else []


def _parse(text: str) -> list[_Entry]:
    """Return the entries of passwd(5) or group(5); lines that are none are left out."""
    found = []
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= 3 and fields[2].isdigit() and not fields[0].startswith("#"):
            found.append(_Entry(fields[0], int(fields[2]), tuple(fields[3:])))
    return found


def _read(root_fd: int, path: str) -> str:
    try:
        fd = syscalls.openat2(root_fd, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(fd, "rb") as stream:
        return stream.read(_LARGEST).decode(errors="replace")
