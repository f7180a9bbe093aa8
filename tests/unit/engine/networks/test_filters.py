from __future__ import annotations

import pytest

from engine.networks.filters import matches, may_prune
from engine.networks.model import Network

LAN = Network("abc123", "default", "lan", created_ns=100, labels={"a": "1", "b": ""})
BRIDGE = Network("def456", "default", "bridge")


@pytest.mark.parametrize(
    ("filters", "used", "passes"),
    [
        ({}, False, True),
        ({"name": ("la",)}, False, True),
        ({"name": ("x", "an")}, False, True),
        ({"name": ("x",)}, False, False),
        ({"id": ("abc",)}, False, True),
        ({"id": ("bc",)}, False, False),
        ({"driver": ("bridge",)}, False, True),
        ({"driver": ("overlay",)}, False, False),
        ({"scope": ("local",)}, False, True),
        ({"scope": ("swarm",)}, False, False),
        ({"type": ("custom",)}, False, True),
        ({"type": ("builtin",)}, False, False),
        ({"label": ("a=1", "b")}, False, True),
        ({"label": ("a=2",)}, False, False),
        ({"dangling": ("true",)}, False, True),
        ({"dangling": ("true",)}, True, False),
        ({"dangling": ("false",)}, True, True),
    ],
)
def test_filters(filters: dict[str, tuple[str, ...]], used: bool, passes: bool) -> None:
    assert matches(LAN, filters, lambda network: used) is passes


def test_predefined_networks_are_builtin_and_never_dangling() -> None:
    assert matches(BRIDGE, {"type": ("builtin",)}, lambda network: False)
    assert not matches(BRIDGE, {"dangling": ("true",)}, lambda network: False)


def test_prune_spares_predefined_newer_and_labelled_ones() -> None:
    assert may_prune(LAN, {}, [])
    assert may_prune(LAN, {"label": ("a",)}, [101])
    assert not may_prune(LAN, {}, [100])
    assert not may_prune(LAN, {"label!": ("a=1",)}, [])
    assert not may_prune(BRIDGE, {}, [])
