"""The gate in front of every Flask endpoint: a declared rule, or the process does not start.

Order of a request: who is asking, same origin (unsafe methods with a cookie), the endpoint's verb, the audit record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, request

from webui.access import Actor, Resource, Verb, can
from webui.audit import Audit, Entry
from webui.errors import Forbidden, Unauthenticated, WebError
from webui.gateway.auth import SAFE_METHODS, Authenticator
from webui.secrets import new_id
from webui.services.hosts import team_of

ENDPOINT_RULES: Mapping[str, Verb] = {
    "ui.page": Verb.PUBLIC,
    "session.get_session": Verb.PUBLIC,
    "session.create_session": Verb.PUBLIC,
    "session.delete_session": Verb.PUBLIC,
    "session.create_admin": Verb.PUBLIC,
    "session.list_sessions": Verb.CREDENTIALS,
    "session.end_session": Verb.CREDENTIALS,
    "tokens.list_tokens": Verb.CREDENTIALS,
    "tokens.create_token": Verb.CREDENTIALS,
    "tokens.delete_token": Verb.CREDENTIALS,
    "tokens.list_team_tokens": Verb.MANAGE,
    "tokens.create_team_token": Verb.MANAGE,
    "tokens.delete_team_token": Verb.MANAGE,
    "teams.list_teams": Verb.SELF,
    "teams.create_team": Verb.ADMIN,
    "teams.get_team": Verb.VIEW,
    "teams.rename_team": Verb.MANAGE,
    "teams.archive_team": Verb.ADMIN,
    "teams.restore_team": Verb.ADMIN,
    "teams.list_members": Verb.VIEW,
    "teams.add_member": Verb.MANAGE,
    "teams.put_member": Verb.MANAGE,
    "teams.remove_member": Verb.MANAGE,
    "teams.set_grants": Verb.ADMIN,
    "teams.preview_grants": Verb.ADMIN,
    "teams.explain_access": Verb.MANAGE,
    "teams.connect": Verb.VIEW,
    "audit.list_audit": Verb.MANAGE,
    "audit.export_audit": Verb.MANAGE,
    "audit.verify_audit": Verb.ADMIN,
    "users.list_users": Verb.ADMIN,
    "users.create_user": Verb.ADMIN,
    "users.change_user": Verb.ADMIN,
    "hosts.list_hosts": Verb.SELF,
    "operations.list_operations": Verb.VIEW,
    "operations.get_operation": Verb.VIEW,
    "operations.create_operation": Verb.DEPLOY,
    "operations.cancel_operation": Verb.DEPLOY,
    "openapi.document": Verb.SELF,
}


class MissingRule(RuntimeError):
    """An endpoint has no rule, or a rule has no endpoint."""


def actor() -> Actor:
    """Return the signed-in user of the present request (the gate has let it through)."""
    found: Actor | None = g.actor
    if found is None:
        raise Unauthenticated("sign in first")
    return found


def note(target: str = "", **detail: Any) -> None:
    """Add to the present request's audit record: what it is about, and the difference it makes (no secrets)."""
    g.audit_target, g.audit_detail = target or g.get("audit_target", ""), {**g.get("audit_detail", {}), **detail}


def install(app: Flask, authenticator: Authenticator, audit: Audit) -> None:
    """Put the gate before every endpoint of `app`."""

    @app.before_request
    def gate() -> None:
        g.request_id, g.actor, g.audit_id = new_id(), None, None
        if request.endpoint is None:
            return  # 404, which tells nobody anything
        verb = ENDPOINT_RULES[request.endpoint]
        g.actor = authenticator.actor(_header)
        named = (request.view_args or {}).get("team") or request.headers.get("Berth-Team", "")
        g.team = team_of(g.actor, str(named)) if g.actor else ""
        try:
            _check(authenticator, verb)
        except WebError as error:
            _record(audit, verb, allowed=False, status=error.status)
            raise
        _record(audit, verb, allowed=True, status=None)

    @app.after_request
    def finish(response: Response) -> Response:
        if g.get("audit_id"):
            audit.finish(g.audit_id, response.status_code, g.get("audit_detail"), g.get("audit_target", ""))
        return response


def _check(authenticator: Authenticator, verb: Verb) -> None:
    if request.method not in SAFE_METHODS:
        if g.actor and g.actor.via == "cookie":
            authenticator.check_origin(_header)
        elif not g.actor and authenticator.comes_from_elsewhere(_header):
            raise Forbidden("cross-site request refused")
    if can(g.actor, verb, Resource(team=g.team)):
        return
    if g.actor is None:
        raise Unauthenticated("sign in first")
    raise Forbidden(f"your role in team {g.team!r} does not allow this")


def _header(name: str) -> str:
    return request.headers.get(name, "")


def _record(audit: Audit, verb: Verb, *, allowed: bool, status: int | None) -> None:
    if request.method in SAFE_METHODS:
        return
    address = request.remote_addr or ""
    action = (request.endpoint or "").replace("_", "-")
    entry = Entry(g.actor, verb, request.method, request.path, address, g.request_id, namespace=g.team, action=action)
    g.audit_id = audit.record(entry, allowed=allowed, status=status)
    if not allowed:
        g.audit_id = None


def check_rules(app: Flask) -> None:
    """Raise MissingRule unless rules and endpoints match exactly; called before the process serves."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    for name in endpoints - set(ENDPOINT_RULES):
        raise MissingRule(f"endpoint {name!r} has no rule in gateway/guard.py")
    for name in set(ENDPOINT_RULES) - endpoints:
        raise MissingRule(f"rule {name!r} in gateway/guard.py has no endpoint")
