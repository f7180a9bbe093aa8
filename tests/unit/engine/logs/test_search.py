"""Searching gives what looking at each line gives: living and archived, in any order, in any pages, for any pattern."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.logs import archive_file, frames, levels
from engine.logs.archive_file import ArchiveFile
from engine.logs.drivers import k8s_file
from engine.logs.files import LogFiles
from engine.logs.frames import OpenLog
from engine.logs.matching import Case, Filter, Matcher
from engine.logs.model import LogRecord
from engine.logs.search import Batch, Cursor, End, Found, Order, parse_cursor, search
from tests.fakes.conmon_log import BASE_NS, Write, physical_lines, write_files
from tests.unit.engine.logs.test_files import whole_lines

_A, _B = "a" * 64, "b" * 64
_TEXT = st.sampled_from(
    (
        b"alpha\n",
        b"Alpha beta\n",
        b"al",
        b"pha\nbeta\n",
        b"\n",
        b"ERROR gamma\n",
        b"stdout F\n",
        b"x" * 9000 + b"beta\n",
    )
)
_PARTS = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), _TEXT, st.integers(0, 2)), max_size=20)
_FILTERS = st.builds(
    Filter,
    text=st.sampled_from(["", "alpha", "Alpha", "beta", "stdout", "a.*b", "^al", "a$", r"\Aal", "a|b", r"\s", "zzz"]),
    regex=st.booleans(),
    invert=st.booleans(),
    levels=st.sampled_from([None, frozenset({5}), frozenset({0})]),
    stream=st.sampled_from(["", "stderr"]),
    since_ns=st.sampled_from([0, BASE_NS + 5]),
    until_ns=st.sampled_from([0, BASE_NS + 20]),
)


def _writes(parts: Sequence[tuple[str, bytes, int]]) -> list[Write]:
    at, found = BASE_NS, []
    for stream, data, step in parts:
        at += step
        found.append(Write(stream, data, at))
    return found


@contextmanager
def opened(folder: Path, physical: list[bytes], *, archived: bool, cut: int) -> Iterator[OpenLog]:
    """Open a log of two files, living or archived."""
    folder.mkdir()
    write_files(folder / "log", [physical[:cut], physical[cut:]])
    with ExitStack() as undo:
        segments = LogFiles(folder / "log", threading.Lock()).open()
        for segment in segments:
            undo.callback(segment.close)
        if not archived:
            yield OpenLog(frames.living_frames(segments), ExitStack())
            return
        *_, _summary = archive_file.build(segments, {}, folder / "log.zst")
        yield OpenLog(frames.archived_frames(undo.enter_context(closing(ArchiveFile(folder / "log.zst")))), ExitStack())


def _wanted(record: LogRecord, wanted: Filter) -> bool:
    pattern = wanted.text if wanted.regex else re.escape(wanted.text)
    ignore = not any(c.isupper() for c in wanted.text.replace(r"\A", ""))
    found = re.search(pattern.encode(), record.text, re.IGNORECASE if ignore else 0) is not None
    return (
        (not wanted.text or found != wanted.invert)
        and (wanted.levels is None or levels.detect(record.text) in wanted.levels)
        and wanted.stream in ("", record.stream)
        and record.time_ns >= wanted.since_ns
        and record.time_ns <= (wanted.until_ns or 1 << 62)
    )


def run(logs: dict[str, OpenLog], wanted: Filter, order: Order, pool: ThreadPoolExecutor) -> tuple[list[Found], End]:
    """Search to the end."""
    found: list[Found] = []
    for record in search(logs, Matcher(wanted), order, pool, lambda: False):
        if isinstance(record, Batch):
            found += record.found
        elif isinstance(record, End):
            return found, record
    raise AssertionError("no end")


@settings(deadline=None, max_examples=60)
@given(one=_PARTS, two=_PARTS, cut=st.integers(0, 20), wanted=_FILTERS, newest=st.booleans(), limit=st.integers(1, 5))
def test_pages_of_a_search_are_what_each_line_says(
    one: list[tuple[str, bytes, int]],
    two: list[tuple[str, bytes, int]],
    cut: int,
    wanted: Filter,
    newest: bool,
    limit: int,
) -> None:
    """A living source and an archived one, merged by time; each page goes on after the last."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(archive_file, "FRAME_BYTES", 20)
        patch.setattr(frames, "_FRAME", 1 << 14)
        logs, expected = {}, []
        with ExitStack() as undo:
            for source, parts, archived in ((_A, one, True), (_B, two, False)):
                physical = physical_lines(_writes(parts))
                at = min(cut, len(physical))
                logs[source] = undo.enter_context(opened(Path(folder) / source, physical, archived=archived, cut=at))
                lines = whole_lines(physical) + _unfinished(physical)
                expected += [Cursor(r.time_ns, source[:12], p) for p, r in lines if _wanted(r, wanted)]
            order = Order(newest=newest, limit=limit)
            found: list[Cursor] = []
            while True:
                page, end_record = run(logs, wanted, order, pool)
                found += [one.cursor for one in page]
                if end_record.complete:
                    break
                assert len(page) == limit
                order = replace(order, cursor=parse_cursor(end_record.cursor))
    assert found == sorted(expected, reverse=newest)


