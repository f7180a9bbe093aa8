"""What a log consists of and what can be asked of one. No files here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STDOUT = "stdout"
STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line that a container wrote, of any length, without its newline.

    `time_ns` is when its first byte was read, in nanoseconds since the epoch. `whole` is False for a last line that has
    no newline (yet).
    """

    time_ns: int
    stream: str
    text: bytes
    whole: bool = True


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of a log, and how it is shown.

    `since_ns` and `until_ns` are inclusive, 0: no bound. `tail` counts the last lines of the streams chosen (before
    `until_ns`), None: all of them. `after` is a position (`logs.files`) and stands for all three: lines that end later
    than it. `before` is one too: lines that end there or earlier, and nothing is followed. `details` are attributes put
    before each line (`None`: not asked for).
    """

    stdout: bool = True
    stderr: bool = True
    since_ns: int = 0
    until_ns: int = 0
    tail: int | None = None
    follow: bool = False
    timestamps: bool = False
    details: Mapping[str, str] | None = field(default=None)
    after: int | None = None
    before: int | None = None

    @property
    def streams(self) -> frozenset[str]:
        """The names of the streams chosen."""
        return frozenset(name for name, chosen in ((STDOUT, self.stdout), (STDERR, self.stderr)) if chosen)
