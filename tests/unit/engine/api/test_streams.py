import json

from engine.api import streams
from engine.errors import NotFound


def test_a_frame_has_stream_zeros_and_length():
    assert streams.frame(2, b"abc") == b"\x02\x00\x00\x00\x00\x00\x00\x03abc"


def test_json_is_compact_utf8_with_a_newline():
    assert streams.dump({"a": ["é", 1]}) == '{"a":["é",1]}\n'.encode()


def test_a_lone_surrogate_does_not_break_the_answer():
    assert json.loads(streams.dump({"a": "x\udcff"})) == {"a": "x?"}


def test_a_failure_becomes_the_last_record():
    def records():
        yield {"status": "Pulling"}
        raise NotFound("manifest unknown")

    lines = [json.loads(line) for line in streams.ndjson(records())]
    assert lines == [
        {"status": "Pulling"},
        {"errorDetail": {"message": "manifest unknown"}, "error": "manifest unknown"},
    ]


def test_an_unforeseen_failure_is_not_told_to_the_client():
    def records():
        raise KeyError("secret")
        yield {}

    assert list(streams.ndjson(records())) == [streams.error_line("internal error")]
