"""What streamed answers are made of: stdcopy frames and JSON lines."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.errors import BerthError

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

_HEADER = struct.Struct(">BxxxL")
_log = logging.getLogger(__name__)


def frame(stream: int, data: bytes) -> bytes:
    """Return data with Docker's 8-byte head: stream (0 stdin, 1 stdout, 2 stderr, 3 error), three zeros, length."""
    return _HEADER.pack(stream, len(data)) + data


def dump(value: Any) -> bytes:
    """Return a value as compact JSON with a newline, as Docker writes it; lone surrogates become question marks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def ndjson(records: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield each record as a JSON line; a failure becomes Docker's error record, since the answer has begun by then."""
    try:
        for record in records:
            yield dump(record)
    except BerthError as error:
        yield error_line(str(error))
    except Exception:
        _log.exception("stream failed after its answer began")
        yield error_line("internal error")


def error_line(message: str) -> bytes:
    """Return the record that clients of a progress stream take as its failure."""
    return dump({"errorDetail": {"message": message}, "error": message})
