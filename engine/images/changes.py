"""Instructions that change an image's configuration, as `docker import --change` and `docker commit -c` give them."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from engine.errors import InvalidArgument
from engine.values import ImageConfig

_SHELL = ("/bin/sh", "-c")


def apply_changes(config: ImageConfig, changes: Iterable[str]) -> ImageConfig:
    """Return `config` after the instructions (`CMD ["sh"]`, `ENV A=1`, …); InvalidArgument for any other."""
    for change in changes:
        word, _, rest = change.strip().partition(" ")
        config = _apply(config, word.upper(), rest.strip())
    return config


def _apply(config: ImageConfig, word: str, rest: str) -> ImageConfig:
    match word:
        case "CMD":
            return replace(config, cmd=_command(rest))
        case "ENTRYPOINT":
            return replace(config, entrypoint=_command(rest))
        case "ENV":
            pairs = _pairs(rest)
            kept = tuple(entry for entry in config.env if entry.partition("=")[0] not in pairs)
            return replace(config, env=kept + tuple(f"{key}={value}" for key, value in pairs.items()))
        case "LABEL":
            return replace(config, labels={**config.labels, **_pairs(rest)})
        case "EXPOSE":
            ports = tuple(port if "/" in port else f"{port}/tcp" for port in rest.split())
            return replace(config, exposed_ports=_union(config.exposed_ports, ports))
        case "VOLUME":
            return replace(config, volumes=_union(config.volumes, _list(rest) or tuple(rest.split())))
        case "USER":
            return replace(config, user=rest)
        case "WORKDIR":
            return replace(config, working_dir=posixpath.join(config.working_dir or "/", rest))
        case "STOPSIGNAL":
            return replace(config, stop_signal=rest)
        case "ONBUILD":
            return replace(config, on_build=(*(config.on_build or ()), rest))
        case _:
            raise InvalidArgument(f"{word} is not a valid change command")


def _command(text: str) -> tuple[str, ...]:
    listed = _list(text)
    return (*_SHELL, text) if listed is None else listed


def _list(text: str) -> tuple[str, ...] | None:
    """Return the strings of a JSON list, None for what is none: the shell form."""
    if not text.startswith("["):
        return None
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    return tuple(value) if all(isinstance(item, str) for item in value) else None


def _pairs(text: str) -> dict[str, str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidArgument(f"{text}: {error}") from error
    if words and "=" not in words[0]:  # the old form: `ENV NAME the rest`
        name, _, value = text.partition(" ")
        return {name: value.strip()}
    pairs = dict.fromkeys(words, "")
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidArgument(f"Syntax error - can't find = in {word!r}. Must be of the form: name=value")
        pairs.pop(word, None)
        pairs[name] = value
    return pairs


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
