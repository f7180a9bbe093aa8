"""Reading a log: every query gives what the plain model says, wherever files and blocks are cut."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.logs import reader as reader_module
from engine.logs import seek
from engine.logs.drivers import k8s_file
from engine.logs.files import LogFiles
from engine.logs.model import LogQuery, LogRecord
from engine.logs.reader import LogReader
from tests.fakes.conmon_log import BASE_NS, Write, expected, physical_lines, write_files

_TEXTS = (b"a\n", b"b", b"c\nd", b"e\nf\n", b"\n", b"\r\n", b"\x00 stdout F \n", b" stderr P ", b"x" * 9000 + b"\n")
_TEXT = st.sampled_from(_TEXTS)


@st.composite
def _writes(draw: st.DrawFn) -> list[Write]:
    parts = draw(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), _TEXT, st.integers(0, 2)), max_size=30))
    time_ns = BASE_NS
    writes = []
    for stream, data, step in parts:
        time_ns += step
        writes.append(Write(stream, data, time_ns))
    return writes


_QUERIES = st.builds(
    LogQuery,
    stdout=st.booleans(),
    stderr=st.just(True),
    since_ns=st.one_of(st.just(0), st.integers(BASE_NS - 2, BASE_NS + 40)),
    until_ns=st.one_of(st.just(0), st.integers(BASE_NS - 2, BASE_NS + 40)),
    tail=st.one_of(st.none(), st.integers(0, 8)),
)


def _read(path: Path, query: LogQuery) -> list[LogRecord]:
    reader = LogReader(LogFiles(path, threading.Lock()), query, growing=False)
    try:
        lines = []
        while (block := reader.read()) is not None:
            lines += block.lines
        return [k8s_file.parse_record(line) for line in lines + reader.flush().lines]
    finally:
        reader.close()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few lines, so that small logs have many borders."""
    monkeypatch.setattr(reader_module, "_BLOCK", 1 << 14)
    monkeypatch.setattr(seek, "_FIRST_BLOCK", 64)
    monkeypatch.setattr(seek, "_BLOCK", 1 << 14)


