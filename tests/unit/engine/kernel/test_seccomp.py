"""Profiles compiled by libseccomp, and the programs run through a BPF interpreter: what does the kernel answer?"""

from __future__ import annotations

import base64
import platform
import struct
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Internal, InvalidArgument
from engine.kernel import caps, seccomp

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
X86_64 = 0xC000003E
READ, MOUNT, SOCKET, PERSONALITY, CLONE, CLONE3, UNSHARE = 0, 165, 41, 135, 56, 435, 272

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers of x86-64")


def _run(program: bytes, number: int, *arguments: int, arch: int = X86_64) -> int:
    """Interpret a filter (classic BPF) on one system call."""
    data = struct.pack("<iIQ6Q", number, arch, 0, *(list(arguments) + [0] * 6)[:6])
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x06:
            return int(value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x05:
            at += value
        else:
            test = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value}[operation]
            at += yes if test else no


def test_default_profile_allows_refuses_and_follows_capabilities() -> None:
    profile = seccomp.load_default_profile()
    plain = seccomp.compile_filter(profile, caps.DEFAULT)
    admin = seccomp.compile_filter(profile, [*caps.DEFAULT, "CAP_SYS_ADMIN"])
    assert _run(plain, READ) == ALLOW
    assert _run(plain, MOUNT) == ERRNO | 1
    assert _run(admin, MOUNT) == ALLOW
    assert _run(plain, CLONE, 0x1200011) == ALLOW
    assert _run(plain, CLONE, 0x10000011) == ERRNO | 38
    assert _run(admin, CLONE, 0x10000011) == ALLOW
    assert _run(plain, CLONE3) == ERRNO | 38
    assert _run(plain, UNSHARE) == ERRNO | 1
    assert _run(plain, 9999) == ERRNO | 38
    assert _run(plain, PERSONALITY, 8) == ALLOW
    assert _run(plain, PERSONALITY, 3) != ALLOW
    assert _run(plain, READ, arch=0x12345678) not in (ALLOW, ERRNO | 38)


def _profile(**rule: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", **rule}]}


def _argument(index: int, operator: str, value: int, second: int = 0) -> dict[str, Any]:
    return {"index": index, "op": f"SCMP_CMP_{operator}", "value": value, "valueTwo": second}


@pytest.mark.parametrize(
    ("rule", "arguments", "result"),
    [
        ({}, (), ERRNO | 1),
        ({"errnoRet": 13}, (), ERRNO | 13),
        ({"args": [_argument(0, "EQ", 16)]}, (16,), ERRNO | 1),
        ({"args": [_argument(0, "EQ", 16)]}, (2,), ALLOW),
        ({"args": [_argument(0, "EQ", 16), _argument(2, "EQ", 9)]}, (16, 0, 9), ERRNO | 1),
        ({"args": [_argument(0, "EQ", 16), _argument(2, "EQ", 9)]}, (16, 0, 1), ALLOW),
        ({"args": [_argument(0, "EQ", 1), _argument(0, "EQ", 2)]}, (2,), ERRNO | 1),
        ({"args": [_argument(1, "MASKED_EQ", 0xF0, 0x20)]}, (0, 0x2F), ERRNO | 1),
        ({"args": [_argument(1, "MASKED_EQ", 0xF0, 0x20)]}, (0, 0x3F), ALLOW),
        ({"includes": {"arches": ["arm64"]}}, (), ALLOW),
        ({"excludes": {"arches": ["amd64"]}}, (), ALLOW),
        ({"includes": {"minKernel": "999.1"}}, (), ALLOW),
        ({"includes": {"minKernel": "3.1"}}, (), ERRNO | 1),
        ({"includes": {"caps": ["CAP_KILL"]}}, (), ERRNO | 1),
        ({"excludes": {"caps": ["CAP_KILL"]}}, (), ALLOW),
        ({"names": ["no_such_call"], "name": "socket"}, (), ERRNO | 1),
        ({"action": "SCMP_ACT_LOG"}, (), 0x7FFC0000),
    ],
)
def test_rules(rule: dict[str, Any], arguments: tuple[int, ...], result: int) -> None:
    program = seccomp.compile_filter(_profile(**rule), ["CAP_KILL"])
    assert _run(program, SOCKET, *arguments) == result
    assert _run(program, READ) == ALLOW


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"defaultAction": "NOPE"}'],
)
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="Decoding seccomp profile failed"):
        seccomp.parse_profile(text)


@pytest.mark.parametrize("rule", [{"action": "X"}, {"args": [_argument(0, "NEAR", 1)]}], ids=["action", "operator"])
def test_rule_with_an_unknown_word_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="unknown"):
        seccomp.compile_filter(_profile(**rule), ())


def test_missing_default_profile_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(Internal, match="apt install golang-github-containers-common"):
        seccomp.load_default_profile([tmp_path / "none.json"])


def test_filter_is_compiled_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = seccomp.Filters(tmp_path / "s").annotation(_profile(), ["CAP_KILL", "CAP_CHOWN"])
    assert base64.b64decode(first) == seccomp.compile_filter(_profile(), ["CAP_KILL", "CAP_CHOWN"])
    assert len(list((tmp_path / "s").iterdir())) == 1

    def fail(*_: object) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr(seccomp, "compile_filter", fail)
    filters = seccomp.Filters(tmp_path / "s")
    assert filters.annotation(_profile(), ["CAP_CHOWN", "CAP_KILL"]) == first
    (path,) = (tmp_path / "s").iterdir()
    path.unlink()
    assert filters.annotation(_profile(), ["CAP_CHOWN", "CAP_KILL"]) == first


def test_profile_as_oci_has_the_rules_that_apply() -> None:
    profile = _profile(includes={"caps": ["CAP_KILL"]}) | {
        "defaultErrnoRet": 38,
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    }
    assert seccomp.to_oci(profile, ["CAP_KILL"]) == {
        "defaultAction": "SCMP_ACT_ALLOW",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO"}],
    }
    assert seccomp.to_oci(profile, [])["syscalls"] == []
