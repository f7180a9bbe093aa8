"""The HTTP server: pywsgi, with `/engine/…` taken off before WSGI and sockets admitted by their session only."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent import pywsgi

from config.contract import PRODUCT_VERSION
from webui.gateway.engine import PREFIX, EngineGateway
from webui.gateway.exchange import Exchange
from webui.realtime.sockets import Sockets

_LOG = logging.getLogger("webui.http")
_IDLE_S = 120.0
_HEAD_S = 20.0
_FORGED = ("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR")
StartResponse = Callable[..., Any]
WSGIApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Handler(pywsgi.WSGIHandler):  # type: ignore[misc]
    """One connection: idle ones end after two minutes, heads must come within twenty seconds."""

    gateway: EngineGateway

    def read_requestline(self) -> str:
        """Wait for a request, not for ever."""
        with gevent.Timeout(_IDLE_S, False):
            return str(super().read_requestline())
        return ""

    def read_request(self, raw_requestline: str) -> bool:
        """Parse strictly: one framing, understood by everybody between the client and us alike."""
        with gevent.Timeout(_HEAD_S, ValueError("the request head came too slowly")):
            parsed = bool(super().read_request(raw_requestline))
        encodings = self.headers.get_all("transfer-encoding", [])
        if encodings and [value.strip().lower() for value in encodings] != ["chunked"]:
            raise ValueError("unsupported Transfer-Encoding")
        if len(self.headers.get_all("content-length", [])) > 1:
            raise ValueError("more than one Content-Length")
        return parsed

    def run_application(self) -> None:
        """Answer by the engine gateway or by WSGI."""
        if not self.path.startswith(PREFIX):
            super().run_application()
            if self.path.startswith("/socket.io"):
                self.close_connection = True  # what a closed websocket leaves on the line is not HTTP
            return
        self.gateway.handle(Exchange(self))

    def log_request(self) -> None:
        """Log at debug level, without the query (it may hold what is nobody's business)."""
        if _LOG.isEnabledFor(logging.DEBUG):
            path = str(self.path or "").partition("?")[0]
            _LOG.debug("%s %s %s", self.command, path, (self._orig_status or str(self.code)).split(" ")[0])


class _Environ:
    """WSGI in front of Flask and Socket.IO: forged headers out, no socket without a session."""

    def __init__(self, app: WSGIApp, sockets: Sockets) -> None:
        self._app = app
        self._sockets = sockets

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Pass one request on."""
        for name in _FORGED:
            environ.pop(name, None)
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)  # no deflate: it costs a core at 5,000 lines/s
        if str(environ.get("PATH_INFO", "")).startswith("/socket.io"):
            refusal = self._sockets.refusal(environ)
            if refusal:
                body = b'{"message": "%s"}\n' % refusal[1].encode()
                headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
                start_response(refusal[0], [*headers, ("Connection", "close")])
                return [body]
        return self._app(environ, start_response)


class _ErrorLog:
    """A file as pywsgi wants one, in front of the logger."""

    def write(self, text: str) -> None:
        """Log a line."""
        if text.strip():
            _LOG.info("%s", text.strip())

    def flush(self) -> None:
        """Nothing is kept back."""


def listen(bind: str) -> socket.socket:
    """Return a listening socket for `host:port` (port 0: any)."""
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host or "127.0.0.1", int(port)))
        sock.listen(1024)
    except BaseException:
        sock.close()
        raise
    return sock


def create_server(listener: socket.socket, app: WSGIApp, sockets: Sockets, gateway: EngineGateway) -> pywsgi.WSGIServer:
    """Return a server on `listener`; `serve_forever` runs it."""
    handler = type("BoundHandler", (Handler,), {"gateway": gateway})
    environ = {"SERVER_SOFTWARE": f"gevent/berth-{PRODUCT_VERSION}"}  # simple-websocket looks for `gevent…`
    return pywsgi.WSGIServer(
        listener, _Environ(app, sockets), handler_class=handler, log=None, error_log=_ErrorLog(), environ=environ
    )
