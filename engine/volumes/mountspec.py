"""What a user writes to have something mounted, parsed: `-v`, `--mount`, `--tmpfs`, `--volumes-from`. Pure.

The texts of the errors are Docker's (volume/mounts of moby).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import InvalidArgument, Unsupported
from engine.volumes import model

PROPAGATIONS = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
_CLASSES: tuple[tuple[str, ...], ...] = (
    ("rw", "ro"),
    ("z", "Z"),
    PROPAGATIONS,
    ("nocopy",),
    ("consistent", "cached", "delegated", "default"),
)
_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")
_TMPFS_FLAGS = frozenset(
    "rw ro exec noexec suid nosuid dev nodev sync async dirsync atime noatime diratime nodiratime relatime norelatime "
    "strictatime nostrictatime rprivate private rslave slave rshared shared runbindable unbindable bind rbind "
    "remount mand nomand mode size uid gid nr_inodes nr_blocks mpol".split()
)
_OPPOSITES = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}


@dataclass(frozen=True, slots=True)
class Wish:
    """One mount asked for. `source`: host path of a bind, volume name ("" anonymous), "" of a tmpfs."""

    type: str
    target: str
    source: str = ""
    mode: str = ""
    read_only: bool = False
    propagation: str = ""
    make_source: bool = False
    """Make the host directory of a bind where it is missing."""
    no_copy: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


def parse_bind(text: str) -> Wish:
    """Parse an entry of HostConfig.Binds: `/host:/c:ro,z`, `name:/c`, `/c`."""
    parts = text.split(":")
    mode = ""
    if len(parts) == 1:
        source, target = "", parts[0]
    elif len(parts) == 2:
        source, target = parts
        if not source or _is_mode(target):
            raise InvalidArgument(f"invalid volume specification: '{text}'")
    elif len(parts) == 3:
        source, target, mode = parts
        if not source:
            raise InvalidArgument(f"invalid volume specification: '{text}'")
    else:
        raise InvalidArgument(f"invalid volume specification: '{text}'")
    if mode and not _is_mode(mode):
        raise InvalidArgument(f"invalid mode: {mode}")
    target = _target(target, f"invalid volume specification: '{text}': ")
    words = tuple(mode.split(",")) if mode else ()
    propagation = next((word for word in words if word in PROPAGATIONS), "")
    if source.startswith("/"):
        if "nocopy" in words:
            raise InvalidArgument(f"invalid mode: {mode}")
        return Wish(
            "bind", target, posixpath.normpath(source), mode, "ro" in words, propagation or "rprivate", make_source=True
        )
    if propagation:
        raise InvalidArgument(f"invalid volume specification: '{text}': invalid mode: {mode}")
    if source:
        model.check_name(source)
    return Wish("volume", target, source, mode, "ro" in words, no_copy="nocopy" in words)


def check_mount(kind: str, source: str, target: str) -> str:
    """Check the fields every HostConfig.Mounts entry has; return the cleaned target."""
    where = f'invalid mount config for type "{kind}": '
    if kind not in ("bind", "volume", "tmpfs"):
        raise Unsupported(f'mount type "{kind}" is not supported: bind, volume and tmpfs are')
    if not target:
        raise InvalidArgument(f"{where}field Target must not be empty")
    if kind == "bind" and not source:
        raise InvalidArgument(f"{where}field Source must not be empty")
    if kind == "bind" and not source.startswith("/"):
        raise InvalidArgument(f"{where}invalid mount path: '{source}' mount path must be absolute")
    if kind == "tmpfs" and source:
        raise InvalidArgument(f"{where}field Source must not be specified")
    return _target(target, where)


def parse_tmpfs(target: str, text: str) -> Wish:
    """Parse an entry of HostConfig.Tmpfs: path and mount options."""
    target = _target(target, f"invalid tmpfs path '{target}': ")
    given = [word for word in text.split(",") if word]
    for word in given:
        if word.partition("=")[0] not in _TMPFS_FLAGS:
            raise InvalidArgument(f'invalid tmpfs option "{word}"')
    return Wish("tmpfs", target, read_only="ro" in given, options=tmpfs_options(given))


def tmpfs_options(given: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Return mount options of a tmpfs: Docker's defaults, and what the user gave over them."""
    replaced = {_OPPOSITES[word] for word in given if word in _OPPOSITES}
    defaults = [word for word in _TMPFS_DEFAULTS if word not in replaced and word not in given]
    return (*defaults, *given)


def parse_volumes_from(text: str) -> tuple[str, str]:
    """Return container and mode of an entry of HostConfig.VolumesFrom: `container[:ro]`."""
    reference, _, mode = text.partition(":")
    if not reference:
        raise InvalidArgument(f"invalid volumes-from specification: {text!r}")
    if mode and (not _is_mode(mode) or any(word in PROPAGATIONS or word == "nocopy" for word in mode.split(","))):
        raise InvalidArgument(f"invalid mode for volumes-from: {mode}")
    return reference, mode


def parse_image_volume(path: str) -> str:
    """Return the cleaned path of a VOLUME."""
    return _target(path, f"invalid volume path '{path}': ")


def _target(path: str, where: str) -> str:
    if not path.startswith("/"):
        raise InvalidArgument(f"{where}invalid mount path: '{path}' mount path must be absolute")
    cleaned = posixpath.normpath(path)
    cleaned = "/" + cleaned.lstrip("/")
    if cleaned == "/":
        raise InvalidArgument(f"{where}invalid specification: destination can't be '/'")
    return cleaned


def _is_mode(text: str) -> bool:
    words = text.split(",")
    found: set[int] = set()
    for word in words:
        index = next((i for i, words_of in enumerate(_CLASSES) if word in words_of), None)
        if index is None or index in found:
            return False
        found.add(index)
    return True
