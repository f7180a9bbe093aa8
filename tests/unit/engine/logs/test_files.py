"""The files of a log: positions hold for good, what was dropped is known, no line without its head is shown."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.logs.drivers import k8s_file
from engine.logs.files import LogFiles
from engine.logs.model import LogQuery, LogRecord
from engine.logs.reader import LogReader
from tests.fakes.conmon_log import BASE_NS, Write, physical_lines

_TEXT = st.sampled_from((b"a\n", b"b", b"c\nd", b"e\nf\n", b"\n", b" stderr P ", b" stdout P x\n", b"x" * 9000 + b"\n"))


@st.composite
def _writes(draw: st.DrawFn) -> list[Write]:
    parts = draw(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), _TEXT), min_size=1, max_size=25))
    return [Write(stream, data, BASE_NS + n) for n, (stream, data) in enumerate(parts)]


def whole_lines(physical: Sequence[bytes]) -> list[tuple[int, LogRecord]]:
    """Return each whole line with its position, by the plainest means."""
    held: dict[bytes, tuple[int, bytes]] = {}
    found, position = [], 0
    for line in physical:
        position += len(line)
        stream, text = line[k8s_file.STREAM], line[k8s_file.HEAD : -1]
        begun, before = held.pop(stream, (k8s_file.parse_time(line), b""))
        if k8s_file.is_piece(line):
            held[stream] = (begun, before + text)
        else:
            found.append((position, LogRecord(begun, stream.decode(), before + text)))
    return found


def rotated(folder: Path, physical: Sequence[bytes], borders: Sequence[int], keep: int) -> LogFiles:
    """Write lines as conmon does, with a rotation at each border."""
    files = LogFiles(folder / "log", threading.Lock())
    files.path.touch()
    for begin, end in zip([0, *borders], [*borders, len(physical)], strict=True):
        with files.path.open("ab") as out:
            out.writelines(physical[begin:end])
        if end < len(physical) or end in borders:
            files.rotate(keep, files.path.touch)
    return files


def places(files: LogFiles) -> list[tuple[int, int]]:
    """Return position and size of each file."""
    opened = files.open()
    found = [(segment.base, segment.size) for segment in opened]
    for segment in opened:
        segment.close()
    return found


def read(files: LogFiles, query: LogQuery) -> list[LogRecord]:
    reader = LogReader(files, query, growing=False)
    found = []
    while (block := reader.read()) is not None:
        found += [k8s_file.parse_record(line) for line in block.lines]
    reader.close()
    return found


@settings(deadline=None, max_examples=100)
@given(writes=_writes(), cuts=st.lists(st.integers(0, 40), max_size=4), keep=st.integers(1, 3), data=st.data())
def test_after_a_position_come_the_lines_that_end_later(
    writes: list[Write], cuts: list[int], keep: int, data: st.DataObject
) -> None:
    """Whatever was rotated meanwhile; a line whose head was dropped is never shown, one in the making is whole."""
    physical = physical_lines(writes)
    borders = sorted(min(cut, len(physical)) for cut in cuts)
    with TemporaryDirectory() as folder:
        files = rotated(Path(folder), physical, borders, keep)
        assert sum(places(files)[-1]) == sum(map(len, physical))
        kept_from = places(files)[0][0]
        after = data.draw(st.sampled_from([0, *[position for position, _ in whole_lines(physical)]]))
        first_kept = sum(1 for line in physical if _end(physical, line) <= kept_from)
        heads = _begins_before(physical, first_kept)
        expected = [r for p, r in whole_lines(physical) if p > max(after, kept_from) and (p not in heads)]
        assert read(files, LogQuery(after=after)) == expected
        earlier = [r for p, r in whole_lines(physical) if kept_from < p <= after and p not in heads]
        assert read(files, LogQuery(before=after)) == earlier
        tail = read(files, LogQuery(before=after, tail=2))
        assert tail == earlier[-2:] or (heads and tail == earlier[-1:])  # a line without its head counts as one
        if after == 0:
            assert read(files, LogQuery()) == expected


def _end(physical: Sequence[bytes], line: bytes) -> int:
    index = next(i for i, other in enumerate(physical) if other is line)
    return sum(map(len, physical[: index + 1]))


def _begins_before(physical: Sequence[bytes], first: int) -> set[int]:
    """Return the positions of lines that begin before the physical line `first` and end later."""
    in_line: dict[bytes, bool] = {}
    for line in physical[:first]:
        in_line[line[k8s_file.STREAM]] = k8s_file.is_piece(line)
    found, position = set(), sum(map(len, physical[:first]))
    for line in physical[first:]:
        position += len(line)
        if in_line.get(line[k8s_file.STREAM]) and not k8s_file.is_piece(line):
            found.add(position)
            in_line[line[k8s_file.STREAM]] = False
    return found


def test_a_reader_that_fell_behind_counts_what_it_lost(tmp_path: Path) -> None:
    """Files dropped before a follower came to them are told as lines, and it goes on with what is there."""
    files = LogFiles(tmp_path / "log", threading.Lock())
    files.path.write_bytes(b"".join(physical_lines([Write("stdout", b"0\n1\n", BASE_NS)])))
    reader = LogReader(files, LogQuery(), growing=True)
    block = reader.read()
    assert block is not None
    found = [line[45:] for line in block.lines]
    for number in range(1, 5):
        files.rotate(2, files.path.touch)
        text = b"".join(b"%d\n" % (10 * number + n) for n in range(3))
        files.path.write_bytes(b"".join(physical_lines([Write("stdout", text, BASE_NS + number)])))
    while (block := reader.read()) is not None:
        found += [line[45:] for line in block.lines]
    assert found == [b"0", b"1", b"30", b"31", b"32", b"40", b"41", b"42"]
    assert reader.take_skipped() == 6
    assert reader.position == sum(places(files)[-1])
    late = LogReader(files, LogQuery(after=0), growing=False)
    assert late.take_skipped() == 8
    reader.close()
    late.close()


@pytest.mark.parametrize("cut", ["noted", "gone"])
def test_a_crash_while_a_file_is_dropped_leaves_positions_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """The note is written before the file goes; whichever of the two is found, positions are right."""
    files = LogFiles(tmp_path / "log", threading.Lock())
    files.path.write_bytes(b"x" * 100)
    files.rotate(1, lambda: files.path.write_bytes(b"y" * 7) and None)  # type: ignore[func-returns-value]
    if cut == "noted":
        monkeypatch.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(OSError("killed")))
    files.path.with_name("log").write_bytes(b"y" * 7)
    try:
        files.rotate(1, lambda: files.path.write_bytes(b"z") and None)  # type: ignore[func-returns-value]
    except OSError:
        pass
    assert places(files) == ([(100, 7), (107, 1)] if cut == "noted" else [(107, 1)])
