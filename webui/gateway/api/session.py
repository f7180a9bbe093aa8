"""`/session`, `/setup`, `/sessions`: signing in and out, the first administrator."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify, make_response, request
from spectree import Response as Answer

from config.contract import PRODUCT_VERSION
from webui.access import Actor
from webui.gateway.api.models import Credentials, Failure, Membership, Session, SessionInfo, Setup, User
from webui.gateway.api.spec import SPEC
from webui.gateway.auth import Authenticator
from webui.gateway.guard import actor
from webui.services.accounts import Accounts, Client
from webui.times import rfc3339


def blueprint(accounts: Accounts, authenticator: Authenticator) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("session", __name__, url_prefix="/api/v1")

    def signed_in(user_id: str, status: int) -> Response:
        replaced = g.actor.credential if g.actor and g.actor.via == "cookie" else ""
        secret = accounts.open_session(user_id, _client(), replaces=replaced)
        response = make_response(_session(accounts.actors([user_id])[user_id], accounts), status)
        response.headers["Set-Cookie"] = authenticator.set_cookie(secret)
        return response

    @routes.get("/session")
    @SPEC.validate(resp=Answer(HTTP_200=Session), tags=["session"])
    def get_session() -> Any:
        """Who is signed in, and whether Berth still waits for its first administrator."""
        return _session(g.actor, accounts)

    @routes.post("/setup")
    @SPEC.validate(resp=Answer(HTTP_201=Session, HTTP_403=Failure, HTTP_409=Failure), tags=["session"])
    def create_admin(json: Setup) -> Any:
        """Make the first administrator with the one-time token, and sign in."""
        return signed_in(accounts.setup(json.token, json.name, json.password), 201)

    @routes.post("/session")
    @SPEC.validate(resp=Answer(HTTP_200=Session, HTTP_401=Failure, HTTP_429=Failure), tags=["session"])
    def create_session(json: Credentials) -> Any:
        """Sign in."""
        return signed_in(accounts.sign_in(json.name, json.password, _client()), 200)

    @routes.delete("/session")
    @SPEC.validate(resp=Answer("HTTP_204"), tags=["session"])
    def delete_session() -> Response:
        """Sign out; live sockets of the session are closed."""
        if g.actor and g.actor.via == "cookie":
            accounts.end_session(g.actor.id, g.actor.credential)
        response = make_response("", 204)
        response.headers["Set-Cookie"] = authenticator.set_cookie("")
        return response

    @routes.get("/sessions")
    @SPEC.validate(resp=Answer(HTTP_200=list[SessionInfo]), tags=["session"])
    def list_sessions() -> Any:
        """The user's sessions, newest first."""
        return jsonify([_info(row, actor().credential) for row in accounts.sessions(actor().id)])

    @routes.delete("/sessions/<session_id>")
    @SPEC.validate(resp=Answer("HTTP_204"), tags=["session"])
    def end_session(session_id: str) -> Response:
        """End one of the user's sessions."""
        accounts.end_session(actor().id, session_id)
        return make_response("", 204)

    return routes


def _client() -> Client:
    return Client(request.remote_addr or "", request.headers.get("User-Agent", ""))


def _session(user: Actor | None, accounts: Accounts) -> dict[str, Any]:
    shown = user and User(
        id=user.id,
        name=user.name,
        admin=user.admin,
        teams=[Membership(name=team, role=role.label) for team, role in user.roles.items()],
    )
    required = user is None and accounts.setup_required()
    return Session(user=shown or None, setup_required=required, version=PRODUCT_VERSION).model_dump()


def _info(row: Any, current: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "created": rfc3339(row.created_ms),
        "last_seen": rfc3339(row.last_seen_ms),
        "address": row.address,
        "agent": row.agent,
        "current": row.id == current,
    }