def _unfinished(physical: Sequence[bytes]) -> list[tuple[int, LogRecord]]:
    held: dict[bytes, tuple[int, int, bytes]] = {}
    position = 0
    for line in physical:
        position += len(line)
        stream, text = line[k8s_file.STREAM], line[k8s_file.HEAD : -1]
        _, begun, before = held.pop(stream, (0, k8s_file.parse_time(line), b""))
        if k8s_file.is_piece(line):
            held[stream] = (position, begun, before + text)
    return [(end, LogRecord(begun, stream.decode(), text)) for stream, (end, begun, text) in held.items()]


@pytest.mark.parametrize(
    ("text", "case", "line", "found"),
    [
        ("error", Case.SMART, b"An ERROR", True),
        ("Error", Case.SMART, b"an error", False),
        ("error", Case.MATCH, b"An ERROR", False),
        ("ERROR", Case.IGNORE, b"an error", True),
        ("a.b", Case.SMART, b"axb", False),
        ("ünï", Case.SMART, "ÜNÏcode".encode(), True),
    ],
)
def test_case_and_plain_text(tmp_path: Path, text: str, case: Case, line: bytes, found: bool) -> None:
    physical = physical_lines([Write("stdout", line + b"\nother\n", BASE_NS)])
    with ThreadPoolExecutor(1) as pool, opened(tmp_path / "log", physical, archived=True, cut=0) as log:
        hits, _ = run({_A: log}, Filter(text=text, case=case), Order(), pool)
    assert [hit.hit.text for hit in hits] == ([line] if found else [])


def test_fields_of_json_lines(tmp_path: Path) -> None:
    """By path, numbers and truth values too; what is no JSON object has none."""
    lines = [
        b'{"a":{"b":"x"},"n":5,"ok":true}',
        b'{"a.b":"x","n":"5","ok":true}',
        b'{"a":{"b":"y"}}',
        b"a.b=x",
        b"{broken",
        b'{"n":NaN,"a":{"b":"x"}}',
    ]
    physical = physical_lines([Write("stdout", b"\n".join(lines) + b"\n", BASE_NS)])
    with ThreadPoolExecutor(1) as pool, opened(tmp_path / "log", physical, archived=False, cut=0) as log:
        for fields, expected in (
            ((("a.b", "x"),), [0, 1]),
            ((("n", "5"), ("ok", "true")), [0, 1]),
            ((("a.b", "y"),), [2]),
        ):
            hits, _ = run({_A: log}, Filter(fields=fields), Order(newest=False), pool)
            assert [lines.index(hit.hit.text) for hit in hits] == expected


@pytest.mark.parametrize("pattern", ["(a", "[", "(?=x)", r"(\w)\1", "x" * 2001])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    """What RE2 can't do in linear time among them."""
    with pytest.raises(InvalidArgument, match="q: "):
        Matcher(Filter(text=pattern, regex=True))


@pytest.mark.parametrize("text", ["x", "1.2", "1.2.zzzzzzzzzzzz", f"1.2.{'a' * 13}", "-1.2.aaaaaaaaaaaa"])
def test_a_cursor_that_nobody_gave_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="cursor"):
        parse_cursor(text)


def test_spans_are_where_the_pattern_is() -> None:
    matcher = Matcher(Filter(text="ab|c", regex=True))
    assert matcher.spans(b"abxc") == [(0, 2), (3, 4)]
    assert Matcher(Filter(text="x", invert=True)).spans(b"abc") == []
