"""The OpenAPI document, made of the routes' own models; validation errors in the one error shape."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, jsonify
from spectree import SpecTree

from config.contract import PRODUCT_VERSION
from webui.errors import Invalid
from webui.gateway.api.models import Failure


def _refuse(_request: Any, _response: Any, error: Any, _instance: Any, _adapter: Any = None) -> None:
    if error is None:
        return
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    raise Invalid(f"{field or 'body'}: {first['msg']}", field=field)


SPEC = SpecTree(
    "flask",
    before=_refuse,
    validation_error_status=400,
    validation_error_model=Failure,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
    title="Berth",
    version=PRODUCT_VERSION,
    mode="strict",
)


def blueprint() -> Blueprint:
    """Return the route of the document."""
    routes = Blueprint("openapi", __name__, url_prefix="/api/v1")

    @routes.get("/openapi.json")
    def document() -> Response:
        """The OpenAPI 3.1 document."""
        return jsonify(SPEC.spec)

    return routes


def bind(app: Flask) -> None:
    """Make the document of `app`'s routes now (nothing is left for the first request)."""
    SPEC.app = app
    with app.app_context():
        SPEC.__dict__.pop("_spec", None)
        _ = SPEC.spec
