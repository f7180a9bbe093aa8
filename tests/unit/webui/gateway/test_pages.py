"""The UI's files: types, gzip, caching, the application's page for its own routes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from webui.errors import NotFound
from webui.gateway import pages

INDEX = "<!doctype html><title>Berth</title>" + " " * 500


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "assets" / "index-B4xD9a2f.js").write_text("export const a = 1;" * 100)
    (tmp_path / "logo.svg").write_text("<svg/>")
    app = Flask("test", static_folder=None)
    app.register_blueprint(pages.blueprint(pages.load(tmp_path)))
    app.register_error_handler(NotFound, lambda error: (error.body, 404))
    return app.test_client()


def test_a_hashed_file_is_kept_for_ever_and_packed(client: FlaskClient) -> None:
    answer = client.get("/assets/index-B4xD9a2f.js", headers={"Accept-Encoding": "gzip, br"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert gzip.decompress(answer.data).startswith(b"export const")
    assert client.get("/assets/index-B4xD9a2f.js").data.startswith(b"export const")


@pytest.mark.parametrize("path", ["/", "/containers", "/containers/abc/logs", "/setup?token=x"])
def test_routes_of_the_application_get_its_page(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.text == INDEX
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_page_that_is_still_good_is_not_sent_again(client: FlaskClient) -> None:
    tag = client.get("/").headers["ETag"]
    assert client.get("/", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("path", ["/nosuch.js", "/assets/../../etc/passwd.txt", "/api/nosuch", "/engine", "/engine/x"])
def test_what_is_not_there_is_not_the_page(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 or path == "/engine"


def test_without_a_built_ui_the_page_says_what_to_do(tmp_path: Path) -> None:
    app = Flask("test", static_folder=None)
    app.register_blueprint(pages.blueprint(pages.load(tmp_path)))
    answer = app.test_client().get("/")
    assert answer.status_code == 503
    assert "make setup" in answer.text
