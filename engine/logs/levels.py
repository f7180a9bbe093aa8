"""How grave a line is: a guess from its first bytes. Never trusted for anything but showing, counting and filtering.

In this order: a level of its own in a JSON or logfmt line (names, or the numbers of pino and bunyan), klog's first
letter, a word that stands as a level does: in capitals, in brackets, before a colon. Words in the midst of a sentence
don't count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import re2

NAMES = ("", "trace", "debug", "info", "warn", "error", "fatal")
"""The levels by their number; 0 is none."""

_LOOKED_AT = 256
_FIELD_LOOKED_AT = 2048
_WORDS = {
    "trace": 1,
    "verbose": 1,
    "debug": 2,
    "dbg": 2,
    "info": 3,
    "inf": 3,
    "information": 3,
    "notice": 3,
    "log": 3,
    "warn": 4,
    "wrn": 4,
    "warning": 4,
    "err": 5,
    "error": 5,
    "severe": 5,
    "fatal": 6,
    "ftl": 6,
    "crit": 6,
    "critical": 6,
    "panic": 6,
    "alert": 6,
    "emerg": 6,
    "emergency": 6,
}
_BY_WORD = {word.encode(): level for word, level in _WORDS.items()}
_PINO = ((60, 6), (50, 5), (40, 4), (30, 3), (20, 2), (10, 1))
_KLOG = {b"I": 3, b"W": 4, b"E": 5, b"F": 6}
_FIELD = re.compile(
    rb'(?:"(?:level|lvl|severity|loglevel|log\.level|levelname)"\s{0,2}:\s{0,2}"?|(?:^|[ \t])(?:level|lvl|severity)="?)'
    rb"([A-Za-z]{3,11}|\d{1,2})"
)
_ANY = "|".join(sorted((w for w in _WORDS if w != "log"), key=len, reverse=True))
_WORD = re.compile(
    rb"(?:^|[^A-Za-z0-9_./-]|\x1b\[[0-9;]{0,12}m)(?:"
    rb"(" + _ANY.upper().encode() + rb")(?![A-Za-z0-9_/-])"
    rb"|(?i:(" + _ANY.encode() + rb"))(?:\x1b\[[0-9;]{0,12}m)?(?:[\]>:|]|\)[ :]))"
)
_PYTHON = (b"Traceback (most recent call last)", b"Exception in thread")
_KLOG_LINE = re.compile(rb"([IWEF])\d{4} \d\d:\d\d:\d\d")


_HINTS = tuple(
    b"TRACE VERBOSE DEBUG DBG INF NOTICE WARN WRN ERR SEVER FATAL FTL CRIT PANIC ALERT EMERG EXCEPT LEVEL LVL".split()
)
"""A line without any of these (in capitals) has no level but klog's."""


def _hint_set() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    found = re2.Set.SearchSet(options)
    for hint in _HINTS:
        found.Add(hint.decode())
    found.Compile()
    return found


_HINT_SET = _hint_set()
_PREFIXES = (20, 32, 48)
_DIGITS = b"0123456789"
_MEMORY = 2000


def detect_all(lines: Sequence[bytes]) -> bytes:
    """Return the level of each line, a byte each.

    Lines of one program begin alike but for their digits, so what a prefix has told is remembered: ten times faster.
    """
    seen = b"\n".join([line[:_FIELD_LOOKED_AT] for line in lines])
    hints = [_HINTS[number] for number in _HINT_SET.Match(seen) or ()]
    if not hints and not any(_KLOG_LINE.match(line) for line in (*lines[:1], *lines[-1:])):
        return bytes(len(lines))
    known: dict[int, dict[bytes, int]] = {size: {} for size in _PREFIXES}
    return bytes([_remembered(line, hints, known) for line in lines])


def _remembered(line: bytes, hints: Sequence[bytes], known: dict[int, dict[bytes, int]]) -> int:
    for size, levels in known.items():
        if levels and (level := levels.get(line[:size].translate(None, _DIGITS))) is not None:
            return level
    level, size = _detect(line, hints)
    if size and len(known[size]) < _MEMORY:
        known[size][line[:size].translate(None, _DIGITS)] = level
    return level


def _detect(line: bytes, hints: Sequence[bytes]) -> tuple[int, int]:
    """Return the level of a line, and how much of it all lines with that level and beginning share (0: not known)."""
    if not line[1:5].isdigit():
        seen = line[:_FIELD_LOOKED_AT].upper()
        if not any(hint in seen for hint in hints):
            return 0, 0
    field = _FIELD.search(line, 0, _FIELD_LOOKED_AT)
    if field is not None:
        sizes = () if field[1].isdigit() else _PREFIXES
        return _of_field(field[1]), next((size for size in sizes if field.end() < size), 0)
    level = detect(line)
    if not level or _KLOG_LINE.match(line):
        return level, 0
    return level, next((size for size in _PREFIXES if detect(line[:size] + b"a") == level), 0)


def detect(line: bytes) -> int:
    """Return the number of a line's level in `NAMES`, 0 where none is seen."""
    field = _FIELD.search(line, 0, _FIELD_LOOKED_AT)
    if field is not None:
        return _of_field(field[1])
    klog = _KLOG_LINE.match(line)
    if klog is not None:
        return _KLOG[klog[1]]
    word = _WORD.search(line, 0, _LOOKED_AT)
    if word is not None:
        return _BY_WORD[(word[1] or word[2]).lower()]
    return 5 if line.startswith(_PYTHON) else 0


def _of_field(value: bytes) -> int:
    if value.isdigit():
        number = int(value)
        return next((level for least, level in _PINO if number >= least), 0)
    return _BY_WORD.get(value.lower(), 0)
