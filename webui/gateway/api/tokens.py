"""`/tokens` and `/teams/<team>/tokens`: tokens for the docker CLI and CI; the secret is shown once."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response
from spectree import Response as Answer

from webui.access import Role
from webui.gateway.api.models import Failure
from webui.gateway.api.spec import SPEC
from webui.gateway.api.team_models import NewTeamToken, NewToken, TokenInfo
from webui.gateway.guard import actor, note
from webui.services.tokens import Tokens
from webui.times import rfc3339


def blueprint(tokens: Tokens) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("tokens", __name__, url_prefix="/api/v1")
    _personal(routes, tokens)
    _of_teams(routes, tokens)
    return routes


def _personal(routes: Blueprint, tokens: Tokens) -> None:
    @routes.get("/tokens")
    @SPEC.validate(resp=Answer(HTTP_200=list[TokenInfo]), tags=["tokens"])
    def list_tokens() -> Any:
        """The user's tokens, newest first, without secrets."""
        return jsonify([_token(row) for row in tokens.of_user(actor().id)])

    @routes.post("/tokens")
    @SPEC.validate(resp=Answer(HTTP_201=TokenInfo, HTTP_409=Failure), tags=["tokens"])
    def create_token(json: NewToken) -> Any:
        """Make a token, narrowed to verbs, teams and hosts; its secret is in this answer only."""
        scope = {"verbs": json.verbs, "teams": json.teams, "hosts": json.hosts}
        secret, row = tokens.create(actor(), json.name, json.expires_days, scope)
        note(target=row.id, name=row.name, days=json.expires_days, scope=scope)
        return make_response({**_token(row), "secret": secret}, 201)

    @routes.delete("/tokens/<token_id>")
    @SPEC.validate(resp=Answer("HTTP_204"), tags=["tokens"])
    def delete_token(token_id: str) -> Response:
        """Remove a token; streams opened with it are closed."""
        note(target=token_id)
        tokens.remove(actor().id, token_id)
        return make_response("", 204)


def _of_teams(routes: Blueprint, tokens: Tokens) -> None:
    @routes.get("/teams/<team>/tokens")
    @SPEC.validate(resp=Answer(HTTP_200=list[TokenInfo]), tags=["tokens"])
    def list_team_tokens(team: str) -> Any:
        """The team's own tokens, newest first, without secrets."""
        return jsonify([_token(row, team) for row in tokens.of_team(team)])

    @routes.post("/teams/<team>/tokens")
    @SPEC.validate(resp=Answer(HTTP_201=TokenInfo, HTTP_404=Failure, HTTP_409=Failure), tags=["tokens"])
    def create_team_token(team: str, json: NewTeamToken) -> Any:
        """Make a token of the team with a role; its secret is in this answer only."""
        scope = {"verbs": json.verbs, "hosts": json.hosts}
        role = Role[json.role.upper()]
        secret, row = tokens.create_for_team(actor(), team, role, json.name, json.expires_days, scope)
        note(target=row.id, name=row.name, role=json.role, days=json.expires_days, scope=scope)
        return make_response({**_token(row, team), "secret": secret}, 201)

    @routes.delete("/teams/<team>/tokens/<token_id>")
    @SPEC.validate(resp=Answer("HTTP_204"), tags=["tokens"])
    def delete_team_token(team: str, token_id: str) -> Response:
        """Remove a token of the team; streams opened with it are closed."""
        note(target=token_id)
        tokens.remove_of_team(team, token_id)
        return make_response("", 204)


def _token(row: Any, team: str | None = None) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "created": rfc3339(row.created_ms),
        "created_by": row.created_by,
        "expires": rfc3339(row.expires_ms),
        "last_used": rfc3339(row.last_used_ms),
        "team": team,
        "role": row.role,
        **{name: row.scope.get(name, []) for name in ("verbs", "teams", "hosts")},
        "secret": None,
    }
