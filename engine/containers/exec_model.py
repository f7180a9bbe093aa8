"""A further process in a running container, as a value (Docker: exec instance)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """What is asked (Docker: ExecConfig). `console_size` is (height, width), zeros where not given."""

    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    tty: bool = False
    privileged: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    detach_keys: str = ""
    console_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Exec:
    """An exec and how it is. `exit_code` None: not ended. `ended_ns` is 0 until then."""

    id: str
    container_id: str
    config: ExecConfig
    started: bool = False
    running: bool = False
    pid: int = 0
    exit_code: int | None = None
    ended_ns: int = 0
