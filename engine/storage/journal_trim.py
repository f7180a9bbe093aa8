"""Keeping the journal within an age and a number of events, in small transactions: a start never waits long for it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete, func, select

from engine.storage.db import Database
from engine.storage.models import JOURNAL

_CHUNK = 2_000


def trim_journal(
    database: Database, *, oldest_kept_ns: int, rows_kept: int, stop: Callable[[], bool] = lambda: False
) -> int:
    """Drop events older than `oldest_kept_ns`, and the oldest above `rows_kept`; return how many.

    The newest event always stays, so that sequence numbers go on from it.
    """
    newest = database.read(select(func.max(JOURNAL.c.seq)))[0][0] or 0
    removed = 0
    while not stop():
        doomed = _doomed(database, newest, oldest_kept_ns, rows_kept)
        if not doomed:
            break
        with database.transaction() as transaction:
            transaction.execute(delete(JOURNAL).where(JOURNAL.c.seq.in_(doomed)))
        removed += len(doomed)
    return removed


def _doomed(database: Database, newest: int, oldest_kept_ns: int, rows_kept: int) -> list[int]:
    statement = (
        select(JOURNAL.c.seq)
        .where((JOURNAL.c.seq <= newest - rows_kept) | (JOURNAL.c.time_ns < oldest_kept_ns))
        .where(JOURNAL.c.seq < newest)
        .order_by(JOURNAL.c.seq)
        .limit(_CHUNK)
    )
    return [int(row.seq) for row in database.read(statement)]
