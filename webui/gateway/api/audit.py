"""`/audit`: the record, searched, exported and verified; a team's own part for its owners."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, g, request
from spectree import Response as Answer

from webui.access import Verb, can
from webui.audit import Audit
from webui.errors import Forbidden, Invalid
from webui.gateway.api.audit_models import AuditPage, AuditState
from webui.gateway.api.models import Failure
from webui.gateway.api.spec import SPEC
from webui.gateway.guard import actor
from webui.services.audit_search import AuditSearch, parse_query

_COLUMNS = ("id", "at", "actor", "via", "token", "address", "team", "host", "action", "target", "verb", "method",
            "path", "outcome", "status", "detail", "request_id", "hash")  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def blueprint(audit: Audit, search: AuditSearch) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("audit", __name__, url_prefix="/api/v1/audit")

    @routes.get("")
    @SPEC.validate(resp=Answer(HTTP_200=AuditPage, HTTP_400=Failure), tags=["audit"])
    def list_audit() -> Any:
        """Entries that match `?q=`, newest first, `?limit=` of them below id `?before=`.

        An owner sees their team's (Berth-Team); an administrator all, with `?team=` one team's.
        """
        limit, before = _number("limit", 100, 1, 500), _number("before", 0, 0, 1 << 60)
        found = search.page(request.args.get("q", ""), _team(), before, limit)
        return {"entries": found, "next": found[-1]["id"] if len(found) == limit else None}

    @routes.get("/export")
    @SPEC.validate(resp=Answer("HTTP_200", HTTP_400=Failure), tags=["audit"])
    def export_audit() -> Response:
        """All entries that match `?q=`, oldest first, as `?format=` jsonl or csv."""
        form, query, team = request.args.get("format", "jsonl"), request.args.get("q", ""), _team()
        parse_query(query)
        if form not in ("jsonl", "csv"):
            raise Invalid("the format is jsonl or csv", field="format")
        rows = search.all_(query, team)
        body = _csv(rows) if form == "csv" else (json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
        kind = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
        named = {"Content-Disposition": f'attachment; filename="berth-audit.{form}"', "Cache-Control": "no-store"}
        return Response(body, content_type=kind, headers=named)

    @routes.get("/verify")
    @SPEC.validate(resp=Answer(HTTP_200=AuditState), tags=["audit"])
    def verify_audit() -> Any:
        """Whether the chain holds, else its first break (platform administrators)."""
        found = audit.verify()
        return {"intact": found is None, "id": found and found.id, "reason": found.reason if found else ""}

    return routes


def _team() -> str | None:
    """Return the team whose entries the caller may see; None: all."""
    if can(actor(), Verb.ADMIN):
        return request.args.get("team") or None
    wanted = request.args.get("team")
    if wanted and wanted != g.team:
        raise Forbidden(f"your role in team {wanted!r} does not allow this")
    return str(g.team)


def _number(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise Invalid(f"{name} is a number from {least} to {most}", field=name)
    return int(text)


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in _COLUMNS])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _cell(value: Any) -> Any:
    """Return a value as a spreadsheet takes it: as text, never as a formula."""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=True)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
