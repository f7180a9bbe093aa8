"""Log drivers and their options, as `docker run --log-driver --log-opt` gives them.

`json-file` and `local` name Docker's two drivers that can be read; here both are conmon's file, and differ in their
defaults: `json-file` is never rotated unless asked, `local` keeps five files of 20 MB. `none` keeps nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.errors import InvalidArgument, Unsupported

_FILES = frozenset({"max-size", "max-file", "compress", "mode", "max-buffer-size"})
_OPTIONS = {
    "json-file": _FILES | {"labels", "labels-regex", "env", "env-regex", "tag"},
    "local": _FILES,
}
_UNSUPPORTED = ("labels-regex", "env-regex")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?\Z", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is kept: files of `max_size` bytes (0: no limit), `max_file` of them; `readable` is False for `none`."""

    readable: bool = True
    max_size: int = 0
    max_file: int = 1


def parse_options(driver: str, options: Mapping[str, str]) -> LogOptions:
    """Return what a log driver (empty: the default) and its options ask for.

    Raises InvalidArgument in Docker's words, Unsupported by the option's name.
    """
    driver = driver or "json-file"
    if driver == "none":
        return LogOptions(readable=False)
    if driver not in _OPTIONS:
        raise InvalidArgument(f"logger: no log driver named '{driver}' is registered")
    for name in options:
        if name not in _OPTIONS[driver]:
            raise InvalidArgument(f"unknown log opt '{name}' for {driver} log driver")
        if name in _UNSUPPORTED:
            raise Unsupported(f"log option {name} is not supported: name the {name.partition('-')[0]} one by one")
    if options.get("compress", "false").lower() not in ("false", "0", "f"):
        raise Unsupported("log option compress is not supported: rotated logs are kept as they are")
    if options.get("mode", "blocking") not in ("blocking", "non-blocking", ""):
        raise InvalidArgument(f"logger: logging mode not supported: {options['mode']}")
    local = driver == "local"
    size = _parse_size(options.get("max-size", "20m" if local else "-1"))
    return LogOptions(max_size=size, max_file=_parse_count(options.get("max-file", "5" if local else "1")))


def _parse_size(text: str) -> int:
    if text == "-1":
        return 0
    match = _SIZE.match(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size <= 0:
        raise InvalidArgument(f"invalid value for max-size: {text!r}: a size such as 10m is expected")
    return size


def _parse_count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise InvalidArgument(f"invalid value for max-file: {text!r}: max-file cannot be less than 1")
    return int(text)


def line_attributes(
    options: Mapping[str, str], labels: Mapping[str, str], environment: Iterable[str]
) -> Mapping[str, str]:
    """Return what `docker logs --details` puts before a line: the labels and variables that the options name."""
    variables = dict(entry.partition("=")[::2] for entry in environment)
    chosen = _named(options.get("labels", ""), labels) | _named(options.get("env", ""), variables)
    if "tag" in options:
        chosen["tag"] = options["tag"]
    return chosen


def _named(names: str, values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name] for name in (part.strip() for part in names.split(",")) if name in values}
