"""What must be done now and then: the journal is kept within its age and length."""

from __future__ import annotations

import logging
import threading

from engine.clock import now_ns
from engine.storage.db import Database
from engine.storage.journal_trim import trim_journal

_log = logging.getLogger(__name__)

_DAY_NS = 24 * 3600 * 1_000_000_000
_EVERY_SECONDS = 3600.0


class Upkeep:
    """One thread that wakes once an hour."""

    def __init__(self, database: Database, *, journal_days: int, journal_rows: int) -> None:
        self._database = database
        self._days = journal_days
        self._rows = journal_rows
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin; the first round is an hour away."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                removed = self.trim_journal()
                if removed:
                    _log.info("old events dropped count=%d", removed)
            except Exception:
                _log.exception("upkeep failed; it is tried again in an hour")

    def trim_journal(self) -> int:
        """Drop the events that are too old or too many; return how many."""
        return trim_journal(
            self._database,
            oldest_kept_ns=now_ns() - self._days * _DAY_NS,
            rows_kept=self._rows,
            stop=self._stop.is_set,
        )
