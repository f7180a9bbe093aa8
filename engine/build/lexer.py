"""A Dockerfile's lines: directives, comments, continuations, here-documents. Pure.

Source: buildkit, frontend/dockerfile/parser; the Dockerfile reference, "Format", "Parser directives", "Here-Documents".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.build.model import Directives, Heredoc
from engine.errors import InvalidArgument

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z")
_HEREDOC = re.compile(r"(\d*)<<(-?)([^<]+)\Z")
_WITH_HEREDOCS = ("ADD", "COPY", "RUN")


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction as text, its continuations joined; lines are counted from 1."""

    text: str
    first: int
    last: int
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def word(self) -> str:
        """The instruction's name, as written."""
        return self.text.split(None, 1)[0]

    @property
    def rest(self) -> str:
        """What follows the name."""
        parts = self.text.split(None, 1)
        return parts[1].strip() if len(parts) > 1 else ""


def parse_error(line: int, message: str) -> InvalidArgument:
    """Return the error for a line, in Docker's words."""
    return InvalidArgument(f"dockerfile parse error line {line}: {message}")


def read_directives(lines: Sequence[str]) -> tuple[Directives, int]:
    """Return the directives at the top, and how many lines they take."""
    found: dict[str, str] = {}
    count = 0
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.match(line.strip())
        key = match[1].lower() if match else ""
        if match is None or key not in ("syntax", "escape", "check"):
            break
        if key in found:
            raise parse_error(number, f"only one {key} parser directive can be used")
        if key == "escape" and match[2] not in ("\\", "`"):
            raise parse_error(number, f"invalid ESCAPE '{match[2]}'. Must be ` or \\")
        found[key] = match[2]
        count = number
    return Directives(**found), count


def read_lines(lines: Sequence[str], first: int, escape: str) -> Iterator[Line]:
    """Yield the instructions from line number `first` (counted from 0) on."""
    continued = re.compile(rf"(?:^|[^{re.escape(escape)}]){re.escape(escape)}[ \t]*\Z")
    at = first
    while at < len(lines):
        start = at
        text = lines[at].strip(" \t\r\f\v") if not continued.search(lines[at]) else lines[at].lstrip()
        at += 1
        if not text.strip() or text.startswith("#"):
            continue
        joined = ""
        while continued.search(text):
            joined += text.rstrip(" \t")[:-1]
            while at < len(lines) and (not lines[at].strip() or lines[at].lstrip().startswith("#")):
                at += 1
            if at >= len(lines):
                text = ""
                break
            text = lines[at]
            at += 1
        joined = (joined + text).rstrip()
        if not joined.strip():
            continue
        documents, at = _heredocs(lines, joined, at, escape, start + 1)
        yield Line(joined, start + 1, at, documents)


def words_of(text: str, escape: str) -> list[str]:
    """Return the words of a line as written: quotes and escapes keep blanks in a word."""
    words: list[str] = []
    current, quote, at, inside = "", "", 0, False
    while at < len(text):
        char = text[at]
        if char == escape and quote != "'" and at + 1 < len(text):
            current += text[at : at + 2]
            inside = True
            at += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char.isspace():
            if inside:
                words.append(current)
            current, inside = "", False
            at += 1
            continue
        current += char
        inside = True
        at += 1
    if inside:
        words.append(current)
    return words


def heredoc_heads(text: str, escape: str) -> list[Heredoc]:
    """Return the here-documents that a line announces, without their content."""
    found = []
    for word in words_of(text, escape):
        match = _HEREDOC.match(word)
        if match is None:
            continue
        name = match[3]
        bare = name.replace('"', "").replace("'", "").replace(escape, "")
        if bare and re.fullmatch(r"[\w.\-/]+", bare):
            found.append(Heredoc(bare, "", bare == name, match[2] == "-", int(match[1] or 0)))
    return found


def _heredocs(
    lines: Sequence[str], text: str, at: int, escape: str, number: int
) -> tuple[tuple[Heredoc, ...], int]:
    words = text.split(None, 2)
    name = words[0].upper()
    if name == "ONBUILD" and len(words) > 1:
        name = words[1].upper()
    if name not in _WITH_HEREDOCS or "<<" not in text:
        return (), at
    found = []
    for head in heredoc_heads(text, escape):
        content = ""
        while True:
            if at >= len(lines):
                raise parse_error(number, f"unterminated heredoc {head.name}")
            line = lines[at]
            at += 1
            if (line.lstrip("\t") if head.chomp else line) == head.name:
                break
            content += line + "\n"
        found.append(Heredoc(head.name, content, head.expand, head.chomp, head.descriptor))
    return tuple(found), at
