"""Searching the audit record: `actor:ann action:container.* target:web-* team:blue since:24h outcome:denied`.

Terms are joined by «and»; `*` stands for anything, a word without a key looks into target and path. `since` and
`until` take a date, a time (RFC 3339) or an age (`90m`, `24h`, `30d`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from webui.audit import render
from webui.errors import Invalid
from webui.models.database import Database
from webui.models.tables import AUDIT
from webui.times import now_ms

_COLUMNS = {
    "actor": AUDIT.c.actor,
    "action": AUDIT.c.action,
    "target": AUDIT.c.target,
    "team": AUDIT.c.namespace,
    "host": AUDIT.c.host,
    "address": AUDIT.c.address,
    "token": AUDIT.c.token,
    "verb": AUDIT.c.verb,
    "method": AUDIT.c.method,
    "outcome": AUDIT.c.outcome,
    "path": AUDIT.c.path,
    "request": AUDIT.c.request_id,
}
_AGE = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MAX_TERMS = 32
_PAGE = 500
Condition = ColumnElement[bool]


def parse_query(text: str) -> list[Condition]:
    """Return the conditions of a filter, or raise Invalid with what is wrong. Pure, but for ages."""
    try:
        terms = shlex.split(text)
    except ValueError as error:
        raise Invalid(f"the filter has an open quotation mark: {error}", field="q") from error
    if len(terms) > _MAX_TERMS:
        raise Invalid(f"a filter has at most {_MAX_TERMS} terms", field="q")
    return [_term(term) for term in terms]


def _term(term: str) -> Condition:
    key, colon, value = term.partition(":")
    if not colon or not value:
        return or_(_like(AUDIT.c.target, f"*{term}*"), _like(AUDIT.c.path, f"*{term}*"))
    if key == "since":
        return AUDIT.c.at_ms >= _moment(value)
    if key == "until":
        return AUDIT.c.at_ms <= _moment(value)
    column = _COLUMNS.get(key)
    if column is None:
        raise Invalid(f"no filter {key!r}: there are {', '.join([*_COLUMNS, 'since', 'until'])}", field="q")
    return _like(column, value)


def _like(column: Any, pattern: str) -> Condition:
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    found: Condition = column.ilike(escaped.replace("*", "%"), escape="\\")
    return found


def _moment(text: str) -> int:
    if age := _AGE.fullmatch(text):
        return now_ms() - int(age[1]) * _UNITS[age[2]]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is no date, time or age (24h)", field="q") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


class AuditSearch:
    """Reads the record: entries with what became of them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def page(self, query: str, team: str | None, before: int, limit: int) -> list[dict[str, Any]]:
        """Return entries below id `before` (0: from the newest), newest first; `team` None means all teams."""
        conditions = [*parse_query(query), *([AUDIT.c.id < before] if before else [])]
        statement = _entries(conditions, team).order_by(AUDIT.c.id.desc()).limit(limit)
        return [_shown(row) for row in self._db.read(statement)]

    def all_(self, query: str, team: str | None) -> Iterator[dict[str, Any]]:
        """Yield all entries that match, oldest first (exports)."""
        conditions, last = parse_query(query), 0
        while True:
            after = _entries([*conditions, AUDIT.c.id > last], team).order_by(AUDIT.c.id).limit(_PAGE)
            rows = self._db.read(after)
            yield from (_shown(row) for row in rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1].id


def _entries(conditions: list[Condition], team: str | None) -> Select[Any]:
    result = AUDIT.alias()
    mine = [] if team is None else [AUDIT.c.namespace == team]
    columns = (result.c.status.label("end"), result.c.detail.label("change"), result.c.target.label("about"))
    return (
        select(*AUDIT.c, *columns)
        .outerjoin(result, result.c.ref == AUDIT.c.id)
        .where(and_(AUDIT.c.ref.is_(None), *mine, *conditions))
    )


def _shown(row: Any) -> dict[str, Any]:
    return render(row._mapping, row.end, row.change or "", row.about or "")
