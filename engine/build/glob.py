"""Patterns of file names as regular expressions: those of COPY and ADD, and those of ignore files. Pure.

Source: Go's filepath.Match, and moby/patternmatcher, which adds `**`.
"""

from __future__ import annotations

import re

from engine.errors import InvalidArgument


def has_wildcard(pattern: str) -> bool:
    """Say whether a source argument is a pattern (Go's filepath.Match)."""
    return any(char in pattern for char in "*?[")


def compile_pattern(pattern: str, *, any_depth: bool = False) -> re.Pattern[str]:
    """Return a pattern as a regular expression; InvalidArgument where it is malformed.

    `*` and `?` stop at a slash. `any_depth`: `**` is any number of parts.
    """
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if any_depth and char == "*" and pattern.startswith("*", at):
            at += 1
            between = pattern.startswith("/", at)
            at += between
            out += "(?:.*/)?" if between else ".*"
        elif char in "*?":
            out += "[^/]*" if char == "*" else "[^/]"
        elif char == "[":
            end = pattern.find("]", at + 1)
            if end < 0:
                raise InvalidArgument(f"syntax error in pattern: {pattern}")
            inside = pattern[at:end].replace("\\", "\\\\")
            out += "[^" + inside[1:] + "]" if inside[:1] == "^" else f"[{inside}]"
            at = end + 1
        elif char == "\\" and at < len(pattern):
            out += re.escape(pattern[at])
            at += 1
        else:
            out += re.escape(char)
    try:
        return re.compile(out, re.DOTALL)
    except re.error:
        raise InvalidArgument(f"syntax error in pattern: {pattern}") from None
