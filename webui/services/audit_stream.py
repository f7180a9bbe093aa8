"""The audit record as it grows, line by line, to a file or to syslog; and its retention.

Lines are JSON, one for each row of the chain, so that a copy elsewhere can be held against the database. Sending never
waits: what a syslog daemon does not take at once is lost there (the record has it), and said once in our log.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from webui.audit import Audit, render
from webui.times import now_ms, rfc3339

_LOG = logging.getLogger(__name__)
_AUTHPRIV_NOTICE = 10 * 8 + 5
_DAY_MS = 86_400_000


def line_of(row: Mapping[str, Any]) -> str:
    """Return a row as one line of JSON: ASCII, no control characters."""
    return json.dumps({**render(row), "result_of": row["ref"]}, ensure_ascii=True)


class FileStream:
    """Appends to a file; made anew where logrotate took it away."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Write one line."""
        try:
            with self._path.open("a", encoding="ascii") as file:
                file.write(line_of(row) + "\n")
        except OSError as error:
            _LOG.error("the audit file can't be written: %s", error)


class SyslogStream:
    """Sends RFC 5424 messages to `udp://host:port` or to a unix datagram socket (`unix:///dev/log`)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "udp" and parts.hostname:
            self._family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
            self._address: Any = (parts.hostname, parts.port or 514)
        elif parts.scheme == "unix" and parts.path:
            self._family, self._address = socket.AF_UNIX, parts.path
        else:
            raise ValueError(f"{url!r}: expected udp://host:port or unix:///path")
        self._failed = False

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Send one message."""
        head = f"<{_AUTHPRIV_NOTICE}>1 {rfc3339(row['at_ms'])} - berth - audit -"
        try:
            with socket.socket(self._family, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(f"{head} {line_of(row)}".encode("ascii"), self._address)
            self._failed = False
        except OSError as error:
            if not self._failed:
                _LOG.error("syslog does not take the audit record: %s", error)
            self._failed = True


def attach(audit: Audit, path: str, syslog: str) -> None:
    """Send the record's rows where the settings say; ValueError for a bad address."""
    if path:
        audit.on_row(FileStream(Path(path)))
    if syslog:
        audit.on_row(SyslogStream(syslog))


def expire(audit: Audit, days: int) -> int:
    """Take away what is older than `days` (0: keep everything); return how many entries went."""
    return audit.trim(now_ms() - days * _DAY_MS) if days else 0
