"""A Dockerfile's bytes as values (`engine.build.model`). Every error names its line. Pure.

Source: the Dockerfile reference of the BuildKit front end; buildkit, frontend/dockerfile/{parser,instructions}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from engine.build import flags, lexer, model
from engine.build.lexer import Line
from engine.errors import InvalidArgument

_NAME = re.compile(r"[a-z][a-z0-9-_.]*\Z")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_NETWORKS = ("default", "none", "host")


def parse(data: bytes) -> model.Dockerfile:
    """Return the Dockerfile; InvalidArgument ("dockerfile parse error line 3: …") where it is none."""
    source = data.decode("utf-8-sig", "surrogateescape")
    lines = source.replace("\r\n", "\n").split("\n")
    directives, first = lexer.read_directives(lines)
    arguments: list[model.Arg] = []
    stages: list[model.Stage] = []
    for line in lexer.read_lines(lines, first, directives.escape):
        try:
            if line.word.upper() == "FROM":
                stages.append(_from(line, directives.escape))
                continue
            instruction = _parse_line(line, directives.escape)
        except InvalidArgument as error:
            raise _located(line, error) from None
        if stages:
            stages[-1] = replace(stages[-1], instructions=(*stages[-1].instructions, instruction))
        elif isinstance(instruction, model.Arg):
            arguments.append(instruction)
        else:
            raise lexer.parse_error(line.first, "no build stage in current context")
    if not stages:
        raise InvalidArgument("file with no instructions" if not arguments else "no build stage in current context")
    return model.Dockerfile(tuple(stages), tuple(arguments), directives, source=source)


def parse_instruction(text: str, escape: str = "\\") -> model.Instruction:
    """Return one instruction: what ONBUILD keeps."""
    lines = text.split("\n")
    for line in lexer.read_lines(lines, 0, escape):
        try:
            return _parse_line(line, escape)
        except InvalidArgument as error:
            raise _located(line, error) from None
    raise InvalidArgument("an instruction is required")


def _located(line: Line, error: InvalidArgument) -> InvalidArgument:
    message = str(error)
    return error if message.startswith("dockerfile parse error") else lexer.parse_error(line.first, message)


@dataclass(frozen=True, slots=True)
class _Given:
    """An instruction taken apart: its options and what follows them."""

    name: str
    line: Line
    options: list[str]
    rest: str
    escape: str

    @property
    def origin(self) -> model.Origin:
        text = f"{self.line.word.upper()} {self.line.rest}".rstrip()
        return model.Origin(text, self.line.first, self.line.last)

    def words(self) -> list[str]:
        return lexer.words_of(self.rest, self.escape)

    def listed(self) -> tuple[str, ...] | None:
        """Return a JSON array's strings, None where it is none."""
        if not self.rest.startswith("["):
            return None
        try:
            found = json.loads(self.rest)
        except ValueError:
            return None
        return tuple(found) if all(isinstance(item, str) for item in found) else None

    def check_no_options(self) -> None:
        flags.parse(self.options, ())

    def check_one_argument(self) -> str:
        if not self.rest:
            raise InvalidArgument(f"{self.name} requires exactly one argument")
        return self.rest

    def check_some(self, what: str = "at least one argument") -> None:
        if not self.rest:
            raise InvalidArgument(f"{self.name} requires {what}")


def _parse_line(line: Line, escape: str) -> model.Instruction:
    name = line.word.upper()
    build = _BUILDERS.get(name)
    if build is None:
        raise InvalidArgument(f"unknown instruction: {line.word}")
    options, rest = flags.take(line.rest, escape)
    return build(_Given(name, line, options, rest, escape))


def _from(line: Line, escape: str) -> model.Stage:
    options, rest = flags.take(line.rest, escape)
    found = flags.parse(options, ("platform",))
    words = rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
        raise InvalidArgument("FROM requires either one or three arguments")
    name = words[2].lower() if len(words) == 3 else ""
    if name and not _NAME.match(name):
        why = "name can't start with a number or contain symbols"
        raise InvalidArgument(f'invalid name for build stage: "{words[2]}", {why}')
    origin = model.Origin(f"FROM {line.rest}", line.first, line.last)
    return model.Stage(words[0], name, found.get("platform", [""])[0], origin=origin)


