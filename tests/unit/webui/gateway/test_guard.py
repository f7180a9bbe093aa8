"""A route without a rule stops the start."""

from __future__ import annotations

import pytest
from flask import Flask

from webui.gateway import guard


def app_with_every_rule() -> Flask:
    app = Flask("test", static_folder=None)
    for number, endpoint in enumerate(guard.ENDPOINT_RULES):
        app.add_url_rule(f"/{number}", endpoint, lambda: "")
    return app


def test_rules_and_endpoints_that_match_pass() -> None:
    guard.check_rules(app_with_every_rule())


def test_a_route_without_a_rule_is_refused_at_start() -> None:
    app = app_with_every_rule()
    app.add_url_rule("/forgotten", "forgotten", lambda: "")
    with pytest.raises(guard.MissingRule, match="forgotten"):
        guard.check_rules(app)


def test_a_rule_without_a_route_is_refused_at_start() -> None:
    app = Flask("test", static_folder=None)
    with pytest.raises(guard.MissingRule, match="has no endpoint"):
        guard.check_rules(app)
