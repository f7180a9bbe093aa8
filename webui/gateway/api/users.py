"""`/users`: for platform administrators."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, make_response
from spectree import Response as Answer

from webui.gateway.api.models import Failure
from webui.gateway.api.spec import SPEC
from webui.gateway.api.team_models import NewUser, UserChange, UserInfo
from webui.gateway.guard import note
from webui.services.accounts import Accounts
from webui.services.users import Users


def blueprint(users: Users, accounts: Accounts) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("users", __name__, url_prefix="/api/v1/users")

    @routes.get("")
    @SPEC.validate(resp=Answer(HTTP_200=list[UserInfo]), tags=["users"])
    def list_users() -> Any:
        """All users, with their teams and when they were last seen."""
        return jsonify(users.list_())

    @routes.post("")
    @SPEC.validate(resp=Answer(HTTP_201=UserInfo, HTTP_409=Failure), tags=["users"])
    def create_user(json: NewUser) -> Any:
        """Make a user with a first password; they are in no team yet."""
        note(target=json.name, admin=json.admin)
        return make_response(users.get(accounts.create_user(json.name, json.password, admin=json.admin)), 201)

    @routes.patch("/<user_id>")
    @SPEC.validate(resp=Answer(HTTP_200=UserInfo, HTTP_404=Failure, HTTP_409=Failure), tags=["users"])
    def change_user(user_id: str, json: UserChange) -> Any:
        """Disable or enable a user, make them an administrator or not."""
        before = users.get(user_id)
        changes = {key: [before[key], value] for key, value in json.model_dump().items() if value is not None}
        note(target=before["name"], **changes)
        users.change(user_id, admin=json.admin, disabled=json.disabled)
        return users.get(user_id)

    return routes