def _command(given: _Given, heredocs: bool = False) -> model.CommandLine:
    listed = given.listed()
    if listed is not None:
        return model.CommandLine(listed)
    documents = given.line.heredocs if heredocs else ()
    return model.CommandLine((given.rest,) if given.rest else (), True, documents)


def _run(given: _Given) -> model.Run:
    found = flags.parse(given.options, ("mount", "network", "security", "device"), many=("mount", "device"))
    network = found.get("network", [""])[0]
    if network and network not in _NETWORKS:
        raise InvalidArgument(f'invalid network mode: "{network}"')
    security = found.get("security", [""])[0]
    if security not in ("", "sandbox", "insecure"):
        raise InvalidArgument(f'security {json.dumps(security)} is not valid')
    given.check_some()
    mounts = tuple(flags.parse_mount(text) for text in found.get("mount", ()))
    command = _command(given, heredocs=True)
    return model.Run(command, mounts, network, security, tuple(found.get("device", ())), given.origin)


def _cmd(given: _Given) -> model.Cmd:
    given.check_no_options()
    return model.Cmd(_command(given), given.origin)


def _entrypoint(given: _Given) -> model.Entrypoint:
    given.check_no_options()
    given.check_some()
    return model.Entrypoint(_command(given), given.origin)


def _pairs(given: _Given) -> tuple[model.KeyValue, ...]:
    given.check_no_options()
    given.check_some()
    words = given.words()
    if "=" not in words[0]:
        if len(words) < 2:
            raise InvalidArgument(f"{given.name} must have two arguments")
        return (model.KeyValue(words[0], given.rest[len(words[0]) :].strip()),)
    found = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidArgument(f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value')
        if not key:
            raise InvalidArgument(f"{given.name} names can not be blank")
        found.append(model.KeyValue(key, value))
    return tuple(found)


def _arg(given: _Given) -> model.Arg:
    given.check_no_options()
    given.check_some()
    found = []
    for word in given.words():
        key, equals, value = word.partition("=")
        if not key:
            raise InvalidArgument("ARG names can not be blank")
        found.append(model.KeyValue(key, value if equals else None))
    return model.Arg(tuple(found), given.origin)


def _paths(given: _Given) -> tuple[tuple[str, ...], str, tuple[model.Heredoc, ...]]:
    listed = given.listed()
    words = list(given.words() if listed is None else listed)
    if len(words) < 2:
        raise InvalidArgument(
            f"{given.name} requires at least two arguments, but only {len(words)} provided. "
            "Destination could not be determined"
        )
    documents = given.line.heredocs if listed is None else ()
    if documents:
        words = [word for word in words[:-1] if not lexer.heredoc_heads(word, given.escape)] + words[-1:]
    return tuple(words[:-1]), words[-1], documents


def _copy(given: _Given) -> model.Copy:
    allowed = ("from", "chown", "chmod", "link", "parents", "exclude")
    found = flags.parse(given.options, allowed, many=("exclude",))
    sources, dest, documents = _paths(given)
    return model.Copy(
        sources,
        dest,
        documents,
        from_=found.get("from", [""])[0],
        chown=found.get("chown", [""])[0],
        chmod=found.get("chmod", [""])[0],
        link=flags.boolean("link", found.get("link", ["false"])[0]),
        parents=flags.boolean("parents", found.get("parents", ["false"])[0]),
        exclude=tuple(found.get("exclude", ())),
        origin=given.origin,
    )


def _add(given: _Given) -> model.Add:
    allowed = ("chown", "chmod", "link", "exclude", "keep-git-dir", "checksum", "unpack")
    found = flags.parse(given.options, allowed, many=("exclude",))
    sources, dest, documents = _paths(given)
    return model.Add(
        sources,
        dest,
        documents,
        chown=found.get("chown", [""])[0],
        chmod=found.get("chmod", [""])[0],
        link=flags.boolean("link", found.get("link", ["false"])[0]),
        exclude=tuple(found.get("exclude", ())),
        keep_git_dir=flags.boolean("keep-git-dir", found.get("keep-git-dir", ["false"])[0]),
        checksum=found.get("checksum", [""])[0],
        unpack=flags.boolean("unpack", found["unpack"][0]) if "unpack" in found else None,
        origin=given.origin,
    )


def _healthcheck(given: _Given) -> model.Healthcheck:
    allowed = ("interval", "timeout", "start-period", "start-interval", "retries")
    word, _, rest = given.rest.partition(" ")
    if not word:
        raise InvalidArgument("HEALTHCHECK requires at least one argument")
    if word.upper() == "NONE":
        if rest.strip():
            raise InvalidArgument("HEALTHCHECK NONE takes no arguments")
        given.check_no_options()
        return model.Healthcheck(("NONE",), origin=given.origin)
    if word.upper() != "CMD":
        raise InvalidArgument(f"Unknown type {json.dumps(word.upper())} in HEALTHCHECK (try CMD)")
    if not rest.strip():
        raise InvalidArgument("Missing command after HEALTHCHECK CMD")
    found = flags.parse(given.options, allowed)
    command = _command(replace(given, rest=rest.strip()))
    test = ("CMD-SHELL", *command.args) if command.is_shell else ("CMD", *command.args)
    retries = found.get("retries", ["0"])[0]
    if not retries.lstrip("-").isdigit() or int(retries) < 0:
        raise InvalidArgument(f"--retries must be at least 1 (not {retries})")
    times = {name: _duration(name, found[name][0]) if name in found else 0 for name in allowed[:4]}
    return model.Healthcheck(
        test,
        times["interval"],
        times["timeout"],
        times["start-period"],
        times["start-interval"],
        int(retries),
        origin=given.origin,
    )


def _duration(name: str, text: str) -> int:
    if not text or _DURATION.sub("", text):
        raise InvalidArgument(f'time: invalid duration "{text}"')
    total = int(sum(float(number) * _NANOSECONDS[unit] for number, unit in _DURATION.findall(text)))
    if 0 < total < 10**6:
        raise InvalidArgument(f'Interval "{name}" cannot be less than 1ms')
    return total


def _expose(given: _Given) -> model.Expose:
    given.check_no_options()
    given.check_some()
    return model.Expose(tuple(sorted(given.words())), given.origin)


def _volume(given: _Given) -> model.Volume:
    given.check_no_options()
    given.check_some()
    listed = given.listed()
    paths = tuple(given.words()) if listed is None else listed
    if not all(path.strip() for path in paths):
        raise InvalidArgument("VOLUME specified can not be an empty string")
    return model.Volume(paths, given.origin)


def _shell(given: _Given) -> model.Shell:
    given.check_no_options()
    listed = given.listed()
    if listed is None:
        raise InvalidArgument(f"SHELL requires the arguments to be in JSON form: {given.rest!r}")
    if not listed:
        raise InvalidArgument("SHELL requires at least one argument")
    return model.Shell(listed, given.origin)


def _onbuild(given: _Given) -> model.OnBuild:
    given.check_some()
    word = given.rest.split(None, 1)[0].upper()
    if word == "ONBUILD":
        raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if word in ("FROM", "MAINTAINER"):
        raise InvalidArgument(f"{word} isn't allowed as an ONBUILD trigger")
    documents = "".join(f"\n{doc.content}{doc.name}" for doc in given.line.heredocs)
    text = given.rest + documents
    parse_instruction(text, given.escape)
    return model.OnBuild(text, given.origin)


def _single(make: Callable[[str, model.Origin], model.Instruction]) -> Callable[[_Given], model.Instruction]:
    def build(given: _Given) -> model.Instruction:
        given.check_no_options()
        return make(given.check_one_argument(), given.origin)

    return build


def _env(given: _Given) -> model.Env:
    return model.Env(_pairs(given), given.origin)


def _label(given: _Given) -> model.Label:
    return model.Label(_pairs(given), given.origin)


_BUILDERS: Mapping[str, Callable[[_Given], model.Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _single(model.Maintainer),
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _single(model.StopSignal),
    "USER": _single(model.User),
    "VOLUME": _volume,
    "WORKDIR": _single(model.Workdir),
}
