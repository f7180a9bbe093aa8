"""Devices: looked at on this host, rendered for OCI."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.containers import devices
from engine.containers.model import Device
from engine.errors import InvalidArgument


def test_device_is_looked_up_and_renamed() -> None:
    (node,) = devices.resolve([Device("/dev/null", "/dev/nothing", "r")])
    assert (node.path, node.type, node.major, node.minor, node.access) == ("/dev/nothing", "c", 1, 3, "r")
    assert devices.build_nodes([node])[0]["path"] == "/dev/nothing"
    assert devices.build_rules([node], ["b 8:* rm"]) == [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"},
        {"allow": True, "type": "b", "major": 8, "access": "rm"},
    ]


def test_no_target_is_the_same_path() -> None:
    assert devices.resolve([Device("/dev/zero", "", "")])[0].path == "/dev/zero"


@pytest.mark.parametrize("path", ["/dev/no-such-device", "/etc/passwd"])
def test_what_is_no_device_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="error gathering device information"):
        devices.resolve([Device(path, "")])
    with pytest.raises(InvalidArgument, match="error gathering device information"):
        devices.resolve([Device(str(tmp_path), "")])


def test_privileged_sees_the_hosts_devices_without_terminals_of_others() -> None:
    paths = {node.path for node in devices.all_of_host()}
    assert "/dev/null" in paths
    assert not any(path.startswith(("/dev/pts", "/dev/shm")) for path in paths)


@pytest.mark.parametrize("text", ["", "c 1:3", "x 1:3 rwm", "c 1 rwm", "c 1:3 rwx"])
def test_bad_rule_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid device cgroup rule format"):
        devices.parse_rule(text)
