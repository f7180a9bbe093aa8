"""The web tier put together: parts, blueprints, the gate, errors. Nothing here runs; `cli.run` serves it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, make_response
from werkzeug.exceptions import HTTPException

from config.settings import Settings
from webui.audit import Audit
from webui.errors import WebError
from webui.gateway import guard, pages
from webui.gateway.api import audit as audit_api
from webui.gateway.api import hosts as hosts_api
from webui.gateway.api import operations as operations_api
from webui.gateway.api import session as session_api
from webui.gateway.api import spec
from webui.gateway.api import teams as teams_api
from webui.gateway.api import tokens as tokens_api
from webui.gateway.api import users as users_api
from webui.gateway.auth import Authenticator
from webui.models.database import Database, database_url
from webui.realtime.sockets import Sockets
from webui.services.accounts import Accounts
from webui.services.attempts import Attempts
from webui.services.audit_search import AuditSearch
from webui.services.hosts import Hosts
from webui.services.operations import Operations
from webui.services.teams import Teams
from webui.services.tokens import Tokens
from webui.services.users import Users

_LOG = logging.getLogger(__name__)
DIST = Path(__file__).resolve().parent.parent / "static" / "dist"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process owns, made once, passed on by name."""

    settings: Settings
    database: Database
    accounts: Accounts
    audit: Audit
    hosts: Hosts
    operations: Operations
    authenticator: Authenticator
    teams: Teams
    tokens: Tokens
    users: Users


def create_parts(settings: Settings) -> Parts:
    """Open the (migrated) database and make the services on it."""
    database = Database(database_url(settings))
    accounts = Accounts(database, Attempts())
    accounts.ensure_default_team()
    hosts = Hosts(database, settings)
    hosts.load()
    operations = Operations(database)
    operations.recover()
    return Parts(
        settings=settings,
        database=database,
        accounts=accounts,
        audit=Audit(database),
        hosts=hosts,
        operations=operations,
        authenticator=Authenticator(accounts, settings.web_origin),
        teams=Teams(database, accounts.changed),
        tokens=Tokens(database, accounts.changed),
        users=Users(database, accounts.changed),
    )


def create_app(parts: Parts, files: dict[str, pages.Page]) -> tuple[Flask, Sockets]:
    """Return the Flask application and its Socket.IO side; MissingRule if an endpoint has no rule."""
    app = Flask("berth", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.max_body
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for blueprint in (
        session_api.blueprint(parts.accounts, parts.authenticator),
        tokens_api.blueprint(parts.tokens),
        teams_api.blueprint(parts.teams, parts.accounts, parts.hosts, parts.authenticator),
        users_api.blueprint(parts.users, parts.accounts),
        audit_api.blueprint(parts.audit, AuditSearch(parts.database)),
        hosts_api.blueprint(parts.hosts),
        operations_api.blueprint(parts.operations, parts.hosts),
        spec.blueprint(),
        pages.blueprint(files),
    ):
        app.register_blueprint(blueprint)
    guard.install(app, parts.authenticator, parts.audit)
    guard.check_rules(app)
    _shape_errors(app)
    spec.bind(app)
    sockets = Sockets(parts.accounts, parts.audit, parts.hosts, parts.operations, parts.authenticator)
    sockets.init_app(app)
    return app, sockets


def _shape_errors(app: Flask) -> None:
    @app.errorhandler(WebError)
    def refused(error: WebError) -> Response:
        response = make_response(error.body, error.status)
        if error.retry_after:
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        return make_response({"message": error.description or error.name}, error.code or 500)

    @app.errorhandler(Exception)
    def failed(_error: Exception) -> Response:
        _LOG.exception("request failed")
        return make_response({"message": "internal error; the web tier's log has it"}, 500)

    @app.after_request
    def secure(response: Response) -> Response:
        for name, value in pages.SECURITY_HEADERS:
            response.headers.setdefault(name, value)
        if response.mimetype == "application/json":
            response.headers.setdefault("Cache-Control", "no-store")
        return response
