"""Log drivers and options: Docker's words for what can't be had."""

from __future__ import annotations

import pytest

from engine.errors import BerthError, InvalidArgument, Unsupported
from engine.logs.options import LogOptions, line_attributes, parse_options


@pytest.mark.parametrize(
    ("driver", "options", "parsed"),
    [
        ("", {}, LogOptions()),
        ("json-file", {"max-size": "10m", "max-file": "3"}, LogOptions(max_size=10 << 20, max_file=3)),
        ("json-file", {"max-size": "-1", "mode": "non-blocking", "max-buffer-size": "4m"}, LogOptions()),
        ("json-file", {"max-size": "1.5k", "labels": "a", "env": "b", "tag": "t"}, LogOptions(max_size=1536)),
        ("local", {}, LogOptions(max_size=20 << 20, max_file=5)),
        ("none", {"whatever": "1"}, LogOptions(readable=False)),
    ],
)
def test_options(driver: str, options: dict[str, str], parsed: LogOptions) -> None:
    """Defaults are Docker's."""
    assert parse_options(driver, options) == parsed


@pytest.mark.parametrize(
    ("driver", "options", "kind", "words"),
    [
        ("syslog", {}, InvalidArgument, "no log driver named 'syslog' is registered"),
        ("json-file", {"max-sise": "1m"}, InvalidArgument, "unknown log opt 'max-sise' for json-file log driver"),
        ("local", {"labels": "a"}, InvalidArgument, "unknown log opt 'labels' for local log driver"),
        ("json-file", {"max-size": "ten"}, InvalidArgument, "max-size"),
        ("json-file", {"max-size": "0"}, InvalidArgument, "max-size"),
        ("json-file", {"max-file": "0"}, InvalidArgument, "max-file cannot be less than 1"),
        ("json-file", {"mode": "maybe"}, InvalidArgument, "logging mode not supported: maybe"),
        ("json-file", {"compress": "true"}, Unsupported, "compress"),
        ("json-file", {"labels-regex": ".*"}, Unsupported, "labels-regex"),
    ],
)
def test_refused_options(driver: str, options: dict[str, str], kind: type[BerthError], words: str) -> None:
    """Each is named."""
    with pytest.raises(kind) as caught:
        parse_options(driver, options)
    assert words in str(caught.value)


def test_attributes_are_those_named_and_there() -> None:
    """Labels, variables, tag."""
    found = line_attributes({"labels": "a, b", "env": "HOME,NO", "tag": "t"}, {"a": "1", "c": "2"}, ["HOME=/", "X=y"])
    assert found == {"a": "1", "HOME": "/", "tag": "t"}
