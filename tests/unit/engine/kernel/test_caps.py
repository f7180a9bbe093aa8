"""Capabilities by Docker's rules."""

from __future__ import annotations

import pytest

from engine.errors import InvalidArgument
from engine.kernel import caps


def _tweak(add: str = "", drop: str = "", *, privileged: bool = False) -> tuple[str, ...]:
    return caps.tweak(add.split(), drop.split(), privileged=privileged, possible=caps.NAMES)


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ("", "", caps.DEFAULT),
        ("net_admin", "", (*caps.DEFAULT, "CAP_NET_ADMIN")),
        ("CAP_CHOWN", "", caps.DEFAULT),
        ("", "ALL", ()),
        ("Kill CAP_chown", "all", ("CAP_KILL", "CAP_CHOWN")),
        ("ALL", "", caps.NAMES),
        ("ALL", "SYS_ADMIN", tuple(name for name in caps.NAMES if name != "CAP_SYS_ADMIN")),
        ("", "mknod", tuple(name for name in caps.DEFAULT if name != "CAP_MKNOD")),
    ],
)
def test_add_and_drop(add: str, drop: str, expected: tuple[str, ...]) -> None:
    assert _tweak(add, drop) == expected


def test_privileged_is_all_that_the_machine_has() -> None:
    assert _tweak(drop="ALL", privileged=True) == caps.NAMES
    possible = [name for name in caps.NAMES if name != caps.SYS_RESOURCE]
    assert caps.SYS_RESOURCE not in caps.tweak([], [], privileged=True, possible=possible)


@pytest.mark.parametrize(("add", "drop", "field"), [("NOPE", "", "CapAdd"), ("", "cap_nope", "CapDrop")])
def test_unknown_name_is_refused(add: str, drop: str, field: str) -> None:
    with pytest.raises(InvalidArgument, match=f'invalid {field}: unknown capability: "CAP_NOPE"'):
        _tweak(add, drop)


def test_masks_are_names_by_number() -> None:
    assert caps.of_mask(0b101001) == ("CAP_CHOWN", "CAP_FOWNER", "CAP_KILL")
    assert len(caps.NAMES) == 41
    assert caps.NAMES[21] == "CAP_SYS_ADMIN"
    assert set(caps.available()) <= set(caps.NAMES)
