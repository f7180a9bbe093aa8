"""The lean tar reader says what `tarfile` says, and refuses what it must."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.storage.tarstream import Entry, TarReader, clean_name
from tests.fakes import tars


def read(data: bytes, chunk: int = 1000) -> list[tuple[Entry, bytes]]:
    """Return entries with their content."""
    reader = TarReader(tars.pieces(data, chunk))
    return [(entry, b"".join(reader.content())) for entry in reader]


parts = st.text("abcäß. -_", min_size=1, max_size=60).filter(lambda t: t not in (".", ".."))
names = st.lists(parts, min_size=1, max_size=4)


@given(
    st.lists(st.tuples(names, st.binary(max_size=1500), st.integers(0, 2**40), st.integers(0, 0o7777)), max_size=6),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    st.integers(1, 3000),
)
def test_reads_what_tarfile_writes(files: list[tuple[list[str], bytes, int, int]], format_: int, chunk: int) -> None:
    members = [tars.member("/".join(parts), data, uid=uid, mode=mode, mtime=12345) for parts, data, uid, mode in files]
    found = read(tars.tar(*members, format_=format_), chunk)
    assert [(e.name, data, e.uid, e.mode, e.mtime_ns) for e, data in found] == [
        ("/".join(parts), data, uid, mode, 12345 * 10**9) for parts, data, uid, mode in files
    ]


def test_all_kinds_and_attributes_come_through() -> None:
    data = tars.tar(
        tars.member("./"),
        tars.member("./d/", mode=0o1777, mtime=1.5),
        tars.link("d/soft", "../../anywhere"),
        tars.link("d/hard", "./d/file", hard=True),
        tars.member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        tars.member("pipe", type=tarfile.FIFOTYPE),
        tars.member("x", b"", pax_headers={"SCHILY.xattr.user.k": "v"}),
    )
    found = [entry for entry, _ in read(data)]
    assert [(e.name, e.kind) for e in found] == [
        ("", "5"), ("d", "5"), ("d/soft", "2"), ("d/hard", "1"), ("null", "3"), ("pipe", "6"), ("x", "0"),
    ]  # fmt: skip
    assert found[1].mtime_ns == 1_500_000_000
    assert found[2].link == "../../anywhere"
    assert found[3].link == "d/file"
    assert found[4].device == (1, 3)
    assert found[6].xattrs == {"user.k": b"v"}


def test_content_not_read_is_passed_over() -> None:
    reader = TarReader(tars.pieces(tars.tree({"a": b"x" * 5000, "b": b"y"})))
    assert [entry.name for entry in reader] == ["a", "b"]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/..", "..", "/../x", "a\0b"])
def test_names_that_leave_the_root_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        clean_name(name)


def test_absolute_names_are_relative_to_the_root() -> None:
    assert clean_name("/etc//./passwd") == "etc/passwd"


def test_hard_links_that_leave_the_root_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="outside"):
        read(tars.tar(tars.link("a", "../../etc/shadow", hard=True)))


@pytest.mark.parametrize("cut", [100, 512, 700, 1024 + 300])
def test_a_stream_that_ends_too_early_is_refused(cut: int) -> None:
    data = tars.tree({"a": b"x" * 600, "b": b"y"})
    if cut == 512:
        cut = 512 + 10
    with pytest.raises(InvalidArgument, match="unexpected end"):
        read(data[:cut])


def test_a_wrong_checksum_is_refused() -> None:
    data = bytearray(tars.tree({"a": b"x"}))
    data[0] = ord("b")
    with pytest.raises(InvalidArgument, match="checksum"):
        read(bytes(data))


@given(st.binary(max_size=2000))
def test_garbage_is_an_invalid_argument_or_an_empty_archive(data: bytes) -> None:
    try:
        read(data)
    except InvalidArgument:
        pass


@given(st.binary(min_size=1, max_size=200))
def test_garbage_in_a_pax_header_is_an_invalid_argument_or_ignored(data: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    info.size = len(data)
    padded = data + b"\0" * (-len(data) % 512)
    try:
        read(info.tobuf(tarfile.USTAR_FORMAT) + padded + tars.tree({"a": b"x"}))
    except InvalidArgument:
        pass


def test_sparse_files_are_refused_by_name() -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(InvalidArgument, match="sparse"):
        read(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)


def test_the_tap_hears_every_byte() -> None:
    data = tars.tar(tars.member("d"), tars.member("d/f", b"x" * 700), tars.member("n" * 200, b"yy"))
    contents = {"d/f": b"x" * 700, "n" * 200: b"yy"}
    out = io.BytesIO()

    class Tap:
        def raw(self, piece: bytes) -> None:
            out.write(piece)

        def payload(self, name: str, size: int) -> None:
            out.write(contents[name])
            assert len(contents[name]) == size

    reader = TarReader(tars.pieces(data), Tap())
    for _ in reader:
        for _ in reader.content():
            pass
    assert out.getvalue() == data
