"""`app.py web`: migrate, bind, drop root, serve until a signal. `app.py` has gevent-patched the process before."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

import gevent
from gevent import pywsgi
from sqlalchemy.exc import SQLAlchemyError

from config import log
from config.settings import Settings
from webui import privileges, warmup
from webui.factory import DIST, create_app, create_parts
from webui.gateway import pages
from webui.gateway.engine import EngineGateway
from webui.gateway.live import LiveStreams
from webui.models.database import database_url, migrate
from webui.server import create_server, listen
from webui.services import audit_stream

_LOG = logging.getLogger(__name__)
_RECHECK_S = 1.0
_EXPIRE_S = 3600.0


def run(settings: Settings) -> int:
    """Serve the web tier until SIGTERM or SIGINT; return the process's exit status."""
    log.configure(settings.log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        server = _prepare(settings)
    except (privileges.PrivilegeError, OSError, SQLAlchemyError, ValueError) as error:
        sys.stderr.write(f"berth web: {error}\n")
        return 1
    _on_signals(server)
    server.serve_forever()
    _LOG.info("web tier stopped")
    return 0


def _prepare(settings: Settings) -> pywsgi.WSGIServer:
    user = privileges.find_user(settings.web_user) if os.geteuid() == 0 else None
    folder = settings.data_root / "web"
    folder.mkdir(parents=True, exist_ok=True)
    if migrate(database_url(settings)):
        _LOG.info("database migrated")
    listener = listen(settings.web_bind)
    warmup.load_everything()
    files = pages.load(DIST)
    if user:
        privileges.hand_over(folder, user)
        privileges.drop(user)
    parts = create_parts(settings)
    audit_stream.attach(parts.audit, settings.audit_file, settings.audit_syslog)
    app, sockets = create_app(parts, files)
    live = LiveStreams(parts.accounts)
    gateway = EngineGateway(parts.hosts, parts.authenticator, parts.audit, live)
    server = create_server(listener, app, sockets, gateway)
    parts.accounts.on_change(lambda: gevent.spawn(live.recheck))
    gevent.spawn(_every, _RECHECK_S, live.recheck)
    gevent.spawn(_every, _EXPIRE_S, lambda: audit_stream.expire(parts.audit, settings.audit_days))
    sockets.start()
    _announce(settings, listener.getsockname(), parts.accounts)
    return server


def _every(seconds: float, action: Any) -> None:
    while True:
        gevent.sleep(seconds)
        try:
            action()
        except Exception:
            _LOG.exception("periodic work failed")


def _announce(settings: Settings, address: Any, accounts: Any) -> None:
    host, port = address[0], address[1]
    shown = f"[{host}]" if ":" in host else host
    origin = settings.web_origin or f"http://{shown}:{port}"
    sys.stdout.write(f"Berth is on {origin}\n")
    if accounts.setup_required():
        sys.stdout.write(f"Set it up: {origin}/setup?token={accounts.new_setup_token()}\n")
    sys.stdout.flush()


def _on_signals(server: pywsgi.WSGIServer) -> None:
    def stop(_number: int, _frame: FrameType | None = None) -> None:
        server.stop_accepting()
        gevent.spawn(server.stop, 0.5)

    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop, number)
