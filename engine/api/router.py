"""Routes, the call a handler gets and the reply it gives; finding the one for the other.

A path template has literal segments, `{name}` for one segment and at most one `{name:.*}` for any number of them
(image names hold slashes). Literal segments win over variables. Every path also exists under `/v1.NN`.
Handlers raise `engine.errors`; the table of `api.errors` makes the answer.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qs, unquote

from config import contract
from config.log import request_id
from config.settings import Settings
from engine import errors
from engine.api import codec, streams
from engine.api.errors import ClientGone, status_of
from engine.values import Scope, Surface

Headers = Iterable[tuple[str, str]]
Handler = Callable[["Call"], "Reply"]
BOTH = frozenset((Surface.ADMIN, Surface.WEB))

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}\Z")
_VERSION = re.compile(r"v(\d+)\.(\d+)\Z")
_log = logging.getLogger(__name__)


class Hijacked(Protocol):
    """The bare connection after an upgrade. `recv` gives b"" once the client has closed its side."""

    def recv(self, size: int = 65536) -> bytes: ...
    def sendall(self, data: bytes) -> None: ...
    def shutdown_write(self) -> None: ...
    def close(self) -> None: ...


class Exchange(Protocol):
    """One request as the server read it, and what the server can do for its answer."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    surface: Surface

    @property
    def body(self) -> BinaryIO: ...
    def hijack(self, content_type: str) -> Hijacked: ...
    def take(self, head: bytes) -> Hijacked: ...
    def on_gone(self, callback: Callable[[], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path template with their handler; `since` is the API version that brought it."""

    method: str
    path: str
    handler: Handler
    since: str = "1.24"
    surfaces: frozenset[Surface] = BOTH


class Reply:
    """An answer: status, headers and a body that is bytes, an iterator of bytes, or a file sent to its end."""

    __slots__ = ("body", "content_type", "headers", "status", "taken")

    def __init__(
        self,
        status: int,
        body: bytes | Iterator[bytes] | BinaryIO = b"",
        content_type: str = "",
        headers: Headers = (),
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self.taken = False

    @staticmethod
    def json(value: Any, status: int = 200, headers: Headers = ()) -> Reply:
        """Answer with a JSON document."""
        return Reply(status, streams.dump(value), "application/json", headers)

    @staticmethod
    def empty(status: int = 204, headers: Headers = ()) -> Reply:
        """Answer without a body."""
        return Reply(status, b"", "", headers)

    @staticmethod
    def text(value: str, status: int = 200, headers: Headers = ()) -> Reply:
        """Answer with plain text."""
        return Reply(status, value.encode(), "text/plain; charset=utf-8", headers)

    @staticmethod
    def stream(chunks: Iterator[bytes], content_type: str, status: int = 200, headers: Headers = ()) -> Reply:
        """Answer with chunks as they come; the head is sent before the first is asked for. A generator is closed."""
        return Reply(status, chunks, content_type, headers)

    @staticmethod
    def file(source: BinaryIO, content_type: str, status: int = 200, headers: Headers = ()) -> Reply:
        """Answer with an open file (a real one) from its position to its end; the server closes it."""
        return Reply(status, source, content_type, headers)

    @staticmethod
    def hijacked() -> Reply:
        """Say that the handler has answered by itself on the hijacked connection."""
        reply = Reply(101)
        reply.taken = True
        return reply

    @staticmethod
    def error(error: errors.BerthError) -> Reply:
        """Answer with an error's status and message; 304 has no body."""
        status = status_of(error)
        return Reply.empty(304) if status == 304 else Reply.json({"message": str(error)}, status)


class Call:
    """One request on its way to a handler: who asks, in which version, for what."""

    __slots__ = ("_exchange", "_limit", "_query", "path", "scope", "version")

    def __init__(
        self, exchange: Exchange, scope: Scope, version: tuple[int, int], path: Mapping[str, str], max_body: int
    ) -> None:
        self._exchange = exchange
        self._limit = max_body
        self._query: dict[str, list[str]] | None = None
        self.scope = scope
        self.version = version
        self.path = path

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers; names are in lower case."""
        return self._exchange.headers

    @property
    def body(self) -> BinaryIO:
        """Return the body, read as it arrives (chunked or by length)."""
        return self._exchange.body

    def header(self, name: str, default: str = "") -> str:
        """Return one header by its name in any case."""
        return self._exchange.headers.get(name.lower(), default)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return every value of a query parameter."""
        if self._query is None:
            raw = self._exchange.query
            self._query = parse_qs(raw, keep_blank_values=True, max_num_fields=1000) if raw else {}
        return tuple(self._query.get(name, ()))

    def text(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        values = self.texts(name)
        return values[0] if values else default

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean query parameter, as Docker reads booleans."""
        values = self.texts(name)
        return codec.parse_flag(values[0]) if values else default

    def integer(self, name: str, default: int = 0) -> int:
        """Return an integer query parameter; absent and empty are the default."""
        value = self.text(name)
        return codec.parse_integer(name, value) if value else default

    def optional_integer(self, name: str) -> int | None:
        """Return an integer query parameter; absent and empty are None."""
        value = self.text(name)
        return codec.parse_integer(name, value) if value else None

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Return Docker's `filters` parameter."""
        return codec.parse_filters(self.text("filters"))

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object; an empty body is an empty object, a too large one InvalidArgument."""
        parts, size = [], 0
        while size <= self._limit and (part := self.body.read(65536)):
            parts.append(part)
            size += len(part)
        if size > self._limit:
            raise errors.InvalidArgument(f"request body is too large: the limit is {self._limit} bytes")
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if size and kind not in ("application/json", ""):
            raise errors.InvalidArgument(f"unsupported Content-Type header ({kind}): must be 'application/json'")
        return codec.parse_object(b"".join(parts))

    def fields(self) -> codec.Fields:
        """Return the body's JSON object for typed reading."""
        return codec.Fields(self.json())

    def registry_auth(self) -> dict[str, Any]:
        """Return the credentials in X-Registry-Auth (base64url of JSON); {} if there are none or they are unreadable.

        Docker takes an unreadable header as anonymous, so we do.
        """
        text = self.header("x-registry-auth")
        try:
            value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, binascii.Error):
            return {}
        return value if isinstance(value, dict) else {}

    def hijack(self, content_type: str = streams.RAW) -> Hijacked:
        """Send the answer's head (101 if the client asked for an upgrade, else 200) and return the bare connection.

        The handler returns `Reply.hijacked()` in the end. Body bytes not read before are part of the stream.
        """
        return self._exchange.hijack(content_type)

    def take(self, head: bytes) -> Hijacked:
        """Send a whole head that the handler has made (of another protocol) and return the bare connection."""
        return self._exchange.take(head)

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Run `callback` (once, on another thread, must not block) when the client has closed the connection."""
        self._exchange.on_gone(callback)


class _Node:
    __slots__ = ("children", "routes", "variable")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.routes: dict[str, tuple[Route, tuple[str, ...], tuple[int, int]]] = {}


class Router:
    """Finds a route by method and path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self._greedy: list[tuple[re.Pattern[str], Route, tuple[int, int]]] = []
        for route in routes:
            self._add(route)
        self._greedy.sort(key=lambda item: -len(item[1].path))

    def _add(self, route: Route) -> None:
        since = _parse_version(route.since)
        if ":.*}" in route.path:
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(route.path).replace(r":\.\*\}", ":.*}"))
            pattern = re.sub(r"\\{(\w+):\.\*}", r"(?P<\1>.+)", pattern)
            self._greedy.append((re.compile(pattern + r"\Z", re.DOTALL), route, since))
            return
        node, names = self._root, []
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.variable = node = node.variable or _Node()
            else:
                node = node.children.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.routes[route.method] = (route, tuple(names), since)

    def find(
        self, method: str, path: str, version: tuple[int, int], surface: Surface
    ) -> tuple[Route, Mapping[str, str]] | None:
        """Return the route and its variables; None if there is none for this caller."""
        segments = path.strip("/").split("/")
        entry = _walk(self._root, segments, 0, (), method)
        if entry is not None:
            (route, names, since), values = entry
            if since <= version and surface in route.surfaces:
                return route, dict(zip(names, values, strict=True))
        for pattern, route, since in self._greedy:
            if route.method == method and since <= version and surface in route.surfaces:
                match = pattern.match(path)
                if match:
                    return route, match.groupdict()
        return None


def _walk(node: _Node, segments: list[str], index: int, values: tuple[str, ...], method: str) -> Any:
    if index == len(segments):
        entry = node.routes.get(method)
        return (entry, values) if entry else None
    segment = segments[index]
    child = node.children.get(segment)
    if child is not None:
        found = _walk(child, segments, index + 1, values, method)
        if found is not None:
            return found
    if node.variable is not None and segment:
        return _walk(node.variable, segments, index + 1, (*values, segment), method)
    return None


def _parse_version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


class App:
    """Answers exchanges: version, scope, route, handler, errors. Never raises."""

    def __init__(self, routes: Sequence[Route], max_body: int) -> None:
        self._router = Router(routes)
        self._max_body = max_body
        self._newest = _parse_version(contract.API_VERSION)
        self._oldest = _parse_version(contract.MIN_API_VERSION)
        self._serial = itertools.count(1)

    def __call__(self, exchange: Exchange) -> Reply:
        """Return the reply to one request."""
        rid = exchange.headers.get("berth-request-id") or f"r{next(self._serial)}"
        token = request_id.set(rid[:64])
        try:
            return self._dispatch(exchange)
        except errors.BerthError as error:
            if status_of(error) == 500:
                _log.warning("%s %s failed: %s", exchange.method, exchange.path, error)
            return Reply.error(error)
        except ClientGone:
            raise
        except Exception:
            _log.exception("%s %s failed", exchange.method, exchange.path)
            return Reply.json({"message": f"internal error: see the engine's log at request {rid[:64]}"}, 500)
        finally:
            request_id.reset(token)

    def _dispatch(self, exchange: Exchange) -> Reply:
        path = exchange.path
        if "%" in path:
            path = unquote(path)
        version = self._newest
        if path.startswith("/v"):
            prefix, slash, rest = path[1:].partition("/")
            match = _VERSION.match(prefix)
            if match:
                version = self._checked_version(int(match[1]), int(match[2]))
                path = slash + rest
        found = self._router.find(exchange.method, path, version, exchange.surface)
        if found is None:
            raise errors.NotFound("page not found")
        route, variables = found
        return route.handler(Call(exchange, scope_of(exchange), version, variables, self._max_body))

    def _checked_version(self, major: int, minor: int) -> tuple[int, int]:
        version = (major, minor)
        if version > self._newest:
            raise errors.InvalidArgument(
                f"client version {major}.{minor} is too new. Maximum supported API version is {contract.API_VERSION}"
            )
        if version < self._oldest:
            raise errors.InvalidArgument(
                f"client version {major}.{minor} is too old. Minimum supported API version is "
                f"{contract.MIN_API_VERSION}, please upgrade your client to a newer version"
            )
        return version


def scope_of(exchange: Exchange) -> Scope:
    """Return who asks, from the socket and the Berth-* headers; the web socket must name a namespace."""
    headers = exchange.headers
    namespace = headers.get("berth-namespace", "")
    if not namespace:
        if exchange.surface is Surface.WEB:
            raise errors.InvalidArgument(f"the {contract.HEADER_NAMESPACE} header is missing")
        namespace = contract.DEFAULT_NAMESPACE
    elif namespace != contract.ALL_NAMESPACES and not _NAMESPACE.match(namespace):
        raise errors.InvalidArgument(f"invalid {contract.HEADER_NAMESPACE} header: {namespace!r}")
    actor = headers.get("berth-actor", "") or ("root" if exchange.surface is Surface.ADMIN else "web")
    grants = frozenset(grant.strip() for grant in headers.get("berth-grants", "").split(",") if grant.strip())
    return Scope(namespace=namespace, actor=actor[:255], grants=grants, surface=exchange.surface)


def build_app(routes: Sequence[Route], settings: Settings) -> App:
    """Return the application of all routes."""
    return App(routes, settings.max_body)
