"""What a pull asks for, and its progress."""

from __future__ import annotations

import json

import pytest

from webui.errors import Invalid
from webui.services.pull import PullProgress, pull_query


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("busybox", "busybox", "latest"),
        ("busybox:1.36", "busybox", "1.36"),
        ("localhost:5000/a/b", "localhost:5000/a/b", "latest"),
        ("localhost:5000/a/b:t", "localhost:5000/a/b", "t"),
        ("busybox@sha256:00", "busybox", "sha256:00"),
        ("busybox:1@sha256:00", "busybox", "sha256:00"),
    ],
)
def test_a_reference_becomes_name_and_tag(image: str, name: str, tag: str) -> None:
    assert pull_query(image) == {"fromImage": name, "tag": tag}


def test_a_platform_goes_along() -> None:
    assert pull_query("a", "linux/arm64")["platform"] == "linux/arm64"


@pytest.mark.parametrize("image", [":tag", "a b", "@sha256:0", "a@"])
def test_what_is_no_reference_is_refused(image: str) -> None:
    with pytest.raises(Invalid):
        pull_query(image)


def stream(*records: dict[str, object]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\r\n" for record in records)


def test_progress_is_by_layer_and_in_all() -> None:
    progress = PullProgress()
    progress.feed(
        stream(
            {"status": "Pulling from library/busybox", "id": "latest"},
            {"status": "Pulling fs layer", "progressDetail": {}, "id": "aa"},
            {"status": "Downloading", "progressDetail": {"current": 5, "total": 10}, "id": "aa"},
            {"status": "Already exists", "progressDetail": {}, "id": "bb"},
        )
    )
    assert progress.render() == {
        "layers": [
            {"id": "aa", "status": "Downloading", "current": 5, "total": 10},
            {"id": "bb", "status": "Already exists", "current": 0, "total": 0},
        ],
        "current": 5,
        "total": 10,
    }
    assert not progress.finished
    progress.feed(stream({"status": "Pull complete", "id": "aa"}, {"status": "Status: Downloaded newer image"}))
    assert progress.render()["current"] == 10
    assert progress.finished
    assert list(progress.log) == ["Pulling from library/busybox", "Status: Downloaded newer image"]


def test_an_error_in_the_stream_is_the_error() -> None:
    progress = PullProgress()
    progress.feed(stream({"errorDetail": {"message": "no space"}, "error": "no space"}))
    assert progress.error == "no space"


def test_a_record_cut_in_two_is_one() -> None:
    progress, data = PullProgress(), stream({"status": "Status: done"})
    assert not progress.feed(data[:10])
    assert progress.feed(data[10:])
    assert progress.finished
