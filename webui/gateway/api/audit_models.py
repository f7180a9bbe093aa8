"""The shapes of the audit record in Berth's own API."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class AuditEntry(BaseModel):
    """One entry of the audit record, with its result's status and difference."""

    id: int
    at: str
    request_id: str
    actor_id: str
    actor: str
    via: str
    token: str
    address: str
    host: str
    team: str
    method: str
    path: str
    verb: str
    action: str
    target: str
    outcome: Literal["allowed", "denied"]
    status: int | None
    detail: dict[str, Any] | None
    hash: str


class AuditPage(BaseModel):
    """Entries, newest first; `next` is the `before` of the following page."""

    entries: list[AuditEntry]
    next: int | None


class AuditState(BaseModel):
    """Whether the chain holds; else its first break."""

    intact: bool
    id: int | None = None
    reason: str = ""
