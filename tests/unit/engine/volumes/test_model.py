from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import InvalidArgument, Unsupported
from engine.volumes.model import Volume, check_driver, check_name, matches, may_prune

VOLUME = Volume("default", "data", labels={"a": "1", "b": ""})


@pytest.mark.parametrize("name", ["ab", "A.b-c_d", "0" * 64])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-ab", "a/b", "a b", "..", "a\n", "ü1", "a" * 256])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match="includes invalid characters for a local volume name"):
        check_name(name)


def test_other_drivers_and_options_are_refused_by_name() -> None:
    check_driver("", {})
    check_driver("local", {})
    with pytest.raises(Unsupported, match='volume driver "nfs" is not supported'):
        check_driver("nfs", {})
    with pytest.raises(Unsupported, match='the option "device" of the local volume driver'):
        check_driver("local", {"type": "none", "device": "/x"})


@pytest.mark.parametrize(
    ("filters", "used", "passes"),
    [
        ({}, False, True),
        ({"name": ("at",)}, False, True),
        ({"name": ("x", "dat")}, False, True),
        ({"name": ("x",)}, False, False),
        ({"label": ("a",)}, False, True),
        ({"label": ("a=1", "b")}, False, True),
        ({"label": ("a=2",)}, False, False),
        ({"driver": ("local",)}, False, True),
        ({"dangling": ("true",)}, True, False),
        ({"dangling": ("1",)}, False, True),
        ({"dangling": ("false",)}, True, True),
        ({"dangling": ("0",)}, False, False),
    ],
)
def test_filters(filters: dict[str, tuple[str, ...]], used: bool, passes: bool) -> None:
    assert matches(VOLUME, filters, lambda volume: used) is passes


def test_prune_takes_anonymous_ones_and_all_by_request() -> None:
    anonymous = replace(VOLUME, anonymous=True)
    assert may_prune(anonymous, {})
    assert not may_prune(VOLUME, {})
    assert may_prune(VOLUME, {"all": ("true",)})
    assert not may_prune(anonymous, {"label!": ("a",)})
    assert not may_prune(anonymous, {"label": ("z",)})
