"""A lean reader of tar streams: ustar, pax and GNU long names, forward only.

`tarfile` costs 60 µs an entry, this 10: a layer of 20,000 files must not crawl. Names come out as clean relative
paths; `..` is refused here, once, for every user. The reader tells a `Tap` which bytes were structure and which were
payload, so that a tar can be put together again bit by bit (`engine.storage.recipe`).

Formats: POSIX.1-2001 pax interchange format; GNU tar manual, "Basic Tar Format". Sparse files are refused by name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from engine.errors import InvalidArgument

BLOCK = 512
_HEADER_LIMIT = 1 << 20
_NAME_LIMIT = 4096
_XATTR = "SCHILY.xattr."
_PAYLOAD_TYPES = b"0\x007"
_KNOWN_TYPES = b"0\x0071234567"


class Tap(Protocol):
    """Hears how the stream is made up, in its order."""

    def raw(self, data: bytes) -> None:
        """Take bytes that are structure: headers, padding, the end."""

    def payload(self, name: str, size: int) -> None:
        """Take note that the content of file `name` stands here."""


@dataclass(slots=True)
class Entry:
    """One member. `kind` is the type flag: 0 file, 1 hard link, 2 symlink, 3/4 device, 5 folder, 6 fifo."""

    name: str
    """Clean and relative; "" is the root itself."""
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    link: str
    """As it stands for a symlink; for a hard link clean and relative like a name."""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = field(default_factory=dict)


class TarReader:
    """Iterate it for entries; `content` between two of them reads the current one's payload."""

    def __init__(self, chunks: Iterable[bytes], tap: Tap | None = None) -> None:
        self._chunks = iter(chunks)
        self._buffer = b""
        self._at = 0
        self._tap = tap
        self._left = 0
        self._padding = 0
        self._name = ""

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries; InvalidArgument where the stream is no tar or ends too early."""
        extended: dict[str, str] = {}
        xattrs: dict[str, bytes] = {}
        while True:
            self.skip()
            block = self._header_block()
            if block is None:
                return
            kind = block[156:157]
            size = _number(block[124:136])
            if kind in (b"x", b"L", b"K", b"g", b"V", b"X"):
                data = self._extension(size)
                if kind == b"x":
                    _parse_pax(data, extended, xattrs)
                elif kind in (b"L", b"K"):
                    extended["path" if kind == b"L" else "linkpath"] = os.fsdecode(data.partition(b"\0")[0])
                continue
            entry = _entry(block, kind, size, extended, xattrs)
            self._begin(entry)
            extended, xattrs = {}, {}
            yield entry

    def content(self) -> Iterator[bytes]:
        """Yield what is left of the current entry's payload."""
        if self._left and self._tap:
            self._tap.payload(self._name, self._left)
        while self._left:
            piece = self._some(self._left)
            self._left -= len(piece)
            yield piece
        self._pad()

    def skip(self) -> None:
        """Pass over what is left of the current entry; its payload counts as structure then."""
        while self._left:
            piece = self._some(self._left)
            self._left -= len(piece)
            if self._tap:
                self._tap.raw(piece)
        self._pad()

    def _begin(self, entry: Entry) -> None:
        self._name = entry.name
        self._left = entry.size
        self._padding = -entry.size % BLOCK

    def _pad(self) -> None:
        if self._padding:
            size, self._padding = self._padding, 0
            self._raw(size)

    def _header_block(self) -> bytes | None:
        block = self._raw(BLOCK, or_end=True)
        if not block:
            return None
        if block.count(0) == BLOCK:
            self._drain()
            return None
        _check_sum(block)
        return block

    def _drain(self) -> None:
        # The digest of a layer covers its padding after the end mark, too.
        while piece := self._some(1 << 30, or_end=True):
            if self._tap:
                self._tap.raw(piece)

    def _extension(self, size: int) -> bytes:
        if size > _HEADER_LIMIT:
            raise InvalidArgument(f"invalid tar header: extended header of {size} bytes")
        data = self._raw(size)
        self._padding = -size % BLOCK
        self._pad()
        return data

    def _raw(self, size: int, *, or_end: bool = False) -> bytes:
        data = self._exactly(size, or_end=or_end)
        if self._tap and data:
            self._tap.raw(data)
        return data

    def _exactly(self, size: int, *, or_end: bool) -> bytes:
        end = self._at + size
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        pieces: list[bytes] = []
        missing = size
        while missing:
            piece = self._some(missing, or_end=True)
            if not piece:
                if or_end and not pieces:
                    return b""
                raise InvalidArgument("unexpected end of the tar stream")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _some(self, limit: int, *, or_end: bool = False) -> bytes:
        while self._at >= len(self._buffer):
            chunk = next(self._chunks, None)
            if chunk is None:
                if or_end:
                    return b""
                raise InvalidArgument("unexpected end of the tar stream")
            self._buffer, self._at = chunk, 0
        if self._at == 0 and limit >= len(self._buffer):
            self._at = len(self._buffer)
            return self._buffer
        piece = self._buffer[self._at : self._at + limit]
        self._at += len(piece)
        return piece


