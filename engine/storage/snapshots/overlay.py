"""Snapshots by overlayfs.

    snapshots/<key>/chain       chain ids, one a line, base first
    snapshots/<key>/upper       what the container wrote; whiteouts are char devices 0/0
    snapshots/<key>/work        overlayfs's own
    snapshots/.empty            lower layer of an image without layers
    snapshots/.new-* .gone-*    half made, half removed: rubbish after a crash
    rootfs/<key>                the mount point

A snapshot is made aside and renamed into place, and renamed away before it is deleted, so a key exists wholly or not
at all.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from engine.errors import Conflict, Exhausted, Internal, NotFound
from engine.ids import new_id
from engine.kernel import syscalls
from engine.locks import NamedLocks
from engine.storage.paths import Paths

MOUNT_OPTIONS_LIMIT = os.sysconf("SC_PAGESIZE") - 1
"""mount(2) copies one page of options and no more."""


class OverlaySnapshots:
    """`Snapshotter` on overlayfs; needs CAP_SYS_ADMIN."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._locks = NamedLocks()

    def prepare(self, key: str, chain: Sequence[str]) -> None:
        """See `Snapshotter.prepare`."""
        with self._locks.hold(key):
            home = self._home(key)
            if home.exists():
                raise Conflict(f"snapshot {key} already exists")
            lowers = self._lowers(chain)
            aside = self._paths.snapshots / f".new-{key}-{new_id()[:8]}"
            try:
                self._make(aside, chain, lowers)
                aside.rename(home)
            except OSError as error:
                shutil.rmtree(aside, ignore_errors=True)
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise Exhausted(f"no space left on device: {home}") from error
                raise

    def mount(self, key: str) -> Path:
        """See `Snapshotter.mount`."""
        with self._locks.hold(key):
            lowers = list(reversed(self._lowers(self.chain(key))))
            target = self._target(key)
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not _is_mounted(target):
                self._overlay(lowers, self._home(key), target)
            return target

    def unmount(self, key: str) -> None:
        """See `Snapshotter.unmount`."""
        with self._locks.hold(key):
            target = self._target(key)
            while True:
                try:
                    syscalls.umount(target, syscalls.UmountFlag.DETACH)
                except OSError as error:
                    if error.errno not in (errno.EINVAL, errno.ENOENT):
                        raise
                    break
            try:
                target.rmdir()
            except FileNotFoundError:
                pass

    def remove(self, key: str) -> None:
        """See `Snapshotter.remove`."""
        with self._locks.hold(key):
            self.unmount(key)
            gone = self._paths.snapshots / f".gone-{key}-{new_id()[:8]}"
            try:
                self._home(key).rename(gone)
            except FileNotFoundError:
                return
        shutil.rmtree(gone)

    def chain(self, key: str) -> tuple[str, ...]:
        """See `Snapshotter.chain`."""
        try:
            return tuple((self._home(key) / "chain").read_text().split())
        except FileNotFoundError:
            raise NotFound(f"no such snapshot: {key}") from None

    def upper(self, key: str) -> Path:
        """See `Snapshotter.upper`."""
        return self._home(key) / "upper"

    def usage(self, key: str) -> int:
        """See `Snapshotter.usage`."""
        seen: set[int] = set()
        total = 0
        for entry in _walk(self.upper(key)):
            info = entry.stat(follow_symlinks=False)
            if info.st_ino not in seen:
                seen.add(info.st_ino)
                total += info.st_size
        return total

    def keys(self) -> list[str]:
        """See `Snapshotter.keys`."""
        return sorted(home.name for home in self._paths.snapshots.iterdir() if not home.name.startswith("."))

    def recover(self) -> None:
        """See `Snapshotter.recover`."""
        for entry in os.scandir(self._paths.snapshots):
            if entry.name.startswith((".new-", ".gone-")):
                shutil.rmtree(entry.path)

    def _home(self, key: str) -> Path:
        if not key or key.startswith(".") or "/" in key:
            raise Internal(f"not a snapshot key: {key!r}")
        return self._paths.snapshots / key

    def _target(self, key: str) -> Path:
        return self._paths.rootfs / self._home(key).name

    def _lowers(self, chain: Sequence[str]) -> list[Path]:
        lowers = [self._paths.layers / chain_id.partition(":")[2] / "fs" for chain_id in chain]
        for chain_id, lower in zip(chain, lowers, strict=True):
            if not lower.is_dir():
                raise NotFound(f"layer {chain_id} is not unpacked")
        return lowers

    def _make(self, home: Path, chain: Sequence[str], lowers: Sequence[Path]) -> None:
        home.mkdir(mode=0o700)
        (home / "chain").write_text("".join(f"{chain_id}\n" for chain_id in chain))
        upper = home / "upper"
        upper.mkdir(mode=0o755)
        # The upper folder is the container's "/": its owner and mode are those of the topmost layer's.
        info = lowers[-1].stat() if lowers else None
        upper.chmod(stat.S_IMODE(info.st_mode) if info else 0o755)
        if info and (info.st_uid or info.st_gid):
            os.chown(upper, info.st_uid, info.st_gid)
        (home / "work").mkdir(mode=0o700)

    def _overlay(self, lowers: Sequence[Path], home: Path, target: Path) -> None:
        if not lowers:
            empty = self._paths.snapshots / ".empty"
            empty.mkdir(mode=0o755, exist_ok=True)
            lowers = [empty]
        with ExitStack() as undo:
            options = _options([str(p) for p in lowers], str(home / "upper"), str(home / "work"))
            if len(options) > MOUNT_OPTIONS_LIMIT or any(c in str(home) for c in ',:\\"'):
                folders = (*lowers, home / "upper", home / "work")
                *below, upper, work = [f"/proc/self/fd/{_opened(folder, undo)}" for folder in folders]
                options = _options(below, upper, work)
            if len(options) > MOUNT_OPTIONS_LIMIT:
                raise Internal(f"image has too many layers to mount: {len(lowers)}")
            syscalls.mount("overlay", target, "overlay", 0, options)


def _options(lowers: Sequence[str], upper: str, work: str) -> str:
    return f"lowerdir={':'.join(lowers)},upperdir={upper},workdir={work}"


def _opened(folder: Path, undo: ExitStack) -> int:
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    undo.callback(os.close, fd)
    return fd


def _is_mounted(target: Path) -> bool:
    return target.stat().st_dev != target.parent.stat().st_dev


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    yield entry
