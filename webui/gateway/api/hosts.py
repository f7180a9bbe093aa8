"""`/hosts`: the engines and their health."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from spectree import Response as Answer

from webui.gateway.api.models import HostInfo
from webui.gateway.api.spec import SPEC
from webui.services.hosts import Hosts, render


def blueprint(hosts: Hosts) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("hosts", __name__, url_prefix="/api/v1")

    @routes.get("/hosts")
    @SPEC.validate(resp=Answer(HTTP_200=list[HostInfo]), tags=["hosts"])
    def list_hosts() -> Any:
        """All hosts as last seen."""
        return jsonify([render(host) for host in hosts.list_()])

    return routes