def is_tar(head: bytes) -> bool:
    """Say whether a stream that begins with these 512 bytes is a tar; zeros are an empty one."""
    if len(head) < BLOCK:
        return False
    if head.count(0) == BLOCK:
        return True
    try:
        _check_sum(head[:BLOCK])
    except InvalidArgument:
        return False
    return True


def clean_name(name: str) -> str:
    """Return `name` relative to the root, without empty and `.` parts; InvalidArgument for `..` and NUL."""
    if "\0" in name or len(name) > _NAME_LIMIT:
        raise InvalidArgument(f"invalid name in archive: {name[:80]!r}")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidArgument(f'"{name}" is outside of the archive\'s root: ".." is not allowed')
    return "/".join(parts)


def _entry(block: bytes, kind: bytes, size: int, extended: dict[str, str], xattrs: dict[str, bytes]) -> Entry:
    if kind == b"S" or any(key.startswith("GNU.sparse.") for key in extended):
        raise InvalidArgument("sparse files in archives are not supported")
    if kind not in _KNOWN_TYPES or kind == b"":
        raise InvalidArgument(f"invalid tar header: unknown type {kind!r}")
    name = extended.get("path") or _header_name(block)
    if kind in (b"\0", b"7"):
        kind = b"5" if kind == b"\0" and name.endswith("/") else b"0"
    link = extended.get("linkpath") or os.fsdecode(block[157:257].partition(b"\0")[0])
    entry = Entry(
        name=clean_name(name),
        kind=kind.decode(),
        mode=_number(block[100:108]) & 0o7777,
        uid=int(extended["uid"]) if "uid" in extended else _number(block[108:116]),
        gid=int(extended["gid"]) if "gid" in extended else _number(block[116:124]),
        size=int(extended["size"]) if "size" in extended else size,
        mtime_ns=_nanoseconds(extended["mtime"]) if "mtime" in extended else _number(block[136:148]) * 1_000_000_000,
        link=clean_name(link) if kind == b"1" else link,
        xattrs=xattrs,
    )
    if kind in (b"3", b"4"):
        entry.device = (_number(block[329:337]), _number(block[337:345]))
    if kind not in _PAYLOAD_TYPES:
        entry.size = 0
    if entry.size < 0 or entry.uid < 0 or entry.gid < 0:
        raise InvalidArgument(f"invalid tar header: negative number in {entry.name!r}")
    return entry


def _header_name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    return os.fsdecode(name)


def _number(digits: bytes) -> int:
    if digits[:1] in (b"\x80", b"\xff"):  # GNU: big numbers in base 256
        return int.from_bytes(digits, "big", signed=True) if digits[0] == 0xFF else int.from_bytes(digits[1:], "big")
    text = digits.replace(b"\0", b" ").strip()
    try:
        return int(text.split()[0], 8) if text else 0
    except ValueError:
        raise InvalidArgument(f"invalid tar header: {digits!r} is no number") from None


def _nanoseconds(text: str) -> int:
    whole, _, part = text.partition(".")
    nanos = int((part + "000000000")[:9])
    seconds = int(whole or "0")
    return seconds * 1_000_000_000 + (-nanos if whole.startswith("-") else nanos)


def _check_sum(block: bytes) -> None:
    stated = _number(block[148:156])
    total = sum(block) - sum(block[148:156]) + 256
    if stated != total:
        signed = total - 256 * sum(1 for b in block[:148] + block[156:] if b > 127)
        if stated != signed:
            raise InvalidArgument("invalid tar header: wrong checksum")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _parse_pax(data: bytes, extended: dict[str, str], xattrs: dict[str, bytes]) -> None:
    at = 0
    try:
        while at < len(data) and data[at] != 0:
            space = data.index(b" ", at)
            end = at + int(data[at:space])
            key, _, value = data[space + 1 : end - 1].partition(b"=")
            _require(end > space and data[end - 1 : end] == b"\n", "record length")
            name = key.decode()
            if name.startswith(_XATTR):
                xattrs[name.removeprefix(_XATTR)] = value
            else:
                extended[name] = os.fsdecode(value)
            at = end
        for number in ("uid", "gid", "size"):
            _require(int(extended.get(number, "0")) >= 0, number)
        if "mtime" in extended:
            _nanoseconds(extended["mtime"])
    except (ValueError, IndexError) as error:
        raise InvalidArgument(f"invalid tar header: bad pax record ({error})") from error
