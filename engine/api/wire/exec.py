"""Execs: further processes in a running container, in requests and answers."""

from __future__ import annotations

from typing import Any

from engine.api.codec import Fields
from engine.api.wire.mounts import refuse_unread
from engine.containers.exec_model import Exec, ExecConfig
from engine.errors import InvalidArgument

_IGNORED = ("Detach", "Container")
"""Sent by clients (docker-py: the container's name) and ignored by Docker too."""
_CONSOLE_SINCE = (1, 42)


def parse_exec(fields: Fields, version: tuple[int, int]) -> ExecConfig:
    """Return the request in a creation's body."""
    request = ExecConfig(
        cmd=fields.texts("Cmd"),
        env=fields.texts("Env"),
        user=fields.text("User"),
        working_dir=fields.text("WorkingDir"),
        privileged=fields.flag("Privileged"),
        tty=fields.flag("Tty"),
        attach_stdin=fields.flag("AttachStdin"),
        attach_stdout=fields.flag("AttachStdout"),
        attach_stderr=fields.flag("AttachStderr"),
        detach_keys=fields.text("DetachKeys"),
        console_size=parse_console_size(fields, version),
    )
    for name in _IGNORED:
        fields.raw(name)
    refuse_unread(fields)
    if not request.cmd:
        raise InvalidArgument("No exec command specified")
    return request


def parse_console_size(fields: Fields, version: tuple[int, int]) -> tuple[int, int]:
    """Return ConsoleSize (height, width), zeros if it is absent or from a client that is too old for it."""
    size = fields.raw("ConsoleSize")
    if size is None:
        return 0, 0
    if not isinstance(size, list) or len(size) != 2 or not all(type(n) is int and 0 <= n < 65536 for n in size):
        raise InvalidArgument(f"{fields.name_of('ConsoleSize')}: expected an array of two integers")
    return (size[0], size[1]) if version >= _CONSOLE_SINCE else (0, 0)


def render_exec(found: Exec) -> dict[str, Any]:
    """Return the inspection of an exec; ExitCode is null until it has ended."""
    config = found.config
    return {
        "ID": found.id,
        "Running": found.running,
        "ExitCode": found.exit_code,
        "ProcessConfig": {
            "tty": config.tty,
            "entrypoint": config.cmd[0] if config.cmd else "",
            "arguments": list(config.cmd[1:]),
            "privileged": config.privileged,
            "user": config.user,
        },
        "OpenStdin": config.attach_stdin,
        "OpenStderr": config.attach_stderr,
        "OpenStdout": config.attach_stdout,
        "CanRemove": found.exit_code is not None,
        "ContainerID": found.container_id,
        "DetachKeys": config.detach_keys,
        "Pid": found.pid,
    }
