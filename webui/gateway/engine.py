"""`/engine/<host>/…`: the guarded Engine API for browsers, the docker CLI and SDKs.

authenticate → rule → authorise → audit → forward. Heads are read, bodies are spliced as they are; the engine's
`Connection: close` ends the upstream side only. Identity headers are ours: what a client sends of them is dropped.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from webui.access import Actor, Resource, Verb, can, narrowed
from webui.audit import Audit, Entry
from webui.client.engine import Caller, connect
from webui.client.wire import Response, read_head
from webui.errors import EngineUnavailable, Forbidden, Invalid, NotFound, Unauthenticated, WebError
from webui.gateway import naming, splice
from webui.gateway.auth import SAFE_METHODS, Authenticator
from webui.gateway.exchange import Exchange
from webui.gateway.live import LiveStreams, Stream
from webui.gateway.redact import redact
from webui.gateway.rules import Target, action_of, is_recorded, parse_target
from webui.secrets import new_id
from webui.services.hosts import Host, Hosts, caller, team_of

_LOG = logging.getLogger(__name__)
PREFIX = "/engine/"
_FORWARDED = frozenset({"accept", "content-type", "user-agent", "x-registry-auth", "x-registry-config"})
_SESSION_HEADERS = "x-docker-expose-session-"
_DROPPED = frozenset({"connection", "keep-alive", "proxy-connection"})
_TEAM = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
# The answers come from our own origin: a container's output must never be taken for a page of ours.
_HARMLESS = (("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", "sandbox; default-src 'none'"))


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that may pass."""

    target: Target
    host: Host
    actor: Actor | None
    caller: Caller
    resource: Resource
    redact: str
    id: str


class EngineGateway:
    """Forwards what the rules allow."""

    def __init__(self, hosts: Hosts, authenticator: Authenticator, audit: Audit, live: LiveStreams) -> None:
        self._hosts = hosts
        self._authenticator = authenticator
        self._audit = audit
        self._live = live

    def handle(self, exchange: Exchange) -> None:
        """Answer one request to `/engine/…`."""
        try:
            request, audit_id = self._admit(exchange)
        except WebError as error:
            exchange.answer(error.status, error.body)
            return
        except Exception:
            _LOG.exception("gateway failed")
            exchange.answer(500, {"message": "internal error; the web tier's log has it"})
            return
        try:
            upstream, body = _open(exchange, request)
        except WebError as error:
            self._finish(audit_id, error.status)
            exchange.answer(error.status, error.body)
            return
        try:
            self._serve(exchange, request, upstream, body, audit_id)
        finally:
            body.stop()

    def _admit(self, exchange: Exchange) -> tuple[_Request, int | None]:
        """Return the request if it may pass, and its audit entry's id; a denial is recorded and raised."""
        if not exchange.http11:
            raise Invalid("the Engine API needs HTTP/1.1")
        host_id, slash, rest = exchange.path.removeprefix(PREFIX).partition("/")
        target = parse_target(exchange.method, slash + rest)
        verb = target.rule.verb
        if target.rule.reveals and not parse_qs(exchange.query, keep_blank_values=True).keys().isdisjoint(
            target.rule.reveals
        ):
            verb = Verb.REVEAL
        actor = self._authenticator.actor(exchange.header)
        team = team_of(actor, exchange.header("Berth-Team")) if actor else ""
        entry = Entry(actor, verb, exchange.method, target.path, exchange.address, new_id(), host_id, team,
                      action_of(target.rule), _about(target, exchange.query))  # fmt: skip
        recorded = is_recorded(target.rule, verb)
        try:
            host, target, resource = self._authorise(exchange, target, verb, actor, team, host_id)
        except WebError as error:
            if recorded or isinstance(error, Forbidden):
                self._audit.record(entry, allowed=False, status=error.status)
            raise
        hide = target.rule.redact if not can(actor, Verb.REVEAL, resource) else ""
        speaker = caller(actor, team) if actor else Caller(team, "")
        request = _Request(target, host, actor, speaker, resource, hide, entry.request_id)
        return request, self._audit.record(entry, allowed=True) if recorded else None

    def _authorise(
        self, exchange: Exchange, target: Target, verb: Verb, actor: Actor | None, team: str, host_id: str
    ) -> tuple[Host, Target, Resource]:
        if actor is None and verb is not Verb.PUBLIC:
            raise Unauthenticated("sign in first: send a personal token as `Authorization: Bearer …`")
        if actor and actor.via == "cookie" and (exchange.method not in SAFE_METHODS or target.rule.origin):
            self._authenticator.check_origin(exchange.header)
        if team and not _TEAM.fullmatch(team):
            raise NotFound(f"no team {team!r}")
        host = self._hosts.get(host_id)
        resource = self._hosts.resource(host_id, team)
        needed = verb if not target.rule.redact else Verb.REVEAL
        if actor and narrowed(actor, needed, team) and not can(actor, needed, resource):
            engine = self._hosts.engine(host_id, actor, team)
            target, resource = naming.resolve(engine, target, exchange.query, resource)
        if not can(actor, verb, resource):
            raise Forbidden(f"your role in team {team!r} does not allow this")
        return host, target, resource

    def _serve(
        self, exchange: Exchange, request: _Request, upstream: Response, body: splice.Body, audit_id: int | None
    ) -> None:
        self._finish(audit_id, upstream.status)
        try:
            if request.actor is None:
                _answer(exchange, request, upstream, body)
                return
            stream = Stream(request.actor, request.target.rule.verb, request.resource, upstream.close)
            with self._live.held(stream):
                _answer(exchange, request, upstream, body)
        except (OSError, WebError) as error:
            _LOG.debug("exchange ended early: %s", error)
            exchange.abandon()
        finally:
            upstream.close()

    def _finish(self, audit_id: int | None, status: int) -> None:
        if audit_id is not None:
            self._audit.finish(audit_id, status)