@pytest.mark.usefixtures("small_blocks")
@settings(deadline=None, max_examples=200)
@given(writes=_writes(), query=_QUERIES, cuts=st.lists(st.integers(0, 60), max_size=3))
def test_every_query_gives_what_the_model_says(writes: list[Write], query: LogQuery, cuts: list[int]) -> None:
    """Tail, since, until and stream choice, over rotated files, with lines in pieces of both streams."""
    lines = physical_lines(writes)
    borders = sorted(min(cut, len(lines)) for cut in cuts)
    files = [lines[a:b] for a, b in zip([0, *borders], [*borders, len(lines)], strict=True)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        write_files(path, files)
        assert _read(path, query) == expected(writes, query)


def test_a_tail_takes_the_pieces_of_its_lines_from_further_back(tmp_path: Path) -> None:
    """A line begun long before the tail, and ended in it, is whole."""
    writes = [Write("stderr", b"begun ", BASE_NS)]
    writes += [Write("stdout", b"%d\n" % n, BASE_NS + n) for n in range(3000)]
    writes += [Write("stderr", b"ended\n", BASE_NS + 4000)]
    write_files(tmp_path / "log", [physical_lines(writes)])
    query = LogQuery(tail=2)
    assert [record.text for record in _read(tmp_path / "log", query)] == [b"2999", b"begun ended"]


@pytest.mark.parametrize("at", [0, 1, 777, 9_999, 10_000])
def test_binary_search_finds_the_time_in_a_large_file(tmp_path: Path, at: int) -> None:
    """Since and until are inclusive to the nanosecond, in any zone."""
    writes = [Write("stdout", b"%d\n" % n, BASE_NS + 2 * n) for n in range(10_000)]
    write_files(tmp_path / "log", [physical_lines(writes, "+08:00")])
    since = LogQuery(since_ns=BASE_NS + 2 * at)
    assert [int(r.text) for r in _read(tmp_path / "log", since)] == list(range(at, 10_000))
    until = LogQuery(until_ns=BASE_NS + 2 * at, tail=5)
    assert [int(r.text) for r in _read(tmp_path / "log", until)] == list(range(10_000))[: at + 1][-5:]


@pytest.mark.parametrize("rotate_at", [(), (3,), (3, 4), (1, 2, 3, 4, 5)], ids=str)
def test_a_follower_goes_through_rotations_without_loss_or_doubles(tmp_path: Path, rotate_at: tuple[int, ...]) -> None:
    """The writer goes on in the old file until it is told to reopen; several rotations may lie between two reads."""
    path = tmp_path / "log"
    files = LogFiles(path, threading.Lock())
    lines = physical_lines([Write("stdout", b"%d" % n + b"\n" * (n % 2), BASE_NS + n) for n in range(12)])
    out = path.open("wb", buffering=0)
    reader = LogReader(files, LogQuery(), growing=True)
    seen = []

    def reopen() -> None:
        nonlocal out
        out.write(lines[2 * number + 1])
        out.close()
        out = path.open("wb", buffering=0)

    for number in range(6):
        out.write(lines[2 * number])
        if number in rotate_at:
            files.rotate(10, reopen)
        else:
            out.write(lines[2 * number + 1])
        if number not in (3, 4):
            while (block := reader.read()) is not None:
                seen += block.lines
    assert reader.read() is None
    reader.close()
    out.close()
    assert [k8s_file.parse_record(line).text for line in seen] == [b"01", b"23", b"45", b"67", b"89", b"1011"]


def test_a_follower_holds_no_file_that_it_has_read(tmp_path: Path) -> None:
    """Else rotation would free no space while somebody follows."""
    files = LogFiles(tmp_path / "log", threading.Lock())
    line = physical_lines([Write("stdout", b"x\n", BASE_NS)])[0]
    (tmp_path / "log").write_bytes(line)
    before = len(os.listdir("/proc/self/fd"))
    reader = LogReader(files, LogQuery(), growing=True)
    for _ in range(5):
        assert reader.read() is not None
        files.rotate(2, lambda: (tmp_path / "log").write_bytes(line) and None)
    assert reader.read() is not None
    assert reader.read() is None
    assert len(os.listdir("/proc/self/fd")) == before + 1
    reader.close()


def test_torn_and_foreign_lines_are_left_out(tmp_path: Path) -> None:
    """A power cut may leave rubbish in a log: what is around it is read."""
    good = physical_lines([Write("stdout", b"one\n", BASE_NS), Write("stdout", b"two\n", BASE_NS + 1)])
    torn = physical_lines([Write("stdout", b"torn", BASE_NS)])[0][:20]
    (tmp_path / "log").write_bytes(good[0] + b"\0" * 300 + b"\n" + b"short\n" + good[1] + torn)
    assert [record.text for record in _read(tmp_path / "log", LogQuery())] == [b"one", b"two"]
    assert [record.text for record in _read(tmp_path / "log", LogQuery(tail=2))] == [b"one", b"two"]


def test_an_endless_line_is_passed_on_in_parts(tmp_path: Path) -> None:
    """Memory is bounded by the parts, and no byte is lost."""
    writes = [Write("stdout", b"y" * 8192, BASE_NS) for _ in range(400)] + [Write("stdout", b"\n", BASE_NS)]
    write_files(tmp_path / "log", [physical_lines(writes)])
    records = _read(tmp_path / "log", LogQuery())
    assert len(records) == 4
    assert [record.whole for record in records] == [False, False, False, True]
    assert sum(len(record.text) for record in records) == 400 * 8192


def test_no_log_is_an_empty_log(tmp_path: Path) -> None:
    """A container that never ran has none."""
    assert _read(tmp_path / "log", LogQuery(tail=5, since_ns=1, until_ns=BASE_NS)) == []
