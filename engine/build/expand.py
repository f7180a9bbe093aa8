"""Variables in an instruction's words: `$a`, `${a}` and its modifiers, quotes and escapes taken away. Pure.

Source: the Dockerfile reference, "Environment replacement"; buildkit, frontend/dockerfile/shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from engine.build import model
from engine.errors import InvalidArgument

Variables = Mapping[str, str]
_I = TypeVar("_I", bound=model.Instruction)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_MODIFIER = re.compile(r":?[-+?]|##?|%%?|//?")


def expand(instruction: _I, variables: Variables, escape: str = "\\") -> _I:
    """Return the instruction with its words made plain; InvalidArgument for a bad substitution."""

    def plain(text: str) -> str:
        return expand_word(text, variables, escape)

    def pairs(found: tuple[model.KeyValue, ...]) -> tuple[model.KeyValue, ...]:
        return tuple(model.KeyValue(plain(kv.key), None if kv.value is None else plain(kv.value)) for kv in found)

    try:
        found = _expand(instruction, plain, pairs, lambda text: expand_words(text, variables, escape))
    except InvalidArgument as error:
        raise InvalidArgument(f"dockerfile parse error line {instruction.origin.first}: {error}") from None
    return cast(_I, found)


def _expand(
    instruction: model.Instruction,
    plain: Callable[[str], str],
    pairs: Callable[[tuple[model.KeyValue, ...]], tuple[model.KeyValue, ...]],
    split: Callable[[str], list[str]],
) -> model.Instruction:
    match instruction:
        case model.Copy() | model.Add():
            return replace(
                instruction,
                sources=tuple(map(plain, instruction.sources)),
                dest=plain(instruction.dest),
                chown=plain(instruction.chown),
                chmod=plain(instruction.chmod),
                exclude=tuple(map(plain, instruction.exclude)),
                heredocs=tuple(_document(document, plain) for document in instruction.heredocs),
            )
        case model.Env():
            return replace(instruction, variables=pairs(instruction.variables))
        case model.Arg():
            return replace(instruction, variables=pairs(instruction.variables))
        case model.Label():
            return replace(instruction, labels=pairs(instruction.labels))
        case model.Expose():
            return replace(instruction, ports=tuple(word for port in instruction.ports for word in split(port)))
        case model.Volume():
            return replace(instruction, paths=tuple(map(plain, instruction.paths)))
        case model.Workdir():
            return replace(instruction, path=plain(instruction.path))
        case model.User():
            return replace(instruction, user=plain(instruction.user))
        case model.StopSignal():
            return replace(instruction, signal=plain(instruction.signal))
        case model.Run():
            return replace(instruction, mounts=tuple(_mount(mount, plain) for mount in instruction.mounts))
        case _:
            return instruction


def expand_stage(stage: model.Stage, variables: Variables, escape: str = "\\") -> model.Stage:
    """Return a stage with plain words in its FROM."""
    return replace(
        stage,
        base=expand_word(stage.base, variables, escape),
        platform=expand_word(stage.platform, variables, escape),
    )


def expand_word(text: str, variables: Variables, escape: str = "\\") -> str:
    """Return a word with variables replaced, quotes and escapes gone."""
    return "".join(piece for piece, _ in _Scanner(text, variables, escape).pieces())


def expand_words(text: str, variables: Variables, escape: str = "\\") -> list[str]:
    """Return the words that a word becomes: unquoted variables may hold several."""
    out: list[str] = [""]
    for piece, splits in _Scanner(text, variables, escape).pieces():
        if not splits:
            out[-1] += piece
            continue
        parts = re.split(r"\s+", piece)
        out[-1] += parts[0]
        out += parts[1:]
    return [word for word in out if word]


def _mount(mount: model.Mount, plain: Callable[[str], str]) -> model.Mount:
    return replace(
        mount, source=plain(mount.source), target=plain(mount.target), id=plain(mount.id), origin=plain(mount.origin)
    )


def _document(document: model.Heredoc, plain: Callable[[str], str]) -> model.Heredoc:
    if not document.expand:
        return document
    quoted = document.text.replace('"', '\\"').replace("'", "\\'")
    return replace(document, content=plain(quoted), chomp=False)


class _Scanner:
    """Reads a word; `pieces` are (text, whether blanks in it split words)."""

    def __init__(self, text: str, variables: Variables, escape: str) -> None:
        self._text = text
        self._variables = variables
        self._escape = escape
        self._at = 0

    def pieces(self, until: str = "") -> list[tuple[str, bool]]:
        found: list[tuple[str, bool]] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if until and char in until:
                return found
            if char == "'":
                found.append((self._single(), False))
            elif char == '"':
                found.append((self._double(), False))
            elif char == "$":
                found.append((self._dollar(), True))
            elif char == self._escape and self._at + 1 < len(self._text):
                found.append((self._text[self._at + 1], False))
                self._at += 2
            else:
                found.append((char, False))
                self._at += 1
        return found

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise InvalidArgument("unexpected end of statement while looking for matching single-quote")
        found, self._at = self._text[self._at + 1 : end], end + 1
        return found

    def _double(self) -> str:
        self._at += 1
        out = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return out
            if char == "$":
                out += self._dollar()
            elif char == self._escape and self._at + 1 < len(self._text):
                after = self._text[self._at + 1]
                out += after if after in ('"', "$", self._escape) else char + after
                self._at += 2
            else:
                out += char
                self._at += 1
        raise InvalidArgument("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        self._at += 1
        if self._text[self._at : self._at + 1] == "{":
            return self._braced()
        match = _NAME.match(self._text, self._at)
        if match is None:
            return "$"
        self._at = match.end()
        return self._variables.get(match[0], "")

    def _braced(self) -> str:
        start, self._at = self._at - 1, self._at + 1
        match = _NAME.match(self._text, self._at)
        if match is None:
            raise InvalidArgument(f"failed to process {self._text!r}: bad substitution")
        name, self._at = match[0], match.end()
        value = self._variables.get(name)
        if self._text[self._at : self._at + 1] == "}":
            self._at += 1
            return value or ""
        modifier = _MODIFIER.match(self._text, self._at)
        if modifier is None:
            raise InvalidArgument(f"unsupported modifier ({self._text[self._at:self._at + 2]}) in substitution")
        self._at = modifier.end()
        operator = modifier[0]
        if operator.startswith("/"):
            return self._replaced(value or "", whole=operator == "//", start=start)
        word = self._inner("}", start)
        return _modified(name, value, operator, word)

    def _replaced(self, value: str, *, whole: bool, start: int) -> str:
        pattern = self._inner("/", start)
        replacement = self._inner("}", start)
        expression = _glob(pattern, greedy=True)
        return expression.sub(lambda _: replacement, value, count=0 if whole else 1)

    def _inner(self, until: str, start: int) -> str:
        found = "".join(piece for piece, _ in self.pieces(until))
        if self._at >= len(self._text):
            raise InvalidArgument(f"syntax error: missing '{until}' in {self._text[start:]!r}")
        self._at += 1
        return found


def _modified(name: str, value: str | None, operator: str, word: str) -> str:
    is_set = bool(value) if operator.startswith(":") else value is not None
    match operator[-1]:
        case "-":
            return value or "" if is_set else word
        case "+":
            return word if is_set else ""
        case "?":
            if not is_set:
                raise InvalidArgument(f"{name}: {word or 'not allowed to be unset'}")
            return value or ""
        case "#":
            return _cut_front(value or "", word, greedy=operator == "##")
        case _:
            return _cut_front((value or "")[::-1], word, greedy=operator == "%%", reverse=True)[::-1]


def _cut_front(value: str, pattern: str, *, greedy: bool, reverse: bool = False) -> str:
    ends = range(len(value), -1, -1) if greedy else range(len(value) + 1)
    expression = _glob(pattern, greedy=True)
    for end in ends:
        part = value[:end][::-1] if reverse else value[:end]
        if expression.fullmatch(part):
            return value[end:]
    return value


def _glob(pattern: str, *, greedy: bool) -> re.Pattern[str]:
    out, at = "", 0
    star = ".*" if greedy else ".*?"
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            at += 1
            out += re.escape(pattern[at])
        else:
            out += star if char == "*" else "." if char == "?" else re.escape(char)
        at += 1
    return re.compile(out, re.DOTALL)


