"""`/operations`: jobs of the caller's team."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify, make_response, request
from spectree import Response as Answer

from webui.access import Verb, can
from webui.errors import Forbidden, Invalid
from webui.gateway.api.models import Failure, NewOperation, Operation
from webui.gateway.api.spec import SPEC
from webui.gateway.guard import actor
from webui.services.hosts import Hosts
from webui.services.operations import Operations, render


def blueprint(operations: Operations, hosts: Hosts) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("operations", __name__, url_prefix="/api/v1")

    @routes.get("/operations")
    @SPEC.validate(resp=Answer(HTTP_200=list[Operation]), tags=["operations"])
    def list_operations() -> Any:
        """The team's operations, newest first."""
        limit = request.args.get("limit", "50")
        if not limit.isdigit() or not 1 <= int(limit) <= 500:
            raise Invalid("limit is a number from 1 to 500", field="limit")
        return jsonify([render(state) for state in operations.list_(g.team, int(limit))])

    @routes.post("/operations")
    @SPEC.validate(resp=Answer(HTTP_202=Operation, HTTP_403=Failure), tags=["operations"])
    def create_operation(json: NewOperation) -> Any:
        """Start a job."""
        if not can(actor(), Verb.DEPLOY, hosts.resource(json.host, g.team)):
            raise Forbidden(f"your role in team {g.team!r} does not allow this on host {json.host!r}")
        engine = hosts.engine(json.host, actor(), g.team)
        params = {key: value for key, value in json.params.model_dump().items() if value}
        return make_response(render(operations.pull(engine, json.host, actor(), g.team, params)), 202)

    @routes.get("/operations/<operation_id>")
    @SPEC.validate(resp=Answer(HTTP_200=Operation, HTTP_404=Failure), tags=["operations"])
    def get_operation(operation_id: str) -> Any:
        """One operation of the team."""
        return render(operations.get(g.team, operation_id))

    @routes.post("/operations/<operation_id>/cancel")
    @SPEC.validate(resp=Answer(HTTP_202=Operation, HTTP_404=Failure, HTTP_409=Failure), tags=["operations"])
    def cancel_operation(operation_id: str) -> Any:
        """Cancel a running operation."""
        return make_response(render(operations.cancel(g.team, operation_id)), 202)

    return routes
