"""Which lines a search wants: text or RE2 (linear in time, whatever the pattern), levels, streams, times, JSON fields.

A block is searched as one text first: every line with a match shows itself there, and the few found are looked at one
by one. A pattern sees each line alone: `^` and `$` are its ends, nothing matches across lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, NamedTuple

import re2

from engine.errors import InvalidArgument
from engine.logs import blocks, levels
from engine.logs.blocks import Block, Heads
from engine.logs.frames import ArchivedFrame, Frame

_MAX_PATTERN = 2000
_WHOLE_TEXT = ("\\A", "\\z", "\\C", "(?s", "(?-m", "(?ms", "(?im", "(?is")
"""In a pattern: what means something else in a block than in a line, so lines are looked at one by one."""
_MAX_JSON = 1 << 20
_MAX_NESTED = 400


class Case(Enum):
    """Smart: an upper-case letter in the pattern makes case matter."""

    SMART = "smart"
    MATCH = "match"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Filter:
    """What is wanted. `levels` are numbers of `logs.levels` (None: all), times inclusive nanoseconds (0: no bound)."""

    text: str = ""
    regex: bool = False
    case: Case = Case.SMART
    invert: bool = False
    levels: frozenset[int] | None = None
    stream: str = ""
    since_ns: int = 0
    until_ns: int = 0
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def takes_all(self) -> bool:
        """Whether every line between the two times is wanted."""
        return not (self.text or self.stream or self.fields or self.levels is not None)


class Hit(NamedTuple):
    """A line found: its place, what is known of it, its text."""

    time_ns: int
    position: int
    flags: int
    level: int
    text: bytes


class Matcher:
    """A filter made ready. One for any number of threads."""

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self._pattern = _compile(wanted) if wanted.text else None
        self._by_line = wanted.regex and any(part in wanted.text for part in _WHOLE_TEXT)
        self._stream = {"stdout": 0, "stderr": blocks.IS_STDERR}.get(wanted.stream, -1)

    def can_hold(self, frame: Frame) -> bool:
        """Say whether a frame's times and levels leave room for a hit."""
        wanted = self.wanted
        if (wanted.since_ns and frame.max_ns < wanted.since_ns) or (wanted.until_ns and frame.min_ns > wanted.until_ns):
            return False
        counts = frame.counts
        return wanted.levels is None or counts is None or any(counts[level] for level in wanted.levels)

    def scan(
        self, frame: Frame, lowest: tuple[int, int], highest: tuple[int, int], newest: int, oldest: int
    ) -> list[Hit]:
        """Return a frame's hits with lowest < (time, position) < highest, in that order.

        Of more than `newest` (or `oldest`; one of them is 0) only so many from that end.
        """
        by_text = self._pattern is not None and not self.wanted.invert and not self._by_line
        plain = isinstance(frame, ArchivedFrame) or not self.wanted.regex  # conmon's heads would meet `^`, `\\d`, …
        block = frame.load(self._found_in if by_text and plain else None)
        if not block.count:
            return []
        found: list[Hit] = []
        for index in self._ordered(block, backwards=bool(newest)):
            hit = self._judge(block, index, lowest, highest)
            if hit is not None:
                found.append(hit)
                if len(found) == (newest or oldest):
                    break
        if newest:
            found.reverse()
        return found

    def spans(self, text: bytes) -> list[tuple[int, int]]:
        """Return where in a line the pattern matches: at most 100 places, none for an inverted search."""
        if self._pattern is None or self.wanted.invert:
            return []
        found: list[tuple[int, int]] = []
        for match in self._pattern.finditer(text):
            if match.end() > match.start():
                found.append((match.start(), match.end()))
            if len(found) == 100:
                break
        return found

    def _found_in(self, data: bytes) -> bool:
        return self._pattern is not None and self._pattern.search(data) is not None

    def _ordered(self, block: Block, *, backwards: bool) -> Sequence[int]:
        """Return the lines whose texts match, in the order of their times."""
        chosen: Sequence[int] = range(block.count)
        if self._pattern is not None:
            chosen = list(self._matching(self._pattern, block))
        if not chosen:
            return chosen
        times, ends = block.heads.times, block.heads.ends
        if any(times[a] > times[b] or ends[a] > ends[b] for a, b in pairwise(chosen)):
            chosen = sorted(chosen, key=lambda index: (times[index], ends[index]))
        return chosen[::-1] if backwards else chosen

    def _matching(self, pattern: Any, block: Block) -> Iterator[int]:
        if self._by_line:
            for index, line in enumerate(block.lines):
                if (pattern.search(line) is None) == self.wanted.invert:
                    yield index
            return
        found = _lines_with(pattern, block.text)
        if not self.wanted.invert:
            yield from found
            return
        matching = set(found)
        yield from (index for index in range(block.count) if index not in matching)

    def _judge(self, block: Block, index: int, lowest: tuple[int, int], highest: tuple[int, int]) -> Hit | None:
        heads, wanted = block.heads, self.wanted
        time_ns, position, flags = heads.times[index], heads.ends[index], heads.flags[index]
        if not lowest < (time_ns, position) < highest:
            return None
        if (wanted.since_ns and time_ns < wanted.since_ns) or (wanted.until_ns and time_ns > wanted.until_ns):
            return None
        if self._stream >= 0 and flags & blocks.IS_STDERR != self._stream:
            return None
        level = _level(block, heads, index)
        if wanted.levels is not None and level not in wanted.levels:
            return None
        text = block.lines[index]
        if wanted.fields and not _has_fields(text, wanted.fields):
            return None
        return Hit(time_ns, position, flags, level, text)


