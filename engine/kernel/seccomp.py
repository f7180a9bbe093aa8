"""System call filters: Docker's JSON profiles compiled to BPF by libseccomp, once for each profile and capability set.

crun compiles a filter at every start, which takes longer than everything else it does; handed the finished program
(annotation `run.oci.seccomp_bpf_data`, base64) it only loads it. `Filters` keeps programs in memory and on disk.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import os
import platform
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import Internal, InvalidArgument

PROFILES = (Path("/etc/containers/seccomp.json"), Path("/usr/share/containers/seccomp.json"))
"""Where distributions keep the default profile (Debian: golang-github-containers-common)."""

_FORMAT = "berth-seccomp-1"
_ADMIN = "CAP_SYS_ADMIN"
_ADMIN_CALLS = frozenset(
    "mount umount umount2 unshare setns pivot_root open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr "
    "sethostname setdomainname quotactl quotactl_fd add_key request_key keyctl".split()
)
"""What Docker keeps from a process without CAP_SYS_ADMIN, and distributions' profiles (made for rootless) allow."""
_NAMESPACE_FLAGS = 0x7E020000
_ENOSYS = 38
_ACTIONS = {
    "SCMP_ACT_KILL": 0x0,
    "SCMP_ACT_KILL_THREAD": 0x0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_DATA = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "x86", "armv7l": "arm", "ppc64le": "ppc64le"}
_ATTR_NO_NEW_PRIVILEGES, _ATTR_OPTIMIZE = 3, 8
_BINARY_TREE = 2
_EPERM = 1


class _Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def load_default_profile(paths: Sequence[Path] = PROFILES) -> dict[str, Any]:
    """Return the machine's default profile. Raises Internal naming the package where there is none."""
    for path in paths:
        if path.exists():
            return harden(parse_profile(path.read_text()))
    raise Internal(f"no seccomp profile at {paths[-1]} (Debian: apt install golang-github-containers-common)")


