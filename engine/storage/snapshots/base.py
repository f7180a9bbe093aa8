"""The seam between containers and the file system under them.

A snapshot is the writable root of one container on top of a chain of read-only layers.

    (absent) ──prepare──▶ prepared ──mount──▶ mounted
        ▲                    │  ▲               │
        └──────remove────────┘  └───unmount─────┘     remove works from every state

`key` is the container's id. `chain` holds chain ids (`sha256:<hex>`), base layer first; each must be an unpacked
layer. An empty chain is legal: a root that begins empty. Snapshots live on disk; mounts in the engine's mount
namespace, and both outlive the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Snapshotter(Protocol):
    """Writable roots on top of unpacked layers. Every method may be called from any thread."""

    def prepare(self, key: str, chain: Sequence[str]) -> None:
        """Make a snapshot. Conflict when the key exists, NotFound when a layer of `chain` is not unpacked.

        All or nothing: after a failure or a crash the key does not exist.
        """

    def mount(self, key: str) -> Path:
        """Mount the snapshot and return where; a mounted one stays as it is. NotFound for an unknown key."""

    def unmount(self, key: str) -> None:
        """Undo `mount`; nothing happens when it is not mounted. What the container wrote stays."""

    def remove(self, key: str) -> None:
        """Unmount and forget the snapshot with all that was written; an unknown key is no error.

        The key is free at once; a crash on the way leaves only rubbish that `recover` takes away.
        """

    def chain(self, key: str) -> tuple[str, ...]:
        """Return the layers below, base first. NotFound for an unknown key."""

    def upper(self, key: str) -> Path:
        """Return the folder that holds what was written on top of the layers (overlay format)."""

    def usage(self, key: str) -> int:
        """Return the bytes of the files written on top of the layers; hard links count once, folders nothing."""

    def keys(self) -> list[str]:
        """Return the keys of all snapshots, sorted."""

    def recover(self) -> None:
        """Take away what crashes left behind: half-made and half-removed snapshots. Call it before any other."""