def _about(target: Target, query: str) -> str:
    """Return what the record says a request is about: the thing in its path, or what its query names."""
    named = parse_qs(query)
    words = [named[key][0] for key in ("name", "fromImage", "tag", "path", "repo", "container") if key in named]
    fixed = set(target.rule.path.split("/"))
    return " ".join([*(unquote(part) for part in target.path.split("/") if part not in fixed), *words])


def _open(exchange: Exchange, request: _Request) -> tuple[Response, splice.Body]:
    """Send the request to the engine and return its answer's head; a large body goes on while we read."""
    sock = connect(request.host.url)
    body = splice.Body(exchange, sock)
    try:
        sock.sendall(_head(exchange, request))
        body.start()
        head, rest = read_head(sock)
    except OSError as error:
        body.stop()
        sock.close()
        raise EngineUnavailable(f"the engine of host {request.host.id!r} went away: {error}") from error
    except BaseException:
        body.stop()
        sock.close()
        raise
    return Response(sock, head, rest, bodiless=exchange.method == "HEAD"), body


def _head(exchange: Exchange, request: _Request) -> bytes:
    if not exchange.query.isascii():
        raise Invalid("the query is not ASCII")
    target = _versioned(request) + (f"?{exchange.query}" if exchange.query else "")
    upgrade = exchange.header("Upgrade") if request.target.rule.hijack else ""
    headers = [("Host", "berth"), ("Connection", "Upgrade" if upgrade else "close")]
    if upgrade:
        headers.append(("Upgrade", upgrade))
    for name, value in exchange.headers():
        known = name.lower()
        websocket = known.startswith("sec-websocket-") and upgrade.lower() == "websocket"
        if known in _FORWARDED or known.startswith(_SESSION_HEADERS) or websocket:
            headers.append((name, value))
    if exchange.chunked:
        headers.append(("Transfer-Encoding", "chunked"))
    elif exchange.length or exchange.method in ("POST", "PUT"):
        headers.append(("Content-Length", str(exchange.length)))
    headers += request.caller.headers(request.id)
    lines = [f"{exchange.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _versioned(request: _Request) -> str:
    """Return the path with its version; our own page speaks a fixed one, lowered to what an older engine knows."""
    version = request.target.version
    if version is None:
        return request.target.path
    known = tuple(int(part) for part in request.host.api_version.split(".") if part.isdigit())
    if request.actor and request.actor.via == "cookie" and len(known) == 2:
        version = min(version, (known[0], known[1]))
    return f"/v{version[0]}.{version[1]}{request.target.path}"


def _answer(exchange: Exchange, request: _Request, upstream: Response, body: splice.Body) -> None:
    head = upstream.head
    if request.redact and head.status == 200:
        exchange.answer(200, redact(request.redact, upstream.json()), keep=True)
        return
    open_ended = not head.chunked and head.length is None
    hijacked = head.status == 101 or (request.target.rule.hijack and head.status == 200 and open_ended)
    empty = exchange.method == "HEAD" or head.status in (204, 304)
    headers = [(name, value) for name, value in head.headers if name.lower() not in _DROPPED]
    if head.status == 101:
        headers += [("Connection", "Upgrade")]
    elif not head.get("content-type") and not empty:
        headers.append(("Content-Type", "application/octet-stream"))
    headers += [pair for pair in _HARMLESS if head.status != 101]
    exchange.begin(head.status, head.reason, headers, keep_alive=empty or not (hijacked or open_ended))
    if hijacked:
        splice.both_ways(exchange, upstream, body)
    elif not empty and not splice.down(exchange, upstream, body):
        exchange.abandon()
