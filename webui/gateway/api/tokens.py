"""`/tokens`: personal tokens for the docker CLI and CI; the secret is shown once."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response
from spectree import Response as Answer

from webui.gateway.api.models import Failure, NewToken, Token
from webui.gateway.api.spec import SPEC
from webui.gateway.guard import actor
from webui.services.accounts import Accounts
from webui.times import rfc3339


def blueprint(accounts: Accounts) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("tokens", __name__, url_prefix="/api/v1")

    @routes.get("/tokens")
    @SPEC.validate(resp=Answer(HTTP_200=list[Token]), tags=["tokens"])
    def list_tokens() -> Any:
        """The user's tokens, newest first, without secrets."""
        return jsonify([_token(row) for row in accounts.tokens(actor().id)])

    @routes.post("/tokens")
    @SPEC.validate(resp=Answer(HTTP_201=Token, HTTP_409=Failure), tags=["tokens"])
    def create_token(json: NewToken) -> Any:
        """Make a token; its secret is in this answer only."""
        secret, row = accounts.create_token(actor().id, json.name, json.expires_days)
        return make_response({**_token(row), "secret": secret}, 201)

    @routes.delete("/tokens/<token_id>")
    @SPEC.validate(resp=Answer("HTTP_204"), tags=["tokens"])
    def delete_token(token_id: str) -> Response:
        """Remove a token; streams opened with it are closed."""
        accounts.remove_token(actor().id, token_id)
        return make_response("", 204)

    return routes


def _token(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "created": rfc3339(row.created_ms),
        "expires": rfc3339(row.expires_ms),
        "last_used": rfc3339(row.last_used_ms),
        "secret": None,
    }
