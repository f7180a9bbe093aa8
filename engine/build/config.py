"""What instructions that run nothing make of an image's configuration, and the words Docker keeps of them. Pure.

Source: moby's classic builder (builder/dockerfile/dispatchers.go), whose words stand in every image's history.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.build import model
from engine.errors import InvalidArgument
from engine.values import HealthConfig, ImageConfig

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


Plain = (
    model.Env
    | model.Label
    | model.Cmd
    | model.Entrypoint
    | model.Expose
    | model.Volume
    | model.User
    | model.StopSignal
    | model.Shell
    | model.Healthcheck
    | model.OnBuild
    | model.Maintainer
)
"""The instructions that change the configuration and nothing else (WORKDIR makes a folder, too)."""


def variables(config: ImageConfig) -> dict[str, str]:
    """Return the environment by name."""
    return dict(entry.partition("=")[::2] for entry in config.env)


def apply(config: ImageConfig, instruction: Plain, *, cmd_is_own: bool) -> ImageConfig:
    """Return `config` after an instruction whose words are plain.

    `cmd_is_own`: this file has set CMD; else ENTRYPOINT takes the base image's away.
    """
    match instruction:
        case model.Env():
            return replace(config, env=with_env(config.env, instruction.variables))
        case model.Label():
            return replace(config, labels={**config.labels, **{kv.key: kv.value or "" for kv in instruction.labels}})
        case model.Cmd():
            return replace(config, cmd=command(config, instruction.command), args_escaped=False)
        case model.Entrypoint():
            found = command(config, instruction.command)
            return replace(config, entrypoint=found, cmd=config.cmd if cmd_is_own else None)
        case model.Expose():
            return replace(config, exposed_ports=_union(config.exposed_ports, ports(instruction.ports)))
        case model.Volume():
            return replace(config, volumes=_union(config.volumes, instruction.paths))
        case model.User():
            return replace(config, user=instruction.user)
        case model.StopSignal():
            return replace(config, stop_signal=instruction.signal)
        case model.Shell():
            return replace(config, shell=instruction.args)
        case model.Healthcheck():
            return replace(config, healthcheck=_health(instruction))
        case model.OnBuild():
            return replace(config, on_build=(*(config.on_build or ()), instruction.expression))
        case model.Maintainer():
            return config


def words_of(config: ImageConfig, instruction: Plain) -> str:
    """Return what Docker's history tells of an instruction that has just made `config` (without its prefix)."""
    match instruction:
        case model.Env():
            return "ENV" + "".join(f" {kv.key}={kv.value or ''}" for kv in instruction.variables)
        case model.Label():
            return "LABEL" + "".join(f" {kv.key}={kv.value or ''}" for kv in instruction.labels)
        case model.Cmd():
            return f"CMD {_quoted(config.cmd or ())}"
        case model.Entrypoint():
            return f"ENTRYPOINT {_quoted(config.entrypoint or ())}"
        case model.Expose():
            return "EXPOSE " + " ".join(sorted(ports(instruction.ports)))
        case model.Volume():
            return f"VOLUME [{' '.join(instruction.paths)}]"
        case model.User():
            return f"USER {instruction.user}"
        case model.StopSignal():
            return f"STOPSIGNAL {instruction.signal}"
        case model.Shell():
            return f"SHELL [{' '.join(instruction.args)}]"
        case model.Healthcheck():
            return _health_words(instruction)
        case model.OnBuild():
            return f"ONBUILD {instruction.expression}"
        case model.Maintainer():
            return f"MAINTAINER {instruction.name}"


def nop(config: ImageConfig, words: str) -> str:
    """Return a history entry's `created_by` for a step that ran nothing."""
    return " ".join((*(config.shell or DEFAULT_SHELL), "#(nop) ", words))


def command(config: ImageConfig, line: model.CommandLine) -> tuple[str, ...]:
    """Return the argument vector of a command: as given, or a line for the shell in force."""
    return (*(config.shell or DEFAULT_SHELL), *line.args) if line.is_shell and line.args else line.args


def with_env(env: Sequence[str], variables: Iterable[model.KeyValue]) -> tuple[str, ...]:
    """Return the environment with variables set; one that is there keeps its place."""
    found = dict(entry.partition("=")[::2] for entry in env)
    found.update({kv.key: kv.value or "" for kv in variables})
    return tuple(f"{name}={value}" for name, value in found.items())


def with_workdir(config: ImageConfig, path: str) -> ImageConfig:
    """Return the configuration with a working folder, relative to the one before."""
    return replace(config, working_dir=resolve(config, path))


def resolve(config: ImageConfig, path: str) -> str:
    """Return a path of the image as an absolute, clean one."""
    joined = posixpath.normpath(posixpath.join("/", config.working_dir or "/", path))
    return "/" + joined.lstrip("/")


def ports(texts: Iterable[str]) -> tuple[str, ...]:
    """Return `80/tcp` for each port meant: `80`, `53/UDP`, `8000-8010`; InvalidArgument for what is no port."""
    found: list[str] = []
    for text in texts:
        numbers, _, protocol = text.rpartition(":")[2].partition("/")
        protocol = protocol.lower() or "tcp"
        first, dash, last = numbers.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or protocol not in ("tcp", "udp", "sctp"):
            raise InvalidArgument(f"invalid containerPort: {text}")
        low, high = int(first), int(last or first)
        if not 0 < low <= high <= 65535:
            raise InvalidArgument(f"invalid containerPort: {text}")
        found += [f"{number}/{protocol}" for number in range(low, high + 1)]
    return tuple(dict.fromkeys(found))


def _health(instruction: model.Healthcheck) -> HealthConfig:
    return HealthConfig(
        test=instruction.test,
        interval=instruction.interval_ns,
        timeout=instruction.timeout_ns,
        retries=instruction.retries,
        start_period=instruction.start_period_ns,
        start_interval=instruction.start_interval_ns,
    )


def _health_words(instruction: model.Healthcheck) -> str:
    # What Go's %q makes of the struct: durations are quoted texts, the number a quoted character.
    times = (instruction.interval_ns, instruction.timeout_ns, instruction.start_period_ns)
    texts = " ".join(f'"{_go_duration(value)}"' for value in times)
    retries = instruction.retries
    number = f"'{chr(retries)}'" if 32 <= retries < 127 else f"'\\x{retries:02x}'"
    return f"HEALTHCHECK &{{{_quoted(instruction.test)} {texts} {number}}}"


def _go_duration(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    if not seconds and rest:
        return f"{rest / 1_000_000:g}ms" if rest >= 1_000_000 else f"{rest}ns"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{seconds + rest / 1e9:g}s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + tail


def _quoted(words: Iterable[str]) -> str:
    return "[" + " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words) + "]"


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
