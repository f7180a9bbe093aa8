"""conmon's lines, options and packets, without conmon."""

from __future__ import annotations

import os
import socket

import pytest

from engine.runtime import conmon
from engine.runtime.conmon import Answer


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b'{"data": 4711}', Answer(4711)),
        (b'{"data": -1, "message": "no \\"x\\"\\n"}', Answer(-1, 'no "x"\n')),
        (b'{"data": -1, "message": "bad\tescape"}', Answer(-1, "bad\tescape")),
        (b"not json", Answer(-1, "not json")),
        (b'{"other": 1}', Answer(-1, '{"other": 1}')),
    ],
    ids=["pid", "message", "raw control character", "text", "no number"],
)
def test_answer(line: bytes, answer: Answer) -> None:
    assert conmon.parse_answer(line) == answer


def test_lines_come_one_by_one_and_the_end_is_an_answer_too() -> None:
    reader, writer = os.pipe()
    lines = conmon.LineReader(reader)
    os.write(writer, b'{"data": 1}\n{"da')
    assert lines.read(1).number == 1
    with pytest.raises(TimeoutError):
        lines.read(0.01)
    os.write(writer, b'ta": 2}\n')
    assert lines.read(1).number == 2
    os.close(writer)
    assert lines.read(1) == Answer(None)
    os.close(reader)


@pytest.mark.parametrize(
    ("tty", "stdin", "once", "options"),
    [
        (False, False, True, []),
        (True, False, False, ["-t"]),
        (False, True, True, ["-i"]),
        (True, True, False, ["-t", "-i", "--leave-stdin-open"]),
    ],
)
def test_stdio_options(tty: bool, stdin: bool, once: bool, options: list[str]) -> None:
    assert conmon.stdio_options(tty=tty, stdin=stdin, stdin_once=once) == options


def test_packets_become_streams() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    attachment = conmon.SocketAttachment(ours)
    for packet in (b"\x02out", b"\x03err", b"\x02", b"\x09odd", b"\x02more"):
        theirs.send(packet)
    assert [attachment.recv() for _ in range(3)] == [(1, b"out"), (2, b"err"), (1, b"more")]
    attachment.send(b"x" * 20_000)
    assert [len(theirs.recv(65536)) for _ in range(3)] == [8192, 8192, 3616]
    attachment.close_stdin()
    assert theirs.recv(10) == b""
    theirs.close()
    assert attachment.recv() is None
    attachment.send(b"into the void")
    attachment.close()
    attachment.close()
