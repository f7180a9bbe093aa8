"""Unpacked layers, by chain id.

    layers/<hex of chain id>/fs/            the files, as an overlayfs lower layer
    layers/<hex of chain id>/recipe         how its tar was made up (engine.storage.recipe)
    layers/<hex of chain id>/layer.json     diff id, parent's chain id, sizes, the boot in which it was made
    layers/<hex of chain id>/packed.json    digest and size of its tar as `compression.gzipped` packs it, once known
    layers/<hex of chain id>/settled        it is on the disk for sure
    layers/.new-* .gone-*                   half unpacked, half deleted: rubbish after a crash

A layer is *staged* from a stream aside, then *committed* under its chain id by one rename: it is there wholly or not
at all. What a layer holds never changes. Deleting frees the name at once, the files go in the background.

Nobody waits for the disk: a sync waits for every other writer of the machine, too. A thread syncs after the fact and
marks what is settled. A layer that was not when the machine went down is checked against its diff id at the next
start.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import queue
import shutil
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BerthError, Exhausted, InvalidArgument, NotFound
from engine.ids import ChainId, Digest, new_id
from engine.kernel import syscalls
from engine.refs import digest_of
from engine.storage import compression, recipe, uppers
from engine.storage.paths import Paths
from engine.storage.tarstream import TarReader
from engine.storage.unpack import Unpacker

_log = logging.getLogger(__name__)
_SETTLE_DELAY = 1.0
_CLOSE_SECONDS = 5.0


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
        _spread(self._root)
        self._rubbish: queue.Queue[Path | None] = queue.Queue()
        self._sweeper: threading.Thread | None = None
        self._settler: threading.Thread | None = None
        self._unsettled = threading.Event()
        self._closing = threading.Event()
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
        with self._new_folder() as folder:
            staged = self._unpack(chunks, folder)
            _check_diff_id(expected, staged.diff_id)
        return staged

    def stage_folder(self, upper: Path, epoch: int | None = None) -> Staged | None:
        """Take over an overlay's upper folder (of the same file system) as a layer; None where it changes nothing.

        `epoch` (seconds): no time in the layer is later. Nobody may write to the folder any more; it is gone from its
        place in any case.
        """
        with self._new_folder() as folder:
            folder.mkdir(mode=0o700)
            upper.rename(folder / "fs")
            packed = uppers.measure(folder / "fs", folder / "recipe", epoch)
        if not packed.entries:
            self._delete(folder)
            return None
        return Staged(folder, Digest(packed.diff_id), packed.size, packed.tar_size)

    @contextmanager
    def _new_folder(self) -> Iterator[Path]:
        """Give the path of a layer that is not one yet; whatever fails in the block takes it away."""
        folder = self._root / f".new-{new_id()[:16]}"
        try:
            yield folder
        except OSError as error:
            self._delete(folder)
            raise _explained(error) from error
        except BaseException:
            self._delete(folder)
            raise

    def commit(self, staged: Staged, chain_id: str, parent: str) -> None:
        """Give a staged layer its place; one that is there already wins."""
        record = {
            "parent": parent,
            "diff_id": staged.diff_id,
            "size": staged.size,
            "tar_size": staged.tar_size,
            "boot": _boot(),
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

    def packed(self, chain_id: str) -> tuple[Digest, int] | None:
        """Return digest and size of the layer's tar as gzip, None where nobody has packed it yet."""
        try:
            found = json.loads((self._home(chain_id) / "packed.json").read_text())
            return Digest(found["digest"]), int(found["size"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def note_packed(self, chain_id: str, digest: str, size: int) -> None:
        """Remember what `packed` returns."""
        aside = self._home(chain_id) / f".packed-{new_id()[:16]}"
        aside.write_text(json.dumps({"digest": digest, "size": size}))
        aside.rename(aside.with_name("packed.json"))

    def remove(self, chain_id: str) -> None:
        """Delete a layer that nothing refers to; the files go in the background. Unknown ones are ignored."""
        try:
            gone = self._root / f".gone-{new_id()[:16]}"
            self._home(chain_id).rename(gone)
        except FileNotFoundError:
            return
        self._delete(gone)

    def recover(self) -> frozenset[str]:
        """Delete what a crash left half made, half deleted or damaged. Call it before any other use.

        Returns the chain ids of layers of which the machine went down before they were on the disk: those still
        there have been checked, blobs that came with them have not.
        """
        doubtful = set()
        for entry in self._root.iterdir():
            if entry.name.startswith((".new-", ".gone-")):
                self._delete(entry)
            elif not (entry / "settled").exists() and not _is_of_this_boot(entry):
                chain_id = f"sha256:{entry.name}"
                doubtful.add(chain_id)
                if not self._is_whole(chain_id):
                    _log.warning("layer damaged when the machine went down, removed chain_id=%s", chain_id)
                    self.remove(chain_id)
        self.settle()
        return frozenset(doubtful)

    def settle(self) -> None:
        """Have all that is stored written to the disk, in the background, and mark it."""
        with self._lock:
            self._unsettled.set()
            if self._settler is None:
                self._settler = threading.Thread(target=self._settling, name="layer-settler", daemon=True)
                self._settler.start()

    def drain(self) -> None:
        """Wait until deleted files are gone."""
        self._rubbish.join()

    def close(self) -> None:
        """Finish deleting and end the threads; what is not settled by then is so at the next start."""
        with self._lock:
            sweeper, self._sweeper = self._sweeper, None
            settler, self._settler = self._settler, None
        self._closing.set()
        self._unsettled.set()
        if settler:
            settler.join(_CLOSE_SECONDS)
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

    def _is_whole(self, chain_id: str) -> bool:
        meter = _Meter()
        try:
            for _ in meter.measured(self.tar(chain_id)):
                pass
            return f"sha256:{meter.digest.hexdigest()}" == self.info(chain_id).diff_id
        except (BerthError, OSError, EOFError, ValueError, KeyError, zlib.error, struct.error):
            return False

    def _settling(self) -> None:
        while not self._closing.is_set():
            self._unsettled.wait()
            # Layers come in groups, and a sync costs the whole machine: one for all of them.
            if self._closing.wait(_SETTLE_DELAY):
                return
            self._unsettled.clear()
            waiting = [p for p in self._root.iterdir() if p.name[0] != "." and not (p / "settled").exists()]
            try:
                if waiting:
                    self._sync()
                for layer in waiting:
                    (layer / "settled").touch()
            except OSError as error:  # deleted meanwhile, or a full disk: it is checked at the next boot
                _log.debug("layers not settled: %s", error)

    def _sync(self) -> None:
        fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syscalls.syncfs(fd)
        finally:
            os.close(fd)

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


def _spread(root: Path) -> None:
    """Let each layer begin in a block group of its own.

    Without a journal, ext4 looks at every inode that was freed in the last minute before it takes a new one from the
    same group: after the removal of an image, unpacking another beside it took five times as long.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.add_inode_flags(fd, syscalls.INODE_TOPDIR)
    except OSError:  # another file system: it has other ways
        pass
    finally:
        os.close(fd)


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


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _is_of_this_boot(layer: Path) -> bool:
    try:
        return bool(json.loads((layer / "layer.json").read_text())["boot"] == _boot())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _explained(error: OSError) -> BerthError | OSError:
    where = error.filename if isinstance(error.filename, str) else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exhausted(f"write {where}: no space left on device" if where else "no space left on device")
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.ELOOP):
        return InvalidArgument(f"{where}: {error.strerror}")
    return error
