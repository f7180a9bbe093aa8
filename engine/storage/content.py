"""Blobs by digest.

    blobs/sha256/<hex>      complete and verified
    ingest/<hex>            what a download has so far: kept for resuming after a broken connection

A blob appears under its digest by a rename after its bytes were verified. Putting one that is there already is no
error: put means "it is stored", not "you stored it". It reaches the disk when the file system is synced (see
`engine.storage.layers`), so after a crash of the machine `verify` tells whether it did.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.errors import Exhausted, InvalidArgument, NotFound
from engine.ids import Digest, new_id
from engine.locks import NamedLocks
from engine.refs import check_digest, digest_of
from engine.storage.paths import Paths

_CHUNK = 1 << 20


class Ingest:
    """A blob on its way in. `offset` is what is there already; write what follows, then `Content` verifies."""

    def __init__(self, path: Path, digest: Digest) -> None:
        self.digest = digest
        self._hash = hashlib.new(digest.partition(":")[0])
        self._file = path.open("ab", buffering=0)
        self.offset = self._rehash(path)

    def write(self, data: bytes) -> None:
        """Append bytes; Exhausted when the disk is full."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Exhausted(f"write {self._file.name}: no space left on device") from error
            raise
        self._hash.update(data)
        self.offset += len(data)

    def restart(self) -> None:
        """Throw away what is there: the sender begins anew."""
        self._file.truncate(0)
        self._hash = hashlib.new(self.digest.partition(":")[0])
        self.offset = 0

    @property
    def actual(self) -> str:
        """The digest of what is there."""
        return f"{self.digest.partition(':')[0]}:{self._hash.hexdigest()}"

    def close(self) -> None:
        """Close the file; what is there stays for the next try."""
        self._file.close()

    def _rehash(self, path: Path) -> int:
        with path.open("rb") as file:
            while data := file.read(_CHUNK):
                self._hash.update(data)
            return file.tell()


class Content:
    """The store of blobs; every method from any thread."""

    def __init__(self, paths: Paths) -> None:
        self._blobs = paths.blobs
        self._ingest = paths.ingest
        self._locks = NamedLocks()

    def has(self, digest: str) -> bool:
        """Say whether the blob is there."""
        return self._path(digest).exists()

    def size(self, digest: str) -> int:
        """Return the blob's size in bytes, or raise NotFound."""
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            raise NotFound(f"content {digest} not found") from None

    def open(self, digest: str) -> BinaryIO:
        """Open the blob for reading, or raise NotFound."""
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"content {digest} not found") from None

    def read(self, digest: str) -> bytes:
        """Return a small blob whole: a manifest, a config."""
        with self.open(digest) as file:
            return file.read()

    def put(self, data: bytes) -> Digest:
        """Store a small blob and return its digest."""
        digest = digest_of(data)
        with self.ingest(digest) as blob:
            if blob:
                blob.restart()
                blob.write(data)
        return digest

    @contextmanager
    def ingest(self, digest: str, size: int | None = None) -> Iterator[Ingest | None]:
        """Take a blob in: yields None when it is there already, else an `Ingest` to write the rest to.

        When the block ends well the bytes are verified: a wrong digest or size throws them away and raises
        InvalidArgument. When it ends by an error what came so far stays, to be resumed. One at a time for a digest.
        """
        digest = check_digest(digest)
        with self._locks.hold(digest):
            if self.has(digest):
                yield None
                return
            partial = self._ingest / digest.replace(":", "-")
            blob = Ingest(partial, digest)
            try:
                if size is not None and blob.offset > size:
                    blob.restart()
                yield blob
                self._verify(blob, partial, size)
            finally:
                blob.close()
            target = self._path(digest)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            partial.rename(target)

    def verify(self, digest: str) -> bool:
        """Say whether a blob is there with the bytes of its digest; delete it where it has others."""
        try:
            with self.open(digest) as file:
                actual = hashlib.new(digest.partition(":")[0])
                while data := file.read(_CHUNK):
                    actual.update(data)
        except NotFound:
            return False
        if actual.hexdigest() != digest.partition(":")[2]:
            self.remove(digest)
            return False
        return True

    def remove(self, digest: str) -> None:
        """Delete a blob that nothing refers to; unknown ones are ignored."""
        self._path(digest).unlink(missing_ok=True)

    def digests(self) -> list[Digest]:
        """Return the digests of all blobs."""
        return [Digest(f"{p.parent.name}:{p.name}") for p in self._blobs.glob("*/*")]

    def partials(self) -> list[Digest]:
        """Return the digests of which a part is there."""
        return [Digest(p.name.replace("-", ":", 1)) for p in self._ingest.iterdir() if not p.name.startswith(".")]

    def drop_partial(self, digest: str) -> None:
        """Throw away the part of a blob that is there; the caller knows that nobody is fetching the rest."""
        (self._ingest / digest.replace(":", "-")).unlink(missing_ok=True)

    def scratch(self) -> Path:
        """Return a new private folder for a job; `recover` deletes those of dead jobs."""
        folder = self._ingest / f".job-{new_id()[:16]}"
        folder.mkdir(mode=0o700)
        return folder

    def recover(self) -> None:
        """Delete what jobs of a dead engine left, partial downloads too."""
        for entry in self._ingest.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _path(self, digest: str) -> Path:
        algorithm, _, digits = digest.partition(":")
        return self._blobs / algorithm / digits

    @staticmethod
    def _verify(blob: Ingest, partial: Path, size: int | None) -> None:
        if size is not None and blob.offset != size:
            if blob.offset > size:
                partial.unlink()
            raise InvalidArgument(f"unexpected size of {blob.digest}: {blob.offset} bytes instead of {size}")
        if blob.actual != blob.digest:
            partial.unlink()
            raise InvalidArgument(f"digest mismatch: expected {blob.digest}, got {blob.actual}")
