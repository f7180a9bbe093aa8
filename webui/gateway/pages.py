"""The UI's files: read into memory at start, served with their types, gzip and a strict content policy."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, make_response, request

from webui.errors import NotFound

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
}
_PACKED = (".html", ".js", ".mjs", ".css", ".json", ".map", ".svg", ".webmanifest", ".txt", ".wasm")
_HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.\w+$")
_MISSING = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Berth</title><h1>The dashboard is not built</h1>"
    "<p>The folder <code>static/dist</code> is missing. Run <code>make setup</code> (or <code>npm ci &amp;&amp; npm run"
    " build</code> in <code>static/</code>) and restart Berth. The API works meanwhile.</p></html>"
)
SECURITY_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """One file, ready to be sent."""

    body: bytes
    packed: bytes | None
    type: str
    etag: str
    immutable: bool


def load(folder: Path) -> dict[str, Page]:
    """Return every file of the built UI by its path; empty if there is none."""
    if not (folder / "index.html").is_file():
        return {}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): _read(path) for path in files}


def _read(path: Path) -> Page:
    body = path.read_bytes()
    small = gzip.compress(body, 9, mtime=0) if path.suffix in _PACKED else None
    return Page(
        body=body,
        packed=small if small and len(small) < len(body) else None,
        type=_TYPES.get(path.suffix, "application/octet-stream"),
        etag=hashlib.sha256(body).hexdigest()[:20],
        immutable=path.parent.name == "assets" and bool(_HASHED.search(path.name)),
    )


def blueprint(pages: dict[str, Page]) -> Blueprint:
    """Return the catch-all route: a file, or the application's page for its own routes."""
    routes = Blueprint("ui", __name__)

    @routes.get("/", defaults={"path": ""})
    @routes.get("/<path:path>")
    def page(path: str) -> Response:
        """Serve a file of the UI."""
        if path.startswith(("api/", "engine/", "socket.io")):
            raise NotFound("no such route")
        if not pages:
            return make_response(_MISSING, 503, {"Content-Type": "text/html; charset=utf-8"})
        found = pages.get(path)
        if found is None and "." in path.rpartition("/")[2]:
            raise NotFound("no such file")
        return _answer(found or pages["index.html"])

    return routes


def _answer(found: Page) -> Response:
    headers = {
        "Content-Type": found.type,
        "Cache-Control": "public, max-age=31536000, immutable" if found.immutable else "no-cache",
        "ETag": f'"{found.etag}"',
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return make_response("", 304, headers)
    if found.packed and "gzip" in request.headers.get("Accept-Encoding", ""):
        return make_response(found.packed, 200, {**headers, "Content-Encoding": "gzip"})
    return make_response(found.body, 200, headers)
