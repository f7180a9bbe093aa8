"""The live channel: Socket.IO events, each with its rule; who is connected, and what they still may see.

The session is checked before the handshake, each subscribe by `access.can`, and everything again each second and
whenever a session or role is taken away: sockets of an ended session are closed, subscriptions that lost their right
end. Handlers are registered below Flask-SocketIO's wrapper: its request context costs more than the work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
from flask import Flask
from flask_socketio import SocketIO

from webui.access import Actor, Resource, Verb, can, narrowed
from webui.audit import Audit, Entry
from webui.errors import Forbidden, Invalid, TooMany, Unauthenticated, WebError
from webui.gateway import naming
from webui.gateway.auth import Authenticator
from webui.realtime import parameters, shim
from webui.realtime.health import HostHealth
from webui.realtime.hub import Hub, Subscription
from webui.realtime.terminals import Terminal, Terminals
from webui.realtime.topics import Topics
from webui.services.accounts import Accounts
from webui.services.hosts import Host, Hosts, render, team_of
from webui.services.operations import Operations, State

_LOG = logging.getLogger(__name__)
_RECHECK_S = 1.0
_MAX_SOCKETS_PER_SESSION = 32
_MAX_SUBSCRIPTIONS = 256
_MAX_MESSAGE = 1 << 20
EVENT_RULES: Mapping[str, Verb] = {
    "subscribe": Verb.SELF,  # the topic's verb is checked in `topics`
    "unsubscribe": Verb.SELF,
    "ack": Verb.SELF,
    "terminal.open": Verb.OPERATE,
    "terminal.input": Verb.OPERATE,
    "terminal.resize": Verb.OPERATE,
    "terminal.close": Verb.OPERATE,
    "terminal.attach": Verb.OPERATE,
}


@dataclass(eq=False, slots=True)
class Connection:
    """One browser's socket: whose, and what it watches."""

    sid: str
    actor: Actor
    address: str = ""
    subscriptions: dict[int, tuple[Subscription, Verb, Resource]] = field(default_factory=dict)