def _lines_with(pattern: Any, text: bytes) -> Iterator[int]:
    """Yield the numbers of the lines of a text that match by themselves."""
    at, counted, number = 0, 0, 0
    while at <= len(text):
        match = pattern.search(text, at)
        if match is None:
            return
        begin = text.rfind(b"\n", 0, match.start()) + 1
        end = text.find(b"\n", match.start())
        end = len(text) if end < 0 else end
        number += text.count(b"\n", counted, begin)
        counted = begin
        if match.end() <= end or pattern.search(text[begin:end]) is not None:
            yield number
        at = end + 1


def _level(block: Block, heads: Heads, index: int) -> int:
    return levels.detect(block.lines[index]) if heads.levels is None else heads.levels[index]


def _compile(wanted: Filter) -> Any:
    text = wanted.text
    if len(text) > _MAX_PATTERN:
        raise InvalidArgument(f"q: longer than {_MAX_PATTERN} characters")
    ignore = wanted.case is Case.IGNORE or (wanted.case is Case.SMART and not _has_capital(text, regex=wanted.regex))
    options = re2.Options()
    options.log_errors = False
    options.never_nl = False
    options.never_capture = True
    pattern = text if wanted.regex else re2.escape(text)
    flags = "(?im)" if ignore else "(?m)"
    try:
        return re2.compile((flags + pattern).encode("utf-8", "surrogatepass"), options)
    except re2.error as error:
        detail = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise InvalidArgument(f"q: not a regular expression (RE2): {detail}") from None


def _has_capital(text: str, *, regex: bool) -> bool:
    """Say whether a pattern has an upper-case letter of its own: `\\S` and `\\W` are none."""
    before = ""
    for letter in text:
        if letter.isupper() and not (regex and before == "\\"):
            return True
        before = "" if before == "\\" else letter
    return False


def _has_fields(text: bytes, fields: Sequence[tuple[str, str]]) -> bool:
    value = fields_of(text)
    return value is not None and all(_text_at(value, path) == wanted for path, wanted in fields)


def fields_of(text: bytes) -> Mapping[str, Any] | None:
    """Return the object that a JSON line is; None for any other line."""
    if text[:1] != b"{" or len(text) > _MAX_JSON or text.count(b"[") + text.count(b"{") > _MAX_NESTED:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _text_at(value: Any, path: str) -> str | None:
    """Return the value at `a.b.c` as text; a key that has dots in it is found too."""
    if isinstance(value, dict) and path in value:
        found = value[path]
    else:
        key, _, rest = path.partition(".")
        if not rest or not isinstance(value, dict) or key not in value:
            return None
        return _text_at(value[key], rest)
    if isinstance(found, bool) or found is None:
        return {True: "true", False: "false", None: "null"}[found]
    return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))
