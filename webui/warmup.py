"""Loads what Python and its libraries would import later: after root is dropped the code may be unreadable."""

from __future__ import annotations

import encodings.idna
import importlib
import pkgutil

import gevent
import gevent.resolver.thread
import sqlalchemy.dialects
from argon2 import PasswordHasher

_PACKAGES = ("webui", "config", "engineio", "socketio", "flask", "werkzeug", "simple_websocket", "wsproto", "h11")
_MODULES = (
    "engineio.async_drivers.gevent", "engineio.async_drivers._websocket_wsgi",
    "encodings.ascii", "encodings.latin_1", "encodings.utf_8", "encodings.utf_8_sig", "http.cookies", "json.tool",
    "multiprocessing", "psycopg", "queue", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite",
    "stringprep", "traceback", "linecache", "tempfile", "uuid", "zoneinfo",
)  # fmt: skip
_SKIPPED = (
    "__main__", "async_", "asyncio", "debug", "reloader", "kombu", "redis", "kafka", "zmq", "aiopika", "eventlet",
    "uwsgi", "sanic", "tornado", "aiohttp", "asgi", "test", "admin", "pubsub", "msgpack",
)  # fmt: skip


def load_everything() -> None:
    """Import every module that a request could need, and warm what loads lazily."""
    for name in _PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not any(part in module.name for part in _SKIPPED):
                importlib.import_module(module.name)
    for name in _MODULES:
        importlib.import_module(name)
    gevent.get_hub().threadpool.apply(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash, ("warm",))
    _ = (encodings.idna, gevent.resolver.thread, sqlalchemy.dialects)