def harden(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile without the means to make user namespaces and mounts in them, unless with CAP_SYS_ADMIN.

    clone3's flags are behind a pointer, where no filter sees them: it is answered with ENOSYS, and libc uses clone.
    """
    held_back = _ADMIN_CALLS | {"clone", "clone3"}
    rules = [
        {**rule, "names": [name for name in rule.get("names") or () if name not in held_back]}
        for rule in profile.get("syscalls") or ()
    ]
    only_admin, never_admin = {"includes": {"caps": [_ADMIN]}}, {"excludes": {"caps": [_ADMIN]}}
    no_namespaces = {"index": 0, "value": _NAMESPACE_FLAGS, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    calls = sorted(_ADMIN_CALLS)
    rules += [
        {"names": [*calls, "clone", "clone3"], "action": "SCMP_ACT_ALLOW", **only_admin},
        {"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM, **never_admin},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [no_namespaces], **never_admin},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS, **never_admin},
    ]
    return {**profile, "syscalls": rules}


def parse_profile(text: str) -> dict[str, Any]:
    """Return a profile given as JSON. Raises InvalidArgument."""
    try:
        profile = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from error
    if not isinstance(profile, dict) or profile.get("defaultAction") not in _ACTIONS:
        raise InvalidArgument("Decoding seccomp profile failed: defaultAction is missing or unknown")
    return profile


class Filters:
    """Compiled filters by profile and capabilities. `folder` keeps them over restarts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[tuple[str, tuple[str, ...]], str] = {}
        self._default: tuple[Mapping[str, Any], str] | None = None

    def annotation(self, profile: Mapping[str, Any], capabilities: Collection[str]) -> str:
        """Return the filter in base64, as crun takes it. Raises InvalidArgument for what is no profile."""
        with self._lock:
            # Nearly every container has the same profile, which takes longer to render than to find.
            if self._default is None or self._default[0] is not profile:
                self._default = (profile, json.dumps(profile, sort_keys=True))
            key = (self._default[1], tuple(sorted(capabilities)))
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = self._load(key, profile)
        return found

    def _load(self, key: tuple[str, tuple[str, ...]], profile: Mapping[str, Any]) -> str:
        name = hashlib.sha256(
            "\0".join((_FORMAT, platform.machine(), _version(), key[0], *key[1])).encode()
        ).hexdigest()
        path = self._folder / name
        try:
            return base64.b64encode(path.read_bytes()).decode()
        except FileNotFoundError:
            program = compile_filter(profile, key[1])
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(program)
        partial.rename(path)
        return base64.b64encode(program).decode()


def compile_filter(profile: Mapping[str, Any], capabilities: Collection[str], machine: str = "") -> bytes:
    """Return the BPF program of a profile for a process with these capabilities."""
    library = _library()
    machine = machine or platform.machine()
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    context = library.seccomp_init(default)
    if not context:
        raise Internal("libseccomp: seccomp_init failed")
    try:
        library.seccomp_attr_set(context, _ATTR_NO_NEW_PRIVILEGES, 0)
        library.seccomp_attr_set(context, _ATTR_OPTIMIZE, _BINARY_TREE)
        _add_architectures(library, context, profile)
        for rule in profile.get("syscalls") or ():
            if _applies(rule, capabilities, _MACHINES.get(machine, machine)):
                _add_rule(library, context, rule, default)
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def to_oci(profile: Mapping[str, Any], capabilities: Collection[str]) -> dict[str, Any]:
    """Return a profile as OCI `linux.seccomp`, for a runtime that takes no compiled filter."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    architectures = list(profile.get("architectures") or ())
    for entry in profile.get("archMap") or ():
        if _library().seccomp_arch_native() == _resolve_architecture(_library(), entry["architecture"]):
            architectures += [entry["architecture"], *(entry.get("subArchitectures") or ())]
    rules = []
    for rule in profile.get("syscalls") or ():
        if not _applies(rule, capabilities, machine):
            continue
        found = {"names": [*(rule.get("names") or ()), *([rule["name"]] if rule.get("name") else ())]}
        rules.append(found | {key: rule[key] for key in ("action", "errnoRet", "args") if rule.get(key) is not None})
    oci = {"defaultAction": profile["defaultAction"], "architectures": architectures, "syscalls": rules}
    if profile.get("defaultErrnoRet") is not None:
        oci["defaultErrnoRet"] = profile["defaultErrnoRet"]
    return oci


def _applies(rule: Mapping[str, Any], capabilities: Collection[str], machine: str) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    if machine in excludes.get("arches", ()) or any(name in capabilities for name in excludes.get("caps", ())):
        return False
    if "minKernel" in excludes and _kernel() >= _release(excludes["minKernel"]):
        return False
    if "minKernel" in includes and _kernel() < _release(includes["minKernel"]):
        return False
    if includes.get("arches") and machine not in includes["arches"]:
        return False
    return all(name in capabilities for name in includes.get("caps") or ())


def _kernel() -> tuple[int, ...]:
    return _release(platform.release())


def _release(text: str) -> tuple[int, ...]:
    numbers = text.split("-")[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())


def _action(name: str, errno_ret: int | None) -> int:
    if name not in _ACTIONS:
        raise InvalidArgument(f"Decoding seccomp profile failed: unknown action {name!r}")
    data = (_EPERM if errno_ret is None else int(errno_ret)) if name in _WITH_DATA else 0
    return _ACTIONS[name] | data


def _add_architectures(library: ctypes.CDLL, context: int, profile: Mapping[str, Any]) -> None:
    names = list(profile.get("architectures") or ())
    native = library.seccomp_arch_native()
    for entry in profile.get("archMap") or ():
        if _resolve_architecture(library, entry["architecture"]) == native:
            names += entry.get("subArchitectures") or ()
    for name in names:
        token = _resolve_architecture(library, name)
        if token and token != native:
            library.seccomp_arch_add(context, token)


def _resolve_architecture(library: ctypes.CDLL, name: str) -> int:
    return int(library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode()))


def _add_rule(library: ctypes.CDLL, context: int, rule: Mapping[str, Any], default: int) -> None:
    action = _action(rule["action"], rule.get("errnoRet"))
    if action == default:
        return
    arguments = [_comparison(argument) for argument in rule.get("args") or ()]
    for name in [*(rule.get("names") or ()), *([rule["name"]] if rule.get("name") else ())]:
        number = library.seccomp_syscall_resolve_name(str(name).encode())
        # Names that this libseccomp does not know are the default action's, as in runc and crun.
        if number == -1:
            continue
        for alternative in _alternatives(arguments):
            array = (_Comparison * len(alternative))(*alternative)
            code = library.seccomp_rule_add_array(context, action, number, len(alternative), array)
            if code < 0:
                raise InvalidArgument(f"seccomp profile: rule for {name!r}: {os.strerror(-code)}")


def _alternatives(arguments: list[_Comparison]) -> list[list[_Comparison]]:
    # libseccomp compares an argument once in a rule; several comparisons of one are alternatives (as in runc).
    if len({argument.arg for argument in arguments}) < len(arguments):
        return [[argument] for argument in arguments]
    return [arguments]


def _comparison(argument: Mapping[str, Any]) -> _Comparison:
    word = str(argument["op"]).removeprefix("SCMP_CMP_")
    if word not in _OPERATORS:
        raise InvalidArgument(f"Decoding seccomp profile failed: unknown operator {argument['op']!r}")
    value, second = int(argument["value"]), int(argument.get("valueTwo") or 0)
    return _Comparison(int(argument["index"]), _OPERATORS.index(word) + 1, value, second)


def _export(library: ctypes.CDLL, context: int) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        code = library.seccomp_export_bpf(context, fd)
        if code < 0:
            raise Internal(f"libseccomp: {os.strerror(-code)}")
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


class _Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint)]


def _version() -> str:
    found = _library().seccomp_version().contents
    return f"{found.major}.{found.minor}.{found.micro}"


_loaded: ctypes.CDLL | None = None


def _library() -> ctypes.CDLL:
    global _loaded
    if _loaded is None:
        try:
            library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        except OSError as error:
            raise Internal("libseccomp.so.2 is not there (Debian: apt install libseccomp2)") from error
        library.seccomp_init.restype = ctypes.c_void_p
        library.seccomp_init.argtypes = [ctypes.c_uint32]
        library.seccomp_release.argtypes = [ctypes.c_void_p]
        library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
        library.seccomp_arch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        library.seccomp_arch_native.restype = ctypes.c_uint32
        library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
        library.seccomp_arch_resolve_name.argtypes = [ctypes.c_char_p]
        library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
        library.seccomp_rule_add_array.argtypes = [
            ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Comparison),
        ]  # fmt: skip
        library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.seccomp_version.restype = ctypes.POINTER(_Version)
        _loaded = library
    return _loaded
