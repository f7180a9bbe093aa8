"""Unpacked layers, by chain id.

    layers/<hex of chain id>/fs/            the files, as an overlayfs lower layer
    layers/<hex of chain id>/recipe         how its tar was made up (engine.storage.recipe)
    layers/<hex of chain id>/layer.json     diff id, parent's chain id, size
    layers/.new-* .gone-*                   half unpacked, half deleted: rubbish after a crash

A layer is *staged* from a stream aside, then *committed* under its chain id by one rename: it is there wholly or not
at all. What a layer holds never changes. Deleting frees the name at once, the files go in the background.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import queue
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BerthError, Exhausted, InvalidArgument, NotFound
from engine.ids import ChainId, Digest, new_id
from engine.kernel import syscalls
from engine.refs import digest_of
from engine.storage import compression, recipe
from engine.storage.paths import Paths
from engine.storage.tarstream import TarReader
from engine.storage.unpack import Unpacker


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """What is known of an unpacked layer; `size` is the bytes of its files, `tar_size` those of its tar."""

    chain_id: ChainId
    parent: str
    diff_id: Digest
    size: int
    tar_size: int


@dataclass(frozen=True, slots=True)
class Staged:
    """A layer that is unpacked and has no place yet: hand it to `commit` or `discard`."""

    folder: Path
    diff_id: Digest
    size: int
    tar_size: int


def chain_ids(diff_ids: Sequence[str]) -> tuple[ChainId, ...]:
    """Return the chain id of each layer, base first (OCI image spec, config.md, "Layer ChainID")."""
    chain: list[ChainId] = []
    for diff_id in diff_ids:
        chain.append(ChainId(digest_of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id))
    return tuple(chain)


class Layers:
    """The store of unpacked layers; every method from any thread."""

    def __init__(self, paths: Paths) -> None:
        self._root = paths.layers
        self._rubbish: queue.Queue[Path | None] = queue.Queue()
        self._sweeper: threading.Thread | None = None
        self._lock = threading.Lock()

    def has(self, chain_id: str) -> bool:
        """Say whether the layer is there."""
        return self._home(chain_id).is_dir()

    def info(self, chain_id: str) -> LayerInfo:
        """Return what is known of a layer, or raise NotFound."""
        try:
            found = json.loads((self._home(chain_id) / "layer.json").read_text())
        except FileNotFoundError:
            raise NotFound(f"layer {chain_id} is not unpacked") from None
        return LayerInfo(ChainId(chain_id), found["parent"], Digest(found["diff_id"]), found["size"], found["tar_size"])

    def chains(self) -> list[ChainId]:
        """Return the chain ids of all layers."""
        return [ChainId(f"sha256:{p.name}") for p in self._root.iterdir() if not p.name.startswith(".")]

    def files(self, chain_id: str) -> Path:
        """Return the folder with the layer's files; nobody may write there."""
        return self._home(chain_id) / "fs"

    def stage(self, chunks: Iterable[bytes], expected: str = "") -> Staged:
        """Unpack a tar stream of any known compression; `expected` is the diff id that it must have.

        Nothing is left behind when it fails: InvalidArgument for what is wrong with the stream (the message says
        what and where), Exhausted when the disk is full. Errors of the stream's own pass through.
        """
        folder = self._root / f".new-{new_id()[:16]}"
        try:
            staged = self._unpack(chunks, folder)
            _check_diff_id(expected, staged.diff_id)
        except OSError as error:
            self._delete(folder)
            raise _explained(error) from error
        except BaseException:
            self._delete(folder)
            raise
        return staged

    def commit(self, staged: Staged, chain_id: str, parent: str) -> None:
        """Give a staged layer its place; one that is there already wins."""
        record = {
            "parent": parent,
            "diff_id": staged.diff_id,
            "size": staged.size,
            "tar_size": staged.tar_size,
        }
        (staged.folder / "layer.json").write_text(json.dumps(record))
        try:
            staged.folder.rename(self._home(chain_id))
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            self._delete(staged.folder)

    def discard(self, staged: Staged) -> None:
        """Forget a staged layer."""
        self._delete(staged.folder)

    def tar(self, chain_id: str) -> Iterator[bytes]:
        """Yield the layer's uncompressed tar, bit by bit as it came; NotFound where that can't be done."""
        home = self._home(chain_id)
        if not (home / "recipe").exists():
            raise NotFound(f"layer {chain_id} can't be packed again")
        return recipe.replay(home / "recipe", home / "fs")

    def has_tar(self, chain_id: str) -> bool:
        """Say whether `tar` can make the layer's tar again."""
        return (self._home(chain_id) / "recipe").exists()

    def remove(self, chain_id: str) -> None:
        """Delete a layer that nothing refers to; the files go in the background. Unknown ones are ignored."""
        try:
            gone = self._root / f".gone-{new_id()[:16]}"
            self._home(chain_id).rename(gone)
        except FileNotFoundError:
            return
        self._delete(gone)

    def recover(self) -> None:
        """Delete what a crash left half made or half deleted. Call it before any other use."""
        for entry in self._root.iterdir():
            if entry.name.startswith((".new-", ".gone-")):
                self._delete(entry)

    def sync(self) -> None:
        """Wait until all that is stored is on the disk."""
        fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syscalls.syncfs(fd)
        finally:
            os.close(fd)

    def drain(self) -> None:
        """Wait until deleted files are gone."""
        self._rubbish.join()

    def close(self) -> None:
        """Finish deleting and end the thread that does it."""
        with self._lock:
            sweeper, self._sweeper = self._sweeper, None
        if sweeper:
            self._rubbish.put(None)
            sweeper.join()

    def _home(self, chain_id: str) -> Path:
        return self._root / chain_id.partition(":")[2]

    def _unpack(self, chunks: Iterable[bytes], folder: Path) -> Staged:
        files = folder / "fs"
        files.mkdir(parents=True)
        folder.chmod(0o700)
        files.chmod(0o755)
        root_fd = os.open(files, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        meter = _Meter()
        ahead = compression.ReadAhead(meter.measured(compression.decompressed(chunks)))
        unpacker = Unpacker(root_fd)
        try:
            with recipe.RecipeWriter(folder / "recipe") as tap:
                unpacker.apply(TarReader(ahead, tap))
            unpacker.finish()
        finally:
            unpacker.close()
            os.close(root_fd)
            ahead.close()
        if unpacker.overwritten:
            (folder / "recipe").unlink()
        return Staged(folder, Digest(f"sha256:{meter.digest.hexdigest()}"), unpacker.size, meter.size)

    def _delete(self, folder: Path) -> None:
        with self._lock:
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="layer-sweeper", daemon=True)
                self._sweeper.start()
        self._rubbish.put(folder)

    def _sweep(self) -> None:
        while (folder := self._rubbish.get()) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            self._rubbish.task_done()
        self._rubbish.task_done()


def _check_diff_id(expected: str, actual: str) -> None:
    if expected and actual != expected:
        raise InvalidArgument(f"wrong diff id: expected {expected}, the layer unpacks to {actual}")


class _Meter:
    """Digest and length of a stream, taken as it passes."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.size = 0

    def measured(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.digest.update(chunk)
            self.size += len(chunk)
            yield chunk


def _explained(error: OSError) -> BerthError | OSError:
    where = error.filename if isinstance(error.filename, str) else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exhausted(f"write {where}: no space left on device" if where else "no space left on device")
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.ELOOP):
        return InvalidArgument(f"{where}: {error.strerror}")
    return error
