"""Operations: jobs with an id, an owner, progress, a log and a cancel, that outlive the page that started them.

A job's row is the record; while it runs its newest state is in memory and written at most once a second. A restart
of the web tier ends what ran: its rows become `failed` with that reason.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent
from sqlalchemy import insert, select, update

from webui import secrets
from webui.access import Actor
from webui.client.engine import Engine
from webui.client.wire import Response
from webui.errors import Conflict, NotFound, WebError
from webui.models.database import Database
from webui.models.tables import OPERATIONS
from webui.services.pull import PullProgress, pull_query
from webui.times import now_ms, rfc3339

_LOG = logging.getLogger(__name__)
_SAVE_EVERY_S = 1.0
_TELL_EVERY_S = 0.25
_KEEP_RUNNING = ("queued", "running")
_RESTARTED = "the web tier was restarted while this ran; start it again"
State = dict[str, Any]
"""An operation as its row: column name → value."""


class Operations:
    """Starts, follows and cancels jobs."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._jobs: dict[str, _Pull] = {}
        self._actors: dict[str, Actor] = {}
        self._listeners: list[Callable[[State], None]] = []

    def recover(self) -> None:
        """Mark what a former process left running as failed."""
        self._db.write(
            update(OPERATIONS)
            .where(OPERATIONS.c.state.in_(_KEEP_RUNNING))
            .values(state="failed", error=_RESTARTED, finished_ms=now_ms())
        )

    def on_change(self, listener: Callable[[State], None]) -> None:
        """Call `listener` with each operation that changed."""
        self._listeners.append(listener)

    def list_(self, namespace: str, limit: int = 100) -> list[State]:
        """Return the team's operations, newest first, running ones with their present progress."""
        newest = OPERATIONS.c.created_ms.desc(), OPERATIONS.c.id
        rows = self._db.read(
            select(OPERATIONS).where(OPERATIONS.c.namespace == namespace).order_by(*newest).limit(limit)
        )
        return [self._present(dict(row._mapping)) for row in rows]

    def get(self, namespace: str, operation_id: str) -> State:
        """Return one operation of the team, or raise NotFound."""
        own = OPERATIONS.c.id == operation_id, OPERATIONS.c.namespace == namespace
        row = self._db.one(select(OPERATIONS).where(*own))
        if row is None:
            raise NotFound("no such operation")
        return self._present(dict(row._mapping))

    def pull(self, engine: Engine, host: str, actor: Actor, namespace: str, params: Mapping[str, str]) -> State:
        """Start pulling an image; the work goes on whoever watches."""
        query = pull_query(params["image"], params.get("platform", ""))
        state: State = {
            "id": secrets.new_id(),
            "kind": "pull",
            "title": f"Pull {params['image']}",
            "host": host,
            "owner": actor.name,
            "namespace": namespace,
            "params": dict(params),
            "state": "queued",
            "created_ms": now_ms(),
            "started_ms": None,
            "finished_ms": None,
            "error": "",
            "progress": {"layers": [], "current": 0, "total": 0},
            "log": [],
        }
        self._db.write(insert(OPERATIONS), state)
        job = _Pull(state, engine, query, self._save, self._tell)
        self._jobs[state["id"]] = job
        self._actors[state["id"]] = actor
        job.greenlet = gevent.spawn(job.run)
        job.greenlet.link(lambda _: (self._jobs.pop(state["id"], None), self._actors.pop(state["id"], None)))
        self._tell(state)
        return state

    def cancel(self, namespace: str, operation_id: str) -> State:
        """Cancel a running operation: its connection to the engine is closed. Conflict if it is over."""
        state = self.get(namespace, operation_id)
        job = self._jobs.get(operation_id)
        if job is None or state["state"] not in _KEEP_RUNNING:
            raise Conflict(f"the operation is over: {state['state']}")
        job.cancel()
        return state

    def living(self) -> list[tuple[State, Actor]]:
        """Return the operations that wait or run, with who started each (the check of rights)."""
        return [(job.state, self._actors[key]) for key, job in list(self._jobs.items()) if key in self._actors]

    def _present(self, row: State) -> State:
        job = self._jobs.get(row["id"])
        return job.state if job else row

    def _save(self, state: State) -> None:
        changed = {key: state[key] for key in ("state", "started_ms", "finished_ms", "error", "progress", "log")}
        self._db.write(update(OPERATIONS).where(OPERATIONS.c.id == state["id"]).values(**changed))

    def _tell(self, state: State) -> None:
        for listener in self._listeners:
            listener(state)


class _Pull:
    """One pull in its greenlet."""

    def __init__(
        self,
        state: State,
        engine: Engine,
        query: Mapping[str, str],
        save: Callable[[State], None],
        tell: Callable[[State], None],
    ) -> None:
        self.state = state
        self.greenlet: gevent.Greenlet | None = None
        self._engine, self._query = engine, query
        self._save, self._tell = save, tell
        self._socket: socket.socket | None = None
        self._cancelled = False
        self._progress = PullProgress()
        self._saved = self._told = 0.0

    def run(self) -> None:
        """Pull, and note how it ended."""
        self._move(state="running", started_ms=now_ms())
        error = ""
        try:
            with self._engine.stream("POST", "/images/create", self._query, self._connected) as response:
                error = self._follow(response)
        except WebError as failure:
            error = failure.message
        except OSError as failure:
            error = f"the engine went away: {failure}"
        except Exception:
            _LOG.exception("operation failed id=%s", self.state["id"])
            error = "internal error; the web tier's log has it"
        outcome = "cancelled" if self._cancelled else "failed" if error else "done"
        self._move(state=outcome, error="" if self._cancelled else error, finished_ms=now_ms())

    def cancel(self) -> None:
        """End the pull, wherever it waits."""
        self._cancelled = True
        if self._socket:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has just ended

    def _connected(self, sock: socket.socket) -> None:
        self._socket = sock
        if self._cancelled:
            raise OSError("cancelled")

    def _follow(self, response: Response) -> str:
        for block in response.blocks():
            if self._progress.feed(block):
                self._note()
        self._progress.feed(b"\n")
        return self._progress.error or ("" if self._progress.finished else "the engine ended the pull half-way")

    def _note(self) -> None:
        self.state = {**self.state, "progress": self._progress.render(), "log": list(self._progress.log)}
        now = time.monotonic()
        if now - self._saved >= _SAVE_EVERY_S:
            self._saved = now
            self._save(self.state)
        if now - self._told >= _TELL_EVERY_S:
            self._told = now
            self._tell(self.state)

    def _move(self, **changes: Any) -> None:
        progress = {"progress": self._progress.render(), "log": list(self._progress.log)}
        self.state = {**self.state, **progress, **changes}
        self._save(self.state)
        self._tell(self.state)


def render(state: State) -> dict[str, Any]:
    """Return an operation as the API and the live channel show it."""
    same = ("id", "kind", "title", "host", "owner", "namespace", "state", "error", "progress", "log")
    times = {name: rfc3339(state[f"{name}_ms"]) for name in ("created", "started", "finished")}
    return {**{name: state[name] for name in same}, **times}