class Sockets:
    """The Socket.IO side of the web tier."""

    def __init__(
        self, accounts: Accounts, audit: Audit, hosts: Hosts, operations: Operations, authenticator: Authenticator
    ) -> None:
        shim.install()
        self._accounts, self._audit, self._hosts = accounts, audit, hosts
        self._operations = operations
        self._authenticator = authenticator
        self._connections: dict[str, Connection] = {}
        origins = [authenticator.origin] if authenticator.origin else None
        self._socketio = SocketIO(
            async_mode="gevent",
            cors_allowed_origins=origins,
            transports=["websocket"],
            max_http_buffer_size=_MAX_MESSAGE,
            ping_interval=25,
            ping_timeout=20,
        )
        self.hub = Hub(self._emit)
        self._topics = Topics(self.hub, hosts, operations)
        self._terminals = Terminals(self._emit, self._queued)
        self._health = HostHealth(hosts)
        hosts.on_change(self._host_changed)
        accounts.on_change(lambda: gevent.spawn(self._guarded_recheck))

    def init_app(self, app: Flask) -> None:
        """Put Socket.IO in front of the application and register the events."""
        self._socketio.init_app(app)
        server = self._socketio.server
        handlers: dict[str, Callable[[Connection, dict[str, Any]], Any]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "ack": self._ack,
            "terminal.open": self._terminal_open,
            "terminal.input": self._terminal_input,
            "terminal.resize": self._terminal_resize,
            "terminal.close": self._terminal_close,
            "terminal.attach": self._terminal_attach,
        }
        if set(handlers) != set(EVENT_RULES):
            raise RuntimeError("socket events and their rules differ")
        server.on("connect", self._connect)
        server.on("disconnect", self._disconnect)
        for name, handler in handlers.items():
            server.on(name, self._event(name, handler))

    def start(self) -> None:
        """Begin the checks of rights and of hosts' health."""
        gevent.spawn(self._recheck_for_ever)
        self._health.start()

    def refusal(self, environ: dict[str, Any]) -> tuple[str, str] | None:
        """Return why this request may not become a socket (status, text), or None; the actor is left in `environ`."""
        if "transport=websocket" not in str(environ.get("QUERY_STRING", "")):
            return "400 Bad Request", "websocket transport only"

        def header(name: str) -> str:
            return str(environ.get("HTTP_" + name.upper().replace("-", "_"), ""))

        if self._authenticator.comes_from_elsewhere(header):
            return "403 Forbidden", "cross-site request refused"
        secret = self._authenticator.session_secret(header)
        actor = self._accounts.by_session(secret) if secret else None
        if actor is None:
            return "401 Unauthorized", "sign in first"
        of_session = sum(c.actor.credential == actor.credential for c in self._connections.values())
        if of_session >= _MAX_SOCKETS_PER_SESSION:
            return "429 Too Many Requests", "too many sockets of one session"
        environ["berth.actor"] = actor
        return None

    # connections

    def _connect(self, sid: str, environ: dict[str, Any], _auth: Any = None) -> bool:
        actor = environ.get("berth.actor")
        if actor is None:
            return False
        self._connections[sid] = Connection(sid, actor, str(environ.get("REMOTE_ADDR", "")))
        return True

    def _disconnect(self, sid: str, _reason: Any = None) -> None:
        connection = self._connections.pop(sid, None)
        if connection:
            for subscription, _, _ in connection.subscriptions.values():
                self.hub.unsubscribe(subscription)
            self._terminals.left(sid)

    def _event(self, name: str, handler: Callable[[Connection, dict[str, Any]], Any]) -> Callable[..., Any]:
        def handle(sid: str, data: Any = None, *_rest: Any) -> Any:
            try:
                return handler(self._connection(sid), _object(name, data))
            except WebError as error:
                return {"error": {"status": error.status, **error.body}}
            except Exception:
                _LOG.exception("socket event failed event=%s", name)
                return {"error": {"status": 500, "message": "internal error; the web tier's log has it"}}

        return handle

    def _connection(self, sid: str) -> Connection:
        connection = self._connections.get(sid)
        if connection is None:
            raise Unauthenticated("sign in first")
        return connection

    def _emit(self, event: str, data: dict[str, Any], sids: list[str]) -> None:
        self._socketio.server.emit(event, data, to=sids if len(sids) > 1 else sids[0])

    def _queued(self, sid: str) -> int:
        server = self._socketio.server
        socket = server.eio.sockets.get(server.manager.eio_sid_from_sid(sid, "/"))
        return int(socket.queue.qsize()) if socket else 0

    # topics

    def _subscribe(self, connection: Connection, data: dict[str, Any]) -> dict[str, Any]:
        if len(connection.subscriptions) >= _MAX_SUBSCRIPTIONS:
            raise TooMany("too many subscriptions on one socket")
        topic = self._topics.find(connection.actor, data)
        self._permit(connection.actor, topic.verb, topic.resource)
        subscription = self.hub.subscribe(connection.sid, topic.key, topic.make)
        connection.subscriptions[subscription.number] = (subscription, topic.verb, topic.resource)
        # Our answer is queued when this returns; a greenlet spawned now runs after that.
        gevent.spawn(self._topics.begin, subscription, data)
        return {"sub": subscription.number}

    def _unsubscribe(self, connection: Connection, data: dict[str, Any]) -> dict[str, Any]:
        found = connection.subscriptions.pop(parameters.number(data, "sub", 0, 1 << 53), None)
        if found:
            self.hub.unsubscribe(found[0])
        return {}

    def _ack(self, connection: Connection, data: dict[str, Any]) -> None:
        found = connection.subscriptions.get(parameters.number(data, "sub", 0, 1 << 53))
        if found:
            self.hub.acknowledge(found[0], parameters.number(data, "n", 1, 1000))

    # terminals

    def _terminal_open(self, connection: Connection, data: dict[str, Any]) -> dict[str, Any]:
        actor, request = connection.actor, parameters.terminal(data)
        team = team_of(actor, parameters.text(data, "team"))
        host_id = request["host"]
        path, about = f"/containers/{request['id']}/exec", str(request["id"])
        place = (connection.address, "", host_id, team)
        entry = Entry(actor, Verb.OPERATE, "TERMINAL", path, *place, "exec.terminal", about)
        engine = self._hosts.engine(host_id, actor, team)
        try:
            resource = self._hosts.resource(host_id, team)
            if narrowed(actor, Verb.OPERATE, team) and not can(actor, Verb.OPERATE, resource):
                request["id"], resource = naming.container(engine, request["id"], resource)
            self._permit(actor, Verb.OPERATE, resource)
        except Forbidden as error:
            self._audit.record(entry, allowed=False, status=error.status)
            raise
        record = self._audit.record(entry, allowed=True)
        try:
            terminal = self._terminals.open(actor, resource, connection.sid, engine, request)
        except WebError as error:
            self._audit.finish(record, error.status)
            raise
        self._audit.finish(record, 101)
        if connection.sid not in self._connections:
            self._terminals.left(connection.sid)
        gevent.spawn(self._terminals.follow, terminal)
        return {"term": terminal.id, "exec_id": terminal.exec_id}

    def _terminal_input(self, connection: Connection, data: dict[str, Any]) -> None:
        self._terminals.input(connection.actor, parameters.text(data, "term"), parameters.text(data, "data"))

    def _terminal_resize(self, connection: Connection, data: dict[str, Any]) -> dict[str, Any]:
        columns, rows = parameters.number(data, "cols", 1, 1000), parameters.number(data, "rows", 1, 1000)
        self._terminals.resize(connection.actor, parameters.text(data, "term"), columns, rows)
        return {}

    def _terminal_close(self, connection: Connection, data: dict[str, Any]) -> dict[str, Any]:
        self._terminals.close(connection.actor, parameters.text(data, "term"))
        return {}

    def _terminal_attach(self, connection: Connection, data: dict[str, Any]) -> dict[str, Any]:
        term = parameters.text(data, "term")
        gevent.spawn(self._terminals.attach(connection.actor, term, connection.sid))
        return {"term": term}

    # rights

    def _permit(self, actor: Actor, verb: Verb, resource: Resource) -> None:
        if not can(actor, verb, resource):
            raise Forbidden(f"your role in team {resource.team!r} does not allow this")

    def _recheck_for_ever(self) -> None:
        while True:
            gevent.sleep(_RECHECK_S)
            self._guarded_recheck()

    def _guarded_recheck(self) -> None:
        try:
            self.recheck()
        except Exception:
            _LOG.exception("check of live sockets failed")

    def recheck(self) -> None:
        """Close what lost its session or right."""
        connections, terminals = list(self._connections.values()), self._terminals.list_()
        jobs = self._operations.living()
        known = [c.actor for c in connections] + [t.actor for t in terminals]
        known += [actor for _, actor in jobs if actor.via == "token"]
        if not known and not jobs:
            return
        present = self._accounts.refresh(known)
        for connection in connections:
            actor = present.get((connection.actor.via, connection.actor.credential))
            if actor is None:
                self._throw_out(connection)
            else:
                self._end_forbidden(connection, actor)
        for terminal in terminals:
            if not self._still(terminal, present.get((terminal.actor.via, terminal.actor.credential))):
                self._terminals.end(terminal)
        self._end_forbidden_jobs(jobs, present)

    def _end_forbidden_jobs(self, jobs: list[tuple[State, Actor]], present: Mapping[tuple[str, str], Actor]) -> None:
        """A job started in a browser outlives the session, not the user's right; one of a token dies with it."""
        users = self._accounts.actors(sorted({actor.id for _, actor in jobs if actor.via == "cookie"}))
        for job, actor in jobs:
            now = users.get(actor.id) if actor.via == "cookie" else present.get((actor.via, actor.credential))
            if not can(now, Verb.DEPLOY, self._hosts.resource(job["host"], job["namespace"])):
                self._end_job(job, actor)

    def _end_job(self, job: State, actor: Actor) -> None:
        try:
            self._operations.cancel(job["namespace"], job["id"])
        except WebError:
            return  # it has just ended
        place = (job["host"], job["namespace"], "operation.revoked", job["title"])
        entry = Entry(actor, Verb.DEPLOY, "CANCEL", f"/operations/{job['id']}", "", "", *place)
        self._audit.record(entry, allowed=False, status=403)

    def _still(self, terminal: Terminal, actor: Actor | None) -> bool:
        return can(actor, Verb.OPERATE, terminal.resource)

    def _end_forbidden(self, connection: Connection, actor: Actor) -> None:
        connection.actor = actor
        for number, (subscription, verb, resource) in list(connection.subscriptions.items()):
            if not can(actor, verb, resource):
                del connection.subscriptions[number]
                self.hub.unsubscribe(subscription)
                self._emit("end", {"sub": number, "error": "your right to see this was taken away"}, [connection.sid])

    def _throw_out(self, connection: Connection) -> None:
        server = self._socketio.server
        eio_sid = server.manager.eio_sid_from_sid(connection.sid, "/")
        server.disconnect(connection.sid)
        gevent.spawn_later(0.2, server.eio.disconnect, eio_sid)

    def _host_changed(self, host: Host) -> None:
        sids = list(self._connections)
        if sids:
            self._emit("host", render(host), sids)


def _object(name: str, data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Invalid(f"{name} takes an object")
    return data
