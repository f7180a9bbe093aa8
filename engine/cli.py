"""The engine as a program: checks, mount namespace, one instance a run root, signals. `app.py engine` calls `run`."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO

from config import log
from config.settings import Settings
from engine.errors import BerthError, Conflict, Forbidden
from engine.kernel.ns_exec import enter_mount_namespace
from engine.storage.paths import Paths

_log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Run the engine until SIGTERM or SIGINT; return the exit status: 0 stopped, 1 refused or failed.

    Call it while the process has one thread.
    """
    log.configure(settings.log_level)
    try:
        if os.geteuid() != 0:
            raise Forbidden("the engine must run as root: it makes mounts, network namespaces and cgroups")
        paths = Paths(Path(settings.data_root).absolute(), Path(settings.run_root).absolute())
        paths.ensure()
        with _only_instance(paths.run_root / "engine.pid"):
            enter_mount_namespace(paths.mount_namespace)
            os.chdir(paths.run_root)  # conmon writes a file `oom` where it is: not into the host's root
            _serve(settings, paths)
    except (BerthError, OSError) as error:
        _log.debug("the engine failed", exc_info=True)
        print(f"berth engine: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _serve(settings: Settings, paths: Paths) -> None:
    from engine.daemon import Daemon  # after the namespace is entered: imports may start threads

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with Daemon(settings, paths) as daemon:
        daemon.start()
        _log.info("engine ready socket=%s", daemon.admin_socket)
        stop.wait()
        _log.info("engine stopping; containers go on")


def _only_instance(path: Path) -> IO[str]:
    """Return the locked pid file; Conflict if another engine holds it. Closing it frees the lock."""
    holder = path.open("a+")
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder.seek(0)
        pid = holder.read().strip()
        holder.close()
        raise Conflict(f"another engine (pid {pid}) runs on {path.parent}") from None
    holder.seek(0)
    holder.truncate()
    holder.write(f"{os.getpid()}\n")
    holder.flush()
    return holder
