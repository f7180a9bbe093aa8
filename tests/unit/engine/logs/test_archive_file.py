"""An archived log is the log: every line, byte, time and position, in any pieces; a damaged file says so."""

from __future__ import annotations

import itertools
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Internal
from engine.logs import archive_file, blocks, levels
from engine.logs.archive_file import ArchiveFile, Summary
from engine.logs.files import LogFiles
from engine.logs.model import LogRecord
from tests.fakes.conmon_log import BASE_NS, Write, physical_lines, write_files
from tests.unit.engine.logs.test_files import whole_lines

_TEXT = st.sampled_from((b"a\n", b"b", b"ERROR d\n", b"\n", b"\xff\x00 stderr P ", b"x" * 9000 + b"\n", b"x" * 70_000))


def archived(folder: Path, physical: list[bytes], borders: tuple[int, ...] = ()) -> Summary:
    """Archive a log into folder/log.zst."""
    edges = [0, *borders, len(physical)]
    write_files(folder / "log", [physical[a:b] for a, b in itertools.pairwise(edges)])
    segments = LogFiles(folder / "log", threading.Lock()).open()
    *_, found = archive_file.build(segments, {}, folder / "log.zst")
    for segment in segments:
        segment.close()
    assert found is not None
    return found


def read(path: Path) -> list[tuple[int, LogRecord]]:
    """Return all lines with their positions."""
    found = []
    with closing(ArchiveFile(path)) as archive:
        for info in archive.frames:
            block = archive.load(info)
            heads = block.heads
            rows = zip(heads.ends, heads.times, heads.flags, block.lines, strict=True)
            for end, time_ns, flags, text in rows:
                whole = not flags & blocks.IS_PART
                found.append((end, LogRecord(time_ns, blocks.stream_of(flags), text, whole)))
            assert heads.levels == levels.detect_all(block.lines)
            assert archive.heads(info) == (heads.times, heads.levels)
            assert (info.min_ns, info.max_ns) == (min(heads.times), max(heads.times))
    return found


@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), _TEXT), min_size=1, max_size=25),
    cut=st.integers(0, 30),
    frame=st.sampled_from([1, 100, 1 << 20]),
)
def test_what_was_written_is_read_back_exactly(parts: list[tuple[str, bytes]], cut: int, frame: int) -> None:
    """Both streams, pieces, binary, long lines; positions are those of conmon's files."""
    writes = [Write(stream, data, BASE_NS + n) for n, (stream, data) in enumerate(parts)]
    physical = physical_lines(writes)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_file, "FRAME_BYTES", frame)
        patch.setattr(archive_file, "_READ", 1 << 15)
        found = archived(Path(folder), physical, (min(cut, len(physical)),))
        lines = read(Path(folder) / "log.zst")
    expected = whole_lines(physical)
    assert lines[: len(expected)] == expected
    assert all(not record.whole for _, record in lines[len(expected) :])
    texts = {name: b"".join(w.data for w in writes if w.stream == name) for name in ("stdout", "stderr")}
    for name, text in texts.items():
        own = [record for _, record in lines if record.stream == name]
        assert b"".join(r.text + b"\n" * r.whole for r in own) == text
    assert (found.lines, sum(found.levels)) == (len(lines), len(lines))


def test_a_line_over_a_megabyte_is_kept_in_parts(tmp_path: Path) -> None:
    """Memory is bounded whatever a container writes; nothing is lost."""
    data = b"z" * (3 << 20) + b"\nshort\n"
    archived(tmp_path, physical_lines([Write("stdout", data, BASE_NS)]))
    lines = [record for _, record in read(tmp_path / "log.zst")]
    assert len(lines) > 3
    assert b"".join(r.text + b"\n" * r.whole for r in lines) == data


def test_an_empty_log_is_a_file_without_lines(tmp_path: Path) -> None:
    assert archived(tmp_path, []).lines == 0
    assert read(tmp_path / "log.zst") == []


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_damaged_file_is_an_error_with_its_name(tmp_path: Path, damage: str) -> None:
    archived(tmp_path, physical_lines([Write("stdout", b"a\n", BASE_NS)]))
    path = tmp_path / "log.zst"
    data = path.read_bytes()
    path.write_bytes(data[:-30] if damage == "cut" else data[:-40] + b"x" * 20 + data[-20:])
    with pytest.raises(Internal, match="damaged"):
        ArchiveFile(path)
