"""A folder's names, kinds and links; what leads out of the root stays in it."""

import os
from pathlib import Path

import pytest

from engine.errors import InvalidArgument, NotFound
from engine.storage import listing


@pytest.fixture
def root(tmp_path: Path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/motd").write_text("hello")
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "up").symlink_to("../../../../../etc")
    os.mkfifo(tmp_path / "pipe")
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_names_kinds_and_links(root):
    found, more = listing.list_folder(root, "/")
    assert [(e.name, e.kind, e.link) for e in found] == [
        ("etc", "folder", ""), ("out", "link", "/etc"), ("pipe", "pipe", ""), ("up", "link", "../../../../../etc"),
    ]  # fmt: skip
    assert not more


@pytest.mark.parametrize("path", ["/etc", "/out", "/up", "/etc/../etc", "/../../etc"])
def test_a_path_stays_within_the_root(root, path):
    assert [(e.name, e.size) for e in listing.list_folder(root, path)[0]] == [("motd", 5)]


def test_what_is_no_folder(root):
    with pytest.raises(InvalidArgument, match="not a directory"):
        listing.list_folder(root, "/etc/motd")
    with pytest.raises(NotFound):
        listing.list_folder(root, "/nowhere")


def test_a_long_folder_is_cut(root, monkeypatch):
    monkeypatch.setattr(listing, "MAX_ENTRIES", 2)
    found, more = listing.list_folder(root, "/")
    assert (len(found), more) == (2, True)


def test_a_name_that_is_not_utf8(root, tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/etc/bad\xff")).touch()
    assert "bad\ufffd" in [e.name for e in listing.list_folder(root, "/etc")[0]]
