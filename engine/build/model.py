"""A Dockerfile as values: directives, global arguments, stages, and one dataclass for each instruction. Pure.

Words are kept as they are written, quotes, escapes and variables included: `engine.build.expand` gives an instruction
with its words made plain, once the variables of its place are known. What Docker never expands (command lines,
ONBUILD, the text of here-documents for RUN) is final here.

Source: the Dockerfile reference of the BuildKit front end (docker/dockerfile 1.x).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an instruction stands. Never part of a comparison: two instructions are equal if they mean the same."""

    text: str
    """The instruction in one line as Docker shows it: continuations joined, comments gone, here-documents left out."""
    first: int = 0
    """First line, counted from 1."""
    last: int = 0
    """Last line, that of the last here-document's end included."""


_NOWHERE = Origin("")


@dataclass(frozen=True, slots=True)
class Directives:
    """The parser directives at the top of a file. `syntax` and `check` are "" where they are not given."""

    syntax: str = ""
    escape: str = "\\"
    check: str = ""


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document: `<<-"name"` → chomp (leading tabs go), no expand (quoted name).

    `content` is as written, its tabs too, its last newline included; `text` is what is meant.
    """

    name: str
    content: str
    expand: bool = True
    chomp: bool = False
    descriptor: int = 0
    """The number before `<<`, 0 where there is none."""

    @property
    def text(self) -> str:
        """Return the content, without leading tabs for `<<-`."""
        if not self.chomp:
            return self.content
        return "".join(line.lstrip("\t") for line in self.content.splitlines(keepends=True))


@dataclass(frozen=True, slots=True)
class KeyValue:
    """`key=value` of ENV, LABEL and ARG. `value` None: an ARG without default."""

    key: str
    value: str | None


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command of RUN, CMD, ENTRYPOINT: JSON form (`is_shell` False) or one line for the shell in force.

    `heredocs` (RUN only; a line that is one here-document without anything else is a script) are in order of their
    mention. `args` is empty where nothing was given (`CMD []`).
    """

    args: tuple[str, ...]
    is_shell: bool = False
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """One `--mount` of RUN. Empty text and None stand for "not given"; sizes are bytes."""

    text: str
    """The option's value as written; what follows is read from it."""
    type: str = "bind"
    """bind, cache, tmpfs, secret or ssh."""
    source: str = ""
    """Path in `origin` (bind, cache)."""
    target: str = ""
    origin: str = ""
    """`from`: a stage, an image or a named context; "" is the build context for bind, an empty folder for cache."""
    readonly: bool = True
    id: str = ""
    sharing: str = "shared"
    """Of a cache: shared, private or locked."""
    required: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int = 0
    env: str = ""
    """Of a secret: the variable that holds it instead of a file."""


@dataclass(frozen=True, slots=True)
class Add:
    """ADD: files of the context, URLs, git repositories, archives (which are unpacked) to `dest`."""

    sources: tuple[str, ...]
    dest: str
    heredocs: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    keep_git_dir: bool = False
    checksum: str = ""
    unpack: bool | None = None
    """None: local archives are unpacked, downloaded ones are not."""
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY: files of the context, or of `from_` (a stage by name or number, an image, a named context), to `dest`."""

    sources: tuple[str, ...]
    dest: str
    heredocs: tuple[Heredoc, ...] = ()
    from_: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Arg:
    """ARG: variables that the caller of a build may set."""

    variables: tuple[KeyValue, ...]
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Cmd:
    """CMD."""

    command: CommandLine
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """ENTRYPOINT."""

    command: CommandLine
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Env:
    """ENV, of either form; no value is None."""

    variables: tuple[KeyValue, ...]
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Expose:
    """EXPOSE: `80`, `80/udp`, `8000-8010`."""

    ports: tuple[str, ...]
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """HEALTHCHECK. `test` is Docker's: ("NONE",), ("CMD", …) or ("CMD-SHELL", line). Times in ns, 0: not given."""

    test: tuple[str, ...]
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Label:
    """LABEL; no value is None."""

    labels: tuple[KeyValue, ...]
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Maintainer:
    """MAINTAINER (out of use since long)."""

    name: str
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class OnBuild:
    """ONBUILD: `expression` is an instruction as text, run when another image is built from this one."""

    expression: str
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Run:
    """RUN. `network` is default, none or host; `security` sandbox or insecure; "" where not given."""

    command: CommandLine
    mounts: tuple[Mount, ...] = ()
    network: str = ""
    security: str = ""
    devices: tuple[str, ...] = ()
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Shell:
    """SHELL: what later lines of shell form are given to."""

    args: tuple[str, ...]
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StopSignal:
    """STOPSIGNAL."""

    signal: str
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class User:
    """USER: `user`, `user:group`, names or numbers."""

    user: str
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Volume:
    """VOLUME: paths inside the image."""

    paths: tuple[str, ...]
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Workdir:
    """WORKDIR: absolute, or relative to the one before."""

    path: str
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


Instruction = (
    Add
    | Arg
    | Cmd
    | Copy
    | Entrypoint
    | Env
    | Expose
    | Healthcheck
    | Label
    | Maintainer
    | OnBuild
    | Run
    | Shell
    | StopSignal
    | User
    | Volume
    | Workdir
)


@dataclass(frozen=True, slots=True)
class Stage:
    """FROM and what follows it. `base` is an image, an earlier stage's name, or `scratch`; words as written."""

    base: str
    name: str = ""
    """Lower case; "" where the stage has none."""
    platform: str = ""
    instructions: tuple[Instruction, ...] = ()
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A whole file. `arguments` are the ARGs before the first FROM; `warnings` are sentences for the user."""

    stages: tuple[Stage, ...]
    arguments: tuple[Arg, ...] = ()
    directives: Directives = Directives()
    warnings: tuple[str, ...] = field(default=(), compare=False)
    source: str = field(default="", compare=False, repr=False)
