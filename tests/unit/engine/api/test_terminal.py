import queue
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import streams, terminal
from engine.errors import InvalidArgument
from tests.fakes.http import PipeEnd

KEYS = b"\x10\x11"


class FakeProcess:
    """Echoes its stdin until it is closed; ends when told."""

    def __init__(self, *output: tuple[int, bytes], ends: bool = True) -> None:
        self.items: queue.Queue[tuple[int, bytes] | None] = queue.Queue()
        for item in output:
            self.items.put(item)
        if ends:
            self.items.put(None)
        self.received = bytearray()
        self.stdin_closed = threading.Event()
        self.closed = False

    def recv(self):
        return self.items.get(timeout=5)

    def send(self, data: bytes) -> None:
        self.received += data

    def close_stdin(self) -> None:
        self.stdin_closed.set()
        self.items.put(None)

    def close(self) -> None:
        self.closed = True
        self.items.put(None)


def wanted(**changes):
    defaults = {"stdin": False, "stdout": True, "stderr": True, "tty": False}
    return terminal.Wanted(**(defaults | changes))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", KEYS),
        ("ctrl-p,ctrl-q", KEYS),
        ("a", b"a"),
        ("ctrl-a,b", b"\x01b"),
        ("ctrl-@", b"\x00"),
        ("ctrl-\\", b"\x1c"),
    ],
)
def test_detach_keys_are_read(text, keys):
    assert terminal.parse_detach_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-1", "ab", "a,,b", "é"])
def test_other_detach_keys_are_refused(text):
    with pytest.raises(InvalidArgument, match="Invalid detach keys"):
        terminal.parse_detach_keys(text)


def test_keys_in_pieces_are_found_and_a_false_start_is_passed_on():
    keys = terminal.DetachFilter(KEYS)
    assert keys.feed(b"a\x10") == (b"a", False)
    assert keys.feed(b"b") == (b"\x10b", False)
    assert keys.feed(b"\x10") == (b"", False)
    assert keys.feed(b"\x11rest") == (b"", True)


@given(st.lists(st.binary(max_size=5), max_size=10))
def test_without_the_keys_nothing_is_lost(pieces):
    data = b"".join(pieces).replace(b"\x11", b"")
    keys = terminal.DetachFilter(KEYS)
    parts = [keys.feed(data[i : i + 2]) for i in range(0, len(data), 2)]
    assert not any(left for _, left in parts)
    assert b"".join(part for part, _ in parts) + keys._held == data


def test_output_is_framed_by_stream():
    pipe, process = PipeEnd(), FakeProcess((1, b"out"), (2, b"err"))
    assert terminal.join(pipe, process, wanted()) is False
    assert bytes(pipe.sent) == streams.frame(1, b"out") + streams.frame(2, b"err")
    assert pipe.write_closed
    assert process.closed


def test_only_the_streams_asked_for_are_sent():
    pipe = PipeEnd()
    terminal.join(pipe, FakeProcess((1, b"out"), (2, b"err")), wanted(stdout=False))
    assert bytes(pipe.sent) == streams.frame(2, b"err")


def test_a_terminal_is_raw_and_earlier_output_goes_first():
    pipe = PipeEnd()
    terminal.join(pipe, FakeProcess((1, b"now")), wanted(tty=True), replay=[b"before "])
    assert bytes(pipe.sent) == b"before now"


def test_the_clients_half_close_ends_stdin_and_output_goes_on():
    process = FakeProcess(ends=False)
    pipe = PipeEnd(b"input")
    terminal.join(pipe, process, wanted(stdin=True))
    assert bytes(process.received) == b"input"
    assert process.stdin_closed.is_set()


def test_where_stdin_stays_open_a_half_close_detaches():
    process = FakeProcess(ends=False)
    terminal.join(PipeEnd(b"input"), process, wanted(stdin=True, close_stdin=False))
    assert not process.stdin_closed.is_set()
    assert process.closed


def test_the_detach_keys_leave_the_process_alone():
    process = FakeProcess(ends=False)
    assert terminal.join(PipeEnd(b"ls\x10\x11more"), process, wanted(stdin=True, tty=True)) is True
    assert bytes(process.received) == b"ls"
    assert not process.stdin_closed.is_set()


def test_without_a_terminal_the_keys_are_plain_bytes():
    process = FakeProcess(ends=False)
    terminal.join(PipeEnd(b"a\x10\x11b"), process, wanted(stdin=True))
    assert bytes(process.received) == b"a\x10\x11b"


def test_a_client_that_left_is_no_error():
    class Broken(PipeEnd):
        def sendall(self, data):
            raise BrokenPipeError

    process = FakeProcess((1, b"x"), ends=False)
    terminal.join(Broken(), process, wanted())
    assert process.closed


@pytest.mark.parametrize(
    ("version", "tty", "kind"),
    [((1, 41), False, streams.RAW), ((1, 42), False, streams.MULTIPLEXED), ((1, 42), True, streams.RAW)],
)
def test_the_type_of_the_stream_depends_on_version_and_terminal(version, tty, kind):
    assert terminal.content_type(version, tty=tty) == kind
