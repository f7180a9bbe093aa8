"""How grave a line is: what is told as a level counts, what a sentence mentions does not."""

from __future__ import annotations

import pytest

from engine.logs import levels

CASES = [
    (b"2026-11-24 10:00:00,123 INFO  com.example.Service - handled", "info"),
    (b"[2026-11-24T10:00:00Z WARN  app] careful", "warn"),
    (b"2026/11/24 10:00:00 [error] 12#12: *1 open() failed", "error"),
    (b"ERROR:root:it broke", "error"),
    (b"error: cannot find it", "error"),
    (b"panic: runtime error: index out of range", "fatal"),
    (b"Traceback (most recent call last):", "error"),
    (b"\x1b[32mINFO\x1b[0m started", "info"),
    (b"\x1b[31merror\x1b[0m: stopped", "error"),
    (b'{"time":"2026-11-24","level":"warning","msg":"error in text"}', "warn"),
    (b'{"error":null,"level":"info","msg":"fine"}', "info"),
    (b'{"severity": "CRITICAL"}', "fatal"),
    (b'{"level":50,"msg":"pino"}', "error"),
    (b'{"level":30,"msg":"pino"}', "info"),
    (b"ts=1 level=debug msg=x", "debug"),
    (b'time="2026-11-24" level=error msg="x"', "error"),
    (b"E1124 10:00:00.123456       1 main.go:10] klog", "error"),
    (b"I1124 10:00:00.123456       1 main.go:10] klog", "info"),
    (b"there was no error at all", ""),
    (b"GET /errors/info.html 200", ""),
    (b"information about debugging", ""),
    (b"", ""),
    (b"\xff\xfe\x00binary", ""),
    (b"x" * 300 + b" ERROR late", ""),
]


@pytest.mark.parametrize(("line", "level"), CASES, ids=range(len(CASES)))
def test_a_level_is_seen_where_one_stands(line: bytes, level: str) -> None:
    assert levels.NAMES[levels.detect(line)] == level


def test_many_lines_at_once_have_the_levels_they_have_alone() -> None:
    """Remembered prefixes and quick looks change nothing."""
    lines = [line for line, _ in CASES] * 3
    assert levels.detect_all(lines) == bytes(map(levels.detect, lines))
    plain = [line for line, level in CASES if not level]
    assert levels.detect_all(plain) == bytes(len(plain))
    assert levels.detect_all([]) == b""
