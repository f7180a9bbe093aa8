"""`.dockerignore`: which paths of a context are left out, as Docker matches them. Pure.

Rules are tried in order and the last that matches decides; `!` brings back. A rule that matches a folder matches all
below it. Source: moby/patternmatcher; the Dockerfile reference, ".dockerignore file".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.build import glob
from engine.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: what it matches, and whether it brings back."""

    expression: re.Pattern[str]
    brings_back: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one file."""

    rules: tuple[Rule, ...]

    @property
    def has_exceptions(self) -> bool:
        """Whether some rule brings back."""
        return any(rule.brings_back for rule in self.rules)

    def excludes(self, path: str) -> bool:
        """Say whether a path (relative, clean) is left out, itself or by a folder above it."""
        parts = path.split("/")
        prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        found = False
        for rule in self.rules:
            if rule.brings_back == found and any(rule.expression.fullmatch(prefix) for prefix in prefixes):
                found = not rule.brings_back
        return found


def parse(data: bytes) -> Rules:
    """Return the rules of a `.dockerignore`."""
    return parse_patterns(data.decode("utf-8-sig", "surrogateescape").splitlines())


def parse_patterns(lines: Iterable[str]) -> Rules:
    """Return the rules of some patterns; comments and empty ones are none. InvalidArgument for a malformed one."""
    found = []
    for line in lines:
        if line.startswith("#"):
            continue
        text = line.strip()
        brings_back = text.startswith("!")
        if brings_back:
            text = text[1:].strip()
        if not text:
            if brings_back:
                raise InvalidArgument('illegal exclusion pattern: "!"')
            continue
        clean = posixpath.normpath(text).lstrip("/") or "."
        found.append(Rule(glob.compile_pattern(clean, any_depth=True), brings_back))
    return Rules(tuple(found))
