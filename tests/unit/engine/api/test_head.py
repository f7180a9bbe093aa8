import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api.head import BadRequest, parse_head

HOST = b"Host: d\r\n"


def head(*lines: bytes):
    return parse_head(b"\r\n".join((b"GET /a?b=c HTTP/1.1", b"Host: d", *lines)))


def test_a_plain_request_is_read():
    found = head(b"X-A:  1 ", b"x-a:2", b"Empty:")
    assert (found.method, found.path, found.query, found.length) == ("GET", "/a", "b=c", 0)
    assert found.headers == {"host": "d", "x-a": "1, 2", "empty": ""}
    assert found.keep_alive
    assert not found.upgrade


def test_an_upgrade_needs_both_headers():
    assert head(b"Connection: Upgrade", b"Upgrade: tcp").upgrade
    assert not head(b"Connection: Upgrade").upgrade
    assert not head(b"Upgrade: tcp").upgrade


@pytest.mark.parametrize("target", [b"http://d/a?b=c", b"/a?b=c#frag"])
def test_other_forms_of_a_target_come_down_to_its_path(target):
    found = parse_head(b"GET " + target + b" HTTP/1.1\r\nHost: d")
    assert (found.path, found.query) == ("/a", "b=c")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\n\r\nHost: d",
        b"GET / HTTP/2.0\r\nHost: d",
        b"GET  / HTTP/1.1\r\nHost: d",
        b"GET /\x00 HTTP/1.1\r\nHost: d",
        b"GET a HTTP/1.1\r\nHost: d",
        b"G(T / HTTP/1.1\r\nHost: d",
        b"GET /\r\nHost: d",
    ],
    ids=repr,
)
def test_a_malformed_request_line_is_refused(raw):
    with pytest.raises(BadRequest):
        parse_head(raw)


@pytest.mark.parametrize(
    "line",
    [
        b"X-A : 1",
        b" X-A: 1",
        b"\tfolded",
        b"X-A: 1\n folded",
        b"X-A: 1\nX-B: 2",
        b"X-A: a\rb",
        b"X-A: a\x00b",
        b"no colon",
        b": empty name",
        b"Host: other",
        b"Content-Length: +1",
        b"Content-Length: 1, 1",
        b"Content-Length: 0x10",
        b"Content-Length: 9999999999999999999",
        b"Content-Length: 1\r\nContent-Length: 1",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: \x0bchunked",
        b"Berth-Namespace: a\r\nBerth-Namespace: b",
    ],
    ids=repr,
)
def test_a_header_with_two_readings_is_refused(line):
    with pytest.raises(BadRequest):
        head(line)


def test_an_old_client_has_no_chunks():
    with pytest.raises(BadRequest):
        parse_head(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_refused(data):
    try:
        found = parse_head(b"GET /x HTTP/1.1\r\nHost: d\r\n" + data)
    except BadRequest:
        return
    assert not any(c in value for value in found.headers.values() for c in "\r\n\x00")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="GETP /:?%#.HTTP1\r\n\t abc", max_size=80))
def test_any_request_line_is_read_or_refused(text):
    try:
        found = parse_head(text.encode() + b"\r\nHost: d")
    except BadRequest:
        return
    assert found.path.startswith("/")
