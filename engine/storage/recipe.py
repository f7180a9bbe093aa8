"""How an unpacked layer was packed: enough to make its tar again, bit by bit, from the unpacked files.

A recipe is a gzip file of records: `R` and bytes that stand in the tar as they are (headers, padding), `P` and the
name and size of a file whose content stands there. It costs about 1 % of the layer, where a copy of the tar would
cost all of it. (The idea is that of `tar-split`, the format our own.)
"""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from engine.errors import Internal
from engine.kernel import syscalls

_RAW = struct.Struct(">cI")
_PAYLOAD = struct.Struct(">cHQ")
_FLUSH = 64 * 1024


class RecipeWriter:
    """A `tarstream.Tap` that writes the recipe to `path`."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path, "wb", compresslevel=1)  # noqa: SIM115  closed by __exit__
        self._raw = bytearray()

    def raw(self, data: bytes) -> None:
        """See `tarstream.Tap.raw`."""
        self._raw += data
        if len(self._raw) > _FLUSH:
            self._flush()

    def payload(self, name: str, size: int) -> None:
        """See `tarstream.Tap.payload`."""
        self._flush()
        encoded = os.fsencode(name)
        self._file.write(_PAYLOAD.pack(b"P", len(encoded), size) + encoded)

    def __enter__(self) -> RecipeWriter:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Write what is left and close the file."""
        try:
            self._flush()
        finally:
            self._file.close()

    def _flush(self) -> None:
        if self._raw:
            self._file.write(_RAW.pack(b"R", len(self._raw)) + self._raw)
            self._raw.clear()


def replay(recipe: Path, root: Path, chunk: int = 256 * 1024) -> Iterator[bytes]:
    """Yield the tar that `recipe` describes, with payloads from the files under `root`.

    Internal where a file is not what it was; the reader still has to compare the digest.
    """
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with gzip.open(recipe, "rb") as file:
            while kind := file.read(1):
                if kind == b"R":
                    (length,) = struct.unpack(">I", file.read(4))
                    yield file.read(length)
                else:
                    length, size = struct.unpack(">HQ", file.read(10))
                    yield from _file_content(root_fd, os.fsdecode(file.read(length)), size, chunk)
    finally:
        os.close(root_fd)


def _file_content(root_fd: int, name: str, size: int, chunk: int) -> Iterator[bytes]:
    flags = os.O_RDONLY | os.O_NOFOLLOW
    resolve = syscalls.Resolve.BENEATH | syscalls.Resolve.NO_SYMLINKS
    try:
        fd = syscalls.openat2(root_fd, name, flags, resolve=resolve)
    except OSError as error:
        raise Internal(f"layer is damaged: {name}: {error.strerror}") from error
    with os.fdopen(fd, "rb", buffering=0) as file:
        left = size
        while left:
            data = file.read(min(left, chunk))
            if not data:
                raise Internal(f"layer is damaged: {name} is too short")
            left -= len(data)
            yield data
