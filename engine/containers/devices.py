"""Host devices given to a container: looked at on the host (`resolve`), then OCI device nodes and cgroup rules."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.containers.model import Device
from engine.errors import InvalidArgument

_RULE = re.compile(r"(?P<type>[acb]) (?P<major>\d+|\*):(?P<minor>\d+|\*) (?P<access>[rwm]{1,3})")
_NOT_GIVEN = frozenset(("/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/console", "/dev/lxc", "/dev/.lxc"))  # noqa: S108
_DENY_ALL = {"allow": False, "access": "rwm"}
ALLOW_ALL: dict[str, Any] = {"allow": True, "access": "rwm"}


@dataclass(frozen=True, slots=True)
class Node:
    """A device node as the host has it. `access` is its cgroup permission: letters of r, w, m."""

    path: str
    type: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int
    access: str = "rwm"


def resolve(devices: Sequence[Device]) -> tuple[Node, ...]:
    """Return the nodes for what was asked; a folder gives all nodes in it. Raises InvalidArgument, Docker's text."""
    found: list[Node] = []
    for device in devices:
        target = device.path_in_container or device.path_on_host
        host = Path(device.path_on_host)
        access = device.cgroup_permissions or "rwm"
        if host.is_dir():
            inside = [_moved(node, device.path_on_host, target, access) for node in _walk(host)]
            nodes = inside
        else:
            node = _node(host, target, access)
            nodes = [node] if node else []
        if not nodes:
            raise InvalidArgument(
                f'error gathering device information while adding custom device "{device.path_on_host}": '
                + ("no such file or directory" if not host.exists() else "not a device node")
            )
        found += nodes
    return tuple(found)


def all_of_host() -> tuple[Node, ...]:
    """Return every device of the host's /dev: what a privileged container sees."""
    return tuple(_walk(Path("/dev")))


def _walk(folder: Path) -> Iterator[Node]:
    for path in sorted(folder.iterdir()):
        if str(path) in _NOT_GIVEN or path.is_symlink():
            continue
        if path.is_dir():
            yield from _walk(path)
        elif node := _node(path, str(path), "rwm"):
            yield node


def _moved(node: Node, host: str, target: str, access: str) -> Node:
    path = target.rstrip("/") + node.path.removeprefix(host.rstrip("/"))
    return Node(path, node.type, node.major, node.minor, node.mode, node.uid, node.gid, access)


def _node(path: Path, target: str, access: str) -> Node | None:
    try:
        found = path.stat()
    except OSError:
        return None
    kind = "c" if stat.S_ISCHR(found.st_mode) else "b" if stat.S_ISBLK(found.st_mode) else ""
    if not kind:
        return None
    major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
    return Node(target, kind, major, minor, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, access)


def build_nodes(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """Return OCI `linux.devices`."""
    return [
        {
            "path": node.path,
            "type": node.type,
            "major": node.major,
            "minor": node.minor,
            "fileMode": node.mode,
            "uid": node.uid,
            "gid": node.gid,
        }
        for node in nodes
    ]


def build_rules(nodes: Sequence[Node], rules: Sequence[str]) -> list[dict[str, Any]]:
    """Return OCI `linux.resources.devices`: nothing but the runtime's defaults, these nodes, these rules."""
    allowed = [
        {"allow": True, "type": node.type, "major": node.major, "minor": node.minor, "access": node.access}
        for node in nodes
    ]
    return [dict(_DENY_ALL), *allowed, *[parse_rule(rule) for rule in rules]]


def parse_rule(text: str) -> dict[str, Any]:
    """Return an OCI device rule for `c 1:3 rwm` (cgroup-v1/devices). Raises InvalidArgument."""
    found = _RULE.fullmatch(text)
    if found is None:
        raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
    rule: dict[str, Any] = {"allow": True, "type": found["type"], "access": found["access"]}
    for key in ("major", "minor"):
        if found[key] != "*":
            rule[key] = int(found[key])
    return rule
