"""What must be done now and then: the journal is kept within its age and length."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import delete, func, select

from engine.clock import now_ns
from engine.storage.db import Database
from engine.storage.models import JOURNAL

_log = logging.getLogger(__name__)

_DAY_NS = 24 * 3600 * 1_000_000_000
_EVERY_SECONDS = 3600.0
_CHUNK = 2_000
"""Rows deleted in one transaction: a start never waits long for it."""


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
        """Drop events older than the days kept, and the oldest above the number kept; return how many.

        The newest event always stays, so that sequence numbers go on from it.
        """
        newest = self._database.read(select(func.max(JOURNAL.c.seq)))[0][0] or 0
        oldest_kept = now_ns() - self._days * _DAY_NS
        removed = 0
        while not self._stop.is_set():
            doomed = self._doomed(newest, oldest_kept)
            if not doomed:
                break
            with self._database.transaction() as transaction:
                transaction.execute(delete(JOURNAL).where(JOURNAL.c.seq.in_(doomed)))
            removed += len(doomed)
        return removed

    def _doomed(self, newest: int, oldest_kept_ns: int) -> list[int]:
        statement = (
            select(JOURNAL.c.seq)
            .where((JOURNAL.c.seq <= newest - self._rows) | (JOURNAL.c.time_ns < oldest_kept_ns))
            .where(JOURNAL.c.seq < newest)
            .order_by(JOURNAL.c.seq)
            .limit(_CHUNK)
        )
        return [int(row.seq) for row in self._database.read(statement)]
