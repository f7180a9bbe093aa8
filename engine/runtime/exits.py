"""conmon's exit files: one for each process that ended, its exit code as text, the time as the file's own."""

from __future__ import annotations

import os
from pathlib import Path

from engine.runtime.base import ExitNotice

LOST = 137
"""The exit code told for a process whose monitor vanished: it is killed, and nobody knows more."""


def read(folder: Path, container_id: str, *, exec_id: str | None = None, oom_killed: bool = False) -> ExitNotice | None:
    """Return the notice in an exit folder, None where the process has not ended."""
    try:
        fd = os.open(f"{folder}/{container_id}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        text = os.read(fd, 64).decode().strip()
        when = os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)
    code = int(text) if text.lstrip("-").isdigit() else LOST
    return ExitNotice(container_id, exec_id, code if code >= 0 else LOST, when, oom_killed)


def forget(folder: Path, container_id: str) -> None:
    """Remove an exit file; none is fine."""
    try:
        os.unlink(f"{folder}/{container_id}")  # noqa: PTH108 - hot path
    except FileNotFoundError:
        return
