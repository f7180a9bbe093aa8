"""Blobs appear verified and whole, or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.errors import InvalidArgument, NotFound
from engine.refs import digest_of
from engine.storage.content import Content
from engine.storage.paths import Paths

DATA = b"some content" * 100
DIGEST = digest_of(DATA)


@pytest.fixture
def content(tmp_path: Path) -> Content:
    """Return an empty store."""
    paths = Paths(tmp_path / "data", tmp_path / "run")
    paths.ensure()
    return Content(paths)


def files(content: Content) -> list[str]:
    """Return the names of everything stored, complete or not."""
    root = content._blobs.parent
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_put_and_read(content: Content) -> None:
    assert content.put(DATA) == DIGEST
    assert content.put(DATA) == DIGEST
    assert content.read(DIGEST) == DATA
    assert content.size(DIGEST) == len(DATA)
    assert content.digests() == [DIGEST]


def test_unknown_content_is_not_found(content: Content) -> None:
    for ask in (content.read, content.size, content.open):
        with pytest.raises(NotFound):
            ask(DIGEST)


def test_a_broken_ingest_is_resumed(content: Content) -> None:
    with pytest.raises(ConnectionError), content.ingest(DIGEST, len(DATA)) as blob:  # noqa: PT012  the block's end verifies
        assert blob
        blob.write(DATA[:500])
        raise ConnectionError
    assert not content.has(DIGEST)
    with content.ingest(DIGEST, len(DATA)) as blob:
        assert blob
        assert blob.offset == 500
        blob.write(DATA[500:])
    assert content.read(DIGEST) == DATA


def test_wrong_bytes_are_refused_and_nothing_stays(content: Content) -> None:
    with pytest.raises(InvalidArgument, match="digest mismatch"), content.ingest(DIGEST, len(DATA)) as blob:  # noqa: PT012  the block's end verifies
        assert blob
        blob.write(b"x" * len(DATA))
    assert files(content) == []


def test_too_many_bytes_are_refused_and_nothing_stays(content: Content) -> None:
    with pytest.raises(InvalidArgument, match="unexpected size"), content.ingest(DIGEST, len(DATA)) as blob:  # noqa: PT012  the block's end verifies
        assert blob
        blob.write(DATA + b"more")
    assert files(content) == []


def test_too_few_bytes_are_refused_and_may_be_resumed(content: Content) -> None:
    with pytest.raises(InvalidArgument, match="unexpected size"), content.ingest(DIGEST, len(DATA)) as blob:  # noqa: PT012  the block's end verifies
        assert blob
        blob.write(DATA[:10])
    with content.ingest(DIGEST, len(DATA)) as blob:
        assert blob
        assert blob.offset == 10
        blob.write(DATA[10:])
    assert content.read(DIGEST) == DATA


def test_two_ingests_of_one_digest_take_turns(content: Content) -> None:
    inside, second = threading.Event(), []

    def other() -> None:
        inside.wait()
        with content.ingest(DIGEST) as blob:
            second.append(blob)

    thread = threading.Thread(target=other)
    thread.start()
    with content.ingest(DIGEST) as blob:
        assert blob
        inside.set()
        blob.write(DATA)
    thread.join()
    assert second == [None]


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "md5:" + "a" * 32, "sha256:" + "A" * 64])
def test_what_is_no_digest_is_refused(content: Content, digest: str) -> None:
    with pytest.raises(InvalidArgument), content.ingest(digest):
        pass


def test_recover_deletes_partials_and_scratch_folders(content: Content) -> None:
    (content.scratch() / "file").write_text("x")
    with pytest.raises(ConnectionError), content.ingest(DIGEST) as blob:  # noqa: PT012  the block's end verifies
        assert blob
        blob.write(b"x")
        raise ConnectionError
    content.recover()
    assert files(content) == []
