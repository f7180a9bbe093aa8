"""WWW-Authenticate in all its dialects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.registry.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Basic", [Challenge("basic")]),
        ('Basic realm="Registry Realm"', [Challenge("basic", {"realm": "Registry Realm"})]),
        (
            'Bearer realm="https://a/token",service="reg",scope="repository:a/b:pull,push"',
            [Challenge("bearer", {"realm": "https://a/token", "service": "reg", "scope": "repository:a/b:pull,push"})],
        ),
        (
            'BEARER Realm = "x" , error=invalid_token, Basic realm="y"',
            [Challenge("bearer", {"realm": "x", "error": "invalid_token"}), Challenge("basic", {"realm": "y"})],
        ),
        (r'Basic realm="a \"quoted\" one"', [Challenge("basic", {"realm": 'a "quoted" one'})]),
        ('Basic realm="never closed', [Challenge("basic")]),
    ],
)
def test_challenges_are_read(header: str, expected: list[Challenge]) -> None:
    found = parse_challenges(header)
    assert found[: len(expected)] == expected


@given(st.text(max_size=200))
def test_any_header_is_read_in_the_end(header: str) -> None:
    parse_challenges(header)
