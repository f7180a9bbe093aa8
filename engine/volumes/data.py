"""The volumes' folders: `volumes/<namespace>/<name>/_data`, made, measured and removed.

A removal renames first (`.removing/<random>`), so that the name is free and nothing half-removed is ever mounted; the
files go on a thread. What a crash leaves there, or without a record, `sweep` takes.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.volumes.model import Volume

_log = logging.getLogger(__name__)

_REMOVING = ".removing"
_DATA = "_data"


class VolumeData:
    """The folders of all volumes below one root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._trash = root / _REMOVING
        self._trash.mkdir(mode=0o700, exist_ok=True)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="volume-removal")

    def path(self, volume: Volume) -> Path:
        """Return the host path of the volume's content."""
        return self._root / volume.namespace / volume.name / _DATA

    def make(self, volume: Volume) -> None:
        """Make the volume's empty folder; what a crash left under its name goes first."""
        folder = self.path(volume)
        self.remove(volume)
        (self._root / volume.namespace).mkdir(mode=0o700, exist_ok=True)
        folder.parent.mkdir(mode=0o700)
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)

    def remove(self, volume: Volume) -> None:
        """Free the volume's name at once and its files soon; idempotent."""
        self._discard(self.path(volume).parent)

    def clear(self, volume: Volume) -> None:
        """Empty the volume: a copy into it failed half-way."""
        folder = self.path(volume)
        self._discard(folder)
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)

    def usage(self, volume: Volume) -> int:
        """Return the bytes that the volume's files take on disk; what vanishes meanwhile counts nothing."""
        total = 0
        seen: set[int] = set()
        for folder, _, names in os.walk(self.path(volume)):
            for name in names:
                try:
                    info = os.lstat(os.path.join(folder, name))
                except FileNotFoundError:
                    continue
                if info.st_ino not in seen:
                    seen.add(info.st_ino)
                    total += info.st_blocks * 512
        return total

    def sweep(self, known: Collection[tuple[str, str]]) -> None:
        """Remove folders without a record (namespace, name), and what was being removed when the engine stopped."""
        for namespace in self._root.iterdir():
            if namespace.name == _REMOVING:
                continue
            for folder in namespace.iterdir():
                if (namespace.name, folder.name) not in known:
                    self._discard(folder)
        for leftover in self._trash.iterdir():
            self._pool.submit(_remove_tree, leftover)

    def close(self) -> None:
        """Finish the removals under way."""
        self._pool.shutdown(wait=True)

    def _discard(self, folder: Path) -> None:
        target = self._trash / secrets.token_hex(8)
        try:
            folder.rename(target)
        except FileNotFoundError:
            return
        self._pool.submit(_remove_tree, target)


def _remove_tree(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        _log.error("files of a removed volume could not be deleted folder=%s: %s", folder, error)
