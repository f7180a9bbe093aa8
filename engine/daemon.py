"""The composition root: every store, adapter and service is made here, top to bottom, and closed in reverse."""

from __future__ import annotations

import grp
import hashlib
import logging
import pwd
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from config import contract
from config.settings import Settings
from engine.api.router import build_app
from engine.api.server import Listen, Server
from engine.api_table import routes
from engine.assembly import Assembly
from engine.containers.model import Container
from engine.storage.paths import Paths
from engine.values import Surface

_log = logging.getLogger(__name__)


class Daemon:
    """The running engine. A context: leaving it stops the engine and leaves the containers."""

    def __init__(self, settings: Settings, paths: Paths) -> None:
        self._settings = settings
        self._paths = paths
        self._stack = ExitStack()
        self.admin_socket = paths.run_root / contract.ADMIN_SOCKET

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self) -> None:
        """Open the state, make records and kernel agree, and serve."""
        assembly = Assembly(self._settings, self._paths, instance_name(self._settings), self._stack)
        due = assembly.recover()
        server = Server(build_app(routes(assembly, self._paths), self._settings), self._listens())
        server.start()
        self._stack.callback(server.close)
        threading.Thread(target=self._after_start, args=(assembly, due), name="after-start", daemon=True).start()

    def _after_start(self, assembly: Assembly, due: list[Container]) -> None:
        """What need not hold the sockets up: containers that policies want running."""
        for container in due:
            assembly.lifecycle.resume_after_boot(container)

    def _listens(self) -> tuple[Listen, ...]:
        web = self._paths.run_root / contract.WEB_SOCKET
        gid = web_gid(self._settings.web_user)
        return (
            Listen(self.admin_socket, Surface.ADMIN, 0o600),
            Listen(web, Surface.WEB, 0o660 if gid is not None else 0o600, gid),
        )


def instance_name(settings: Settings) -> str:
    """Return the name that tells this instance's bridges, nft table and cgroups from another's: 8 characters."""
    return settings.instance or hashlib.sha256(str(Path(settings.data_root).resolve()).encode()).hexdigest()[:8]


def web_gid(user: str) -> int | None:
    """Return the group that may use the web socket: the web user's own; None while there is no such user."""
    try:
        return pwd.getpwnam(user).pw_gid
    except KeyError:
        try:
            return grp.getgrnam(user).gr_gid
        except KeyError:
            _log.warning("user %s does not exist: the web tier can't reach the engine unless it runs as root", user)
            return None
