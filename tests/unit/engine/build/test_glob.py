"""Patterns of COPY and of ignore files."""

from __future__ import annotations

import pytest

from engine.build import glob
from engine.errors import InvalidArgument


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.py", "a.py", True),
        ("*.py", "b/a.py", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("a.c", "abc", False),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("**", "a", True),
        ("**", "a/b", False),
    ],
)
def test_within_one_part(pattern: str, name: str, matches: bool) -> None:
    assert bool(glob.compile_pattern(pattern).fullmatch(name)) is matches


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("**/a", "a", True),
        ("**/a", "b/c/a", True),
        ("b/**", "b/c/a", True),
        ("b/**/a", "b/a", True),
        ("b/**/a", "ba", False),
        ("*.log", "x/y.log", False),
    ],
)
def test_at_any_depth(pattern: str, name: str, matches: bool) -> None:
    assert bool(glob.compile_pattern(pattern, any_depth=True).fullmatch(name)) is matches


@pytest.mark.parametrize("pattern", ["[", "a[b", "[z-a]"])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidArgument, match="syntax error in pattern"):
        glob.compile_pattern(pattern)
