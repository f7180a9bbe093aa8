"""Logging of both programs: one line a record, words first, values as key=value.

`request_id` and `namespace` come from context variables, so that no caller passes them on.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")


class KeyValueFormatter(logging.Formatter):
    """Renders `time level logger: message key=value…`, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one printable line (a traceback follows on lines of its own)."""
        text = super().format(record)
        rid = request_id.get()
        if rid:
            first, sep, rest = text.partition("\n")
            text = f"{first} request={rid}{sep}{rest}"
        return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def configure(level: str) -> None:
    """Send every logger's records of `level` (a name of the logging module) and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_is_ours_or_serious)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _is_ours_or_serious(record: logging.LogRecord) -> bool:
    """Keep libraries' chatter out: a line for each netlink message helps nobody."""
    return record.levelno >= logging.WARNING or not record.name.startswith(("pyroute2", "asyncio", "alembic"))
