"""Options of instructions (`--name=value`) and those of RUN's mounts. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from engine.build import lexer, model
from engine.errors import InvalidArgument

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\Z", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARINGS = ("shared", "private", "locked")
_BOOLEANS = {"": True, "true": True, "1": True, "false": False, "0": False}


def take(text: str, escape: str) -> tuple[list[str], str]:
    """Return the options at the beginning of a line, without `--`, and the rest of it."""
    found: list[str] = []
    rest = text
    while rest.startswith("--"):
        word = lexer.words_of(rest, escape)[0]
        rest = rest[len(word) :].lstrip()
        if word == "--":
            break
        found.append(word[2:])
    return found, rest


def parse(options: Collection[str], allowed: Collection[str], many: Collection[str] = ()) -> dict[str, list[str]]:
    """Return options by name; InvalidArgument for an unknown one, a second one, a missing value."""
    found: dict[str, list[str]] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if name not in allowed:
            raise InvalidArgument(f"unknown flag: {name}")
        if name in found and name not in many:
            raise InvalidArgument(f"duplicate flag specified: {name}")
        if not equals and name not in ("link", "parents", "keep-git-dir", "unpack"):
            raise InvalidArgument(f"missing a value on flag: {name}")
        found.setdefault(name, []).append(_unquoted(value) if equals else "true")
    return found


def boolean(name: str, value: str) -> bool:
    """Return a boolean option."""
    if value.lower() not in _BOOLEANS:
        raise InvalidArgument(f"expecting boolean value for flag {name}, not: {value}")
    return _BOOLEANS[value.lower()]


def parse_mount(text: str) -> model.Mount:
    """Return a `--mount`; InvalidArgument for what its type has not."""
    fields: dict[str, str] = {}
    for part in _split(text):
        name, equals, value = part.partition("=")
        if not equals and name not in ("readonly", "ro", "readwrite", "rw", "required"):
            raise InvalidArgument(f"invalid field '{part}' must be a key=value pair")
        fields[_ALIASES.get(name.lower(), name.lower())] = value
    kind = fields.pop("type", "bind")
    if kind not in _TYPES:
        raise InvalidArgument(f'unsupported mount type "{kind}"')
    for name in fields:
        if name not in _FIELDS[kind]:
            raise InvalidArgument(f"unexpected key '{name}' for mount type '{kind}'")
    sharing = fields.get("sharing", "shared")
    if sharing not in _SHARINGS:
        raise InvalidArgument(f'unsupported sharing value "{sharing}"')
    if kind in ("bind", "cache", "tmpfs") and not fields.get("target"):
        raise InvalidArgument(f'invalid mount target "{fields.get("target", "")}"')
    mount_id = fields.get("id", "")
    if kind == "secret" and not mount_id:
        mount_id = (fields.get("target") or fields.get("env") or fields.get("source", "")).rpartition("/")[2]
        mount_id = fields.get("source", "").rpartition("/")[2] or mount_id
        if not mount_id:
            raise InvalidArgument("secret mount requires an id, a target or an env")
    return model.Mount(
        text=text,
        type=kind,
        source=fields.get("source", "") if kind != "secret" else "",
        target=fields.get("target", ""),
        origin=fields.get("from", ""),
        readonly=_readonly(kind, fields),
        id=mount_id,
        sharing=sharing,
        required=boolean("required", fields.get("required", "false")),
        mode=_octal(fields, "mode"),
        uid=_number(fields, "uid"),
        gid=_number(fields, "gid"),
        size=_size(fields.get("size", "")),
        env=fields.get("env", ""),
    )


_ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
_FIELDS: Mapping[str, Collection[str]] = {
    "bind": ("source", "target", "from", "readonly", "readwrite"),
    "cache": ("id", "source", "target", "from", "readonly", "readwrite", "sharing", "mode", "uid", "gid"),
    "tmpfs": ("target", "size"),
    "secret": ("id", "source", "target", "env", "required", "mode", "uid", "gid"),
    "ssh": ("id", "target", "required", "mode", "uid", "gid"),
}


def _readonly(kind: str, fields: Mapping[str, str]) -> bool:
    if "readwrite" in fields:
        return not boolean("readwrite", fields["readwrite"])
    if "readonly" in fields:
        return boolean("readonly", fields["readonly"])
    return kind == "bind"


def _split(text: str) -> list[str]:
    parts = re.findall(r'(?:[^,"]|"(?:[^"]|"")*")+', text)
    return [_unquoted(part.strip()) for part in parts]


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _octal(fields: Mapping[str, str], name: str) -> int | None:
    if name not in fields:
        return None
    try:
        return int(fields[name], 8)
    except ValueError:
        raise InvalidArgument(f"invalid value {fields[name]} for {name}") from None


def _number(fields: Mapping[str, str], name: str) -> int | None:
    if name not in fields:
        return None
    if not fields[name].isdigit():
        raise InvalidArgument(f"invalid value {fields[name]} for {name}")
    return int(fields[name])


def _size(text: str) -> int:
    if not text:
        return 0
    match = _SIZE.match(text)
    if match is None:
        raise InvalidArgument(f"invalid size: '{text}'")
    return int(float(match[1]) * _UNITS[match[2].lower()])
