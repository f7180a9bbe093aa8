"""The one door to child processes: `run` waits for the end, `spawn` hands over a running process, `launch` lets go.

Every child gets a minimal environment, its own session (a Ctrl-C of the engine's terminal or the engine's death does
not reach it), no inherited descriptor but the ones named, /dev/null for stdin unless told otherwise. Argument
vectors only, never a shell. Failure is `CommandError`, whose text can be pasted into a shell.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Internal

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT: Mapping[str, str] = {"PATH": _PATH, "LC_ALL": "C.UTF-8"}
"""What every child sees, unless `env` says otherwise."""
PYTHON: tuple[str, ...] = (sys.executable, "-SI")
"""An isolated interpreter of ours, for helpers that use the standard library only."""
DEVNULL = subprocess.DEVNULL
PIPE = subprocess.PIPE
Process = subprocess.Popen
"""What `spawn` returns, for annotations: `Process[bytes]`."""

_ERROR_TAIL = 4096


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished child: exit code (negative: the signal that ended it) and what it wrote."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without the last newline."""
        return self.stdout.decode(errors="replace").rstrip("\n")


class CommandError(Internal):
    """A child failed, could not be started or took too long. `code` is None where there is no exit code."""

    def __init__(self, argv: Sequence[str], code: int | None, stderr: bytes, reason: str = "") -> None:
        self.argv = tuple(argv)
        self.code = code
        self.stderr = stderr.decode(errors="replace").strip()
        what = reason or (f"ended by signal {-code}" if code is not None and code < 0 else f"exit code {code}")
        tail = self.stderr[-_ERROR_TAIL:]
        super().__init__(f"{shlex.join(self.argv)}: {what}" + (f": {tail}" if tail else ""))


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60.0,
    input: bytes | None = None,  # noqa: A002 - the name that subprocess.run gives it
    env: Mapping[str, str] | None = None,
    check: bool = True,
    pass_fds: Sequence[int] = (),
    cwd: Path | str | None = None,
) -> Completed:
    """Run a child to its end and return what it wrote; `timeout` in seconds.

    Raises CommandError when it can't be started, outlives `timeout` (it is killed), or, with `check`, fails.
    """
    process = spawn(
        argv,
        stdin=DEVNULL if input is None else PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=env,
        pass_fds=pass_fds,
        cwd=cwd,
    )
    with process:
        try:
            stdout, stderr = process.communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise CommandError(argv, None, error.stderr or b"", f"no end after {timeout:g} s") from error
        except BaseException:
            process.kill()
            raise
    if check and process.returncode:
        raise CommandError(argv, process.returncode, stderr or stdout)
    return Completed(tuple(argv), process.returncode, stdout, stderr)


def spawn(
    argv: Sequence[str],
    *,
    stdin: int = DEVNULL,
    stdout: int = DEVNULL,
    stderr: int = DEVNULL,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    cwd: Path | str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child and return it; the caller owns it: wait for it, or kill it. Raises CommandError."""
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(ENVIRONMENT if env is None else env),
            pass_fds=tuple(pass_fds),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(argv, None, b"", error.strerror or str(error)) from error


def launch(argv: Sequence[str], *, fds: Mapping[int, int], env: Mapping[str, str] | None = None) -> int:
    """Start a child by the cheapest way there is (posix_spawn: no copy of the engine, one call); return its pid.

    `argv[0]` is an absolute path. `fds` maps the child's descriptors to ours; 0, 1 and 2 are /dev/null unless
    named. The caller reaps it (os.waitpid, or a pidfd). Raises CommandError.
    """
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2) if fd not in fds
    ]
    actions += [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in fds.items()]
    try:
        return os.posix_spawn(
            argv[0], list(argv), dict(ENVIRONMENT if env is None else env), file_actions=actions, setsid=True
        )
    except OSError as error:
        raise CommandError(argv, None, b"", error.strerror or str(error)) from error
