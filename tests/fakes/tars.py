"""Builds tar streams for tests, good and bad ones."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping


def member(name: str, content: bytes | None = None, **attributes: object) -> tuple[tarfile.TarInfo, bytes | None]:
    """Return a tar member; without content a folder unless `type` says otherwise."""
    info = tarfile.TarInfo(name)
    info.mtime = 1_700_000_000
    info.mode = 0o644 if content is not None else 0o755
    info.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
    info.size = len(content or b"")
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def link(name: str, target: str, *, hard: bool = False) -> tuple[tarfile.TarInfo, bytes | None]:
    """Return a symbolic or hard link."""
    return member(name, type=tarfile.LNKTYPE if hard else tarfile.SYMTYPE, linkname=target)


def tar(*members: tuple[tarfile.TarInfo, bytes | None], format_: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an uncompressed tar of `members`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if content is not None else None)
    return out.getvalue()


def tree(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of plain files."""
    return tar(*(member(name, content) for name, content in files.items()))


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    """Yield `data` in small chunks, as a socket would."""
    for at in range(0, len(data), size):
        yield data[at : at + size]
