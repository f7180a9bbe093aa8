"""The rule of every engine path: which verb it needs. A path that no rule names is refused.

Paths are matched decoded and without the version prefix; `{id}` is one segment, `{name}` may hold slashes. What was
matched is what is forwarded: the gateway quotes the decoded path again, so no second reading of it exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from webui.access import Verb
from webui.errors import NotFound

_V, _O, _D, _A = Verb.VIEW, Verb.OPERATE, Verb.DEPLOY, Verb.ADMIN


@dataclass(frozen=True, slots=True)
class Rule:
    """One engine route: `hijack` may become a raw stream, `redact` hides environment values from viewers,
    `reveals` names query parameters that make the answer tell them, `origin` needs the same-origin check on GET too.
    """

    method: str
    path: str
    verb: Verb
    hijack: bool = False
    redact: str = ""
    reveals: tuple[str, ...] = ()
    origin: bool = False


def _rows(table: str, verb: Verb) -> list[Rule]:
    found = []
    for line in table.split("\n"):
        methods, _, path = line.strip().partition(" ")
        found += [Rule(method, path.strip(), verb) for method in methods.split(",") if path]
    return found


_VIEW = """
    GET /version
    GET /info
    GET /events
    GET /system/df
    GET /berth/usage
    GET /berth/builds
    GET /berth/builds/{id}
    GET /berth/builds/{id}/log
    GET /berth/logs
    GET /berth/logs/search
    GET /berth/logs/lines
    GET /berth/logs/context
    GET /berth/logs/histogram
    GET /berth/logs/export
    GET /berth/logs/stream
    GET /berth/logs/policy
    GET /berth/journal
    GET /berth/machine
    GET /containers/json
    GET /containers/{id}/logs
    GET /containers/{id}/changes
    GET /containers/{id}/stats
    POST /containers/{id}/wait
    GET /exec/{id}/json
    GET /images/json
    GET /berth/images/{name}/tree
    GET /berth/images/{name}/origin
    GET /berth/images/{name}/waste
    GET /berth/images/{name}/diff
    GET /berth/containers/{id}/tree
    GET /berth/containers/{id}/origin
    GET /berth/containers/{id}/waste
    GET /berth/containers/{id}/diff
    GET /volumes
    GET /volumes/{id}
    GET /networks
    GET /networks/{id}
"""
_OPERATE = """
    POST /containers/{id}/start
    POST /containers/{id}/stop
    POST /containers/{id}/restart
    POST /containers/{id}/kill
    POST /containers/{id}/pause
    POST /containers/{id}/unpause
    POST /containers/{id}/resize
    POST /containers/{id}/exec
    POST /exec/{id}/resize
    GET,HEAD,PUT /containers/{id}/archive
    GET /berth/containers/{id}/files
    GET /containers/{id}/export
    GET /berth/images/{name}/file
    GET /berth/containers/{id}/file
"""
_DEPLOY = """
    POST /containers/create
    POST /containers/prune
    POST /containers/{id}/update
    POST /containers/{id}/rename
    DELETE /containers/{id}
    DELETE /containers/{id}/{alias}
    POST /commit
    POST /auth
    POST /build
    POST /build/cancel
    POST /build/prune
    POST /berth/builds/{id}/cancel
    DELETE /berth/builds/{id}
    POST /images/create
    POST /images/load
    POST /images/prune
    POST /images/{name}/push
    POST /images/{name}/tag
    DELETE /images/{name}
    GET /images/get
    GET /images/{name}/get
    GET /distribution/{name}/json
    GET /images/search
    POST /volumes/create
    POST /volumes/prune
    DELETE /volumes/{id}
    POST /networks/create
    POST /networks/prune
    POST /networks/{id}/connect
    POST /networks/{id}/disconnect
    DELETE /networks/{id}
"""
_ADMIN = """
    GET /berth/policy/preview
    PUT /volumes/{id}
    GET /plugins
    GET /plugins/privileges
    POST /plugins/pull
    POST /plugins/create
    GET /plugins/{name}/json
    DELETE /plugins/{name}
    POST /plugins/{name}/enable
    POST /plugins/{name}/disable
    POST /plugins/{name}/upgrade
    POST /plugins/{name}/push
    POST /plugins/{name}/set
    GET /nodes
    GET,DELETE /nodes/{id}
    POST /nodes/{id}/update
    GET /swarm
    POST /swarm/init
    POST /swarm/join
    POST /swarm/leave
    POST /swarm/update
    GET /swarm/unlockkey
    POST /swarm/unlock
    GET /services
    POST /services/create
    GET,DELETE /services/{id}
    POST /services/{id}/update
    GET /services/{id}/logs
    GET /tasks
    GET /tasks/{id}
    GET /tasks/{id}/logs
    GET /secrets
    POST /secrets/create
    GET,DELETE /secrets/{id}
    POST /secrets/{id}/update
    GET /configs
    POST /configs/create
    GET,DELETE /configs/{id}
    POST /configs/{id}/update
"""
ENGINE_RULES: Sequence[Rule] = (
    Rule("GET", "/_ping", Verb.PUBLIC),
    Rule("HEAD", "/_ping", Verb.PUBLIC),
    Rule("GET", "/containers/{id}/json", _V, redact="container"),
    Rule("GET", "/containers/{id}/top", _V, reveals=("ps_args",)),  # `ps e` prints environments
    Rule("GET", "/images/{name}/json", _V, redact="image"),
    Rule("GET", "/images/{name}/history", _V, redact="history"),
    Rule("GET", "/berth/images/{name}/layers", _V, redact="layers"),
    Rule("GET", "/berth/containers/{id}/layers", _V, redact="layers"),
    Rule("POST", "/containers/{id}/attach", _O, hijack=True),
    Rule("GET", "/containers/{id}/attach/ws", _O, hijack=True, origin=True),
    Rule("POST", "/exec/{id}/start", _O, hijack=True),
    Rule("POST", "/session", _D, hijack=True),
    Rule("POST", "/grpc", _D, hijack=True),
    Rule("PUT", "/berth/logs/policy", Verb.MANAGE),
    Rule("DELETE", "/berth/logs/{id}", Verb.MANAGE),
    *_rows(_VIEW, _V),
    *_rows(_OPERATE, _O),
    *_rows(_DEPLOY, _D),
    *_rows(_ADMIN, _A),
)

_READS = ("/containers/{id}/archive", "/containers/{id}/export", "/images/get", "/images/{name}/get",
          "/containers/{id}/files", "/containers/{id}/attach/ws", "/secrets/{id}", "/configs/{id}")  # fmt: skip
_NOUNS = {"containers": "container", "images": "image", "volumes": "volume", "networks": "network", "exec": "exec"}
_WORDS = {"DELETE": "remove", "GET": "read", "HEAD": "read", "PUT": "write", "POST": "change"}


def is_recorded(rule: Rule, verb: Verb) -> bool:
    """Return whether a request goes on record even if allowed: changes, and what reads files or secrets."""
    if rule.method in ("GET", "HEAD"):
        return rule.path in _READS or verb is Verb.REVEAL
    return rule.verb not in (Verb.VIEW, Verb.PUBLIC)


def action_of(rule: Rule) -> str:
    """Return the record's word for a rule: `container.start`, `exec.create`, `file.read`."""
    path = rule.path.removeprefix("/berth")
    fixed = [part for part in path.split("/") if part and not part.startswith("{")]
    if fixed[-1] == "archive":
        return f"file.{_WORDS[rule.method]}"
    if rule.path == "/containers/{id}/exec":
        return "exec.create"
    if rule.path == "/images/create":
        return "image.pull"
    noun = _NOUNS.get(fixed[0], fixed[0])
    return f"{noun}.{fixed[-1] if len(fixed) > 1 else _WORDS[rule.method]}"


_VERSION = re.compile(r"^/v(\d{1,2})\.(\d{1,3})(?=/)")
_SEGMENT = re.compile(r"[^/\x00-\x1f\x7f]+")
_QUOTED = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Target:
    """An engine path that a rule allows: the version asked for (None: unversioned), the path to forward, its rule."""

    version: tuple[int, int] | None
    path: str
    rule: Rule


def parse_target(method: str, raw_path: str) -> Target:
    """Return the target of a request to `/engine/<host>` + raw_path; NotFound for whatever no rule names."""
    refused = NotFound("page not found")
    if _QUOTED.search(raw_path) or not raw_path.isascii():
        raise refused
    try:
        path = unquote(raw_path, errors="strict")
    except UnicodeDecodeError:
        raise refused from None
    version = None
    if found := _VERSION.match(path):
        version = (int(found[1]), int(found[2]))
        path = path[found.end() :]
    segments = path.split("/")[1:]
    if not path.startswith("/") or not all(_SEGMENT.fullmatch(s) and s not in (".", "..") for s in segments):
        raise refused
    if "%" in path or "\\" in path:
        raise refused
    rule = _find(method, path)
    if rule is None:
        raise refused
    return Target(version, quote(path, safe="/:@!$&'()*+,;=~"), rule)


def _find(method: str, path: str) -> Rule | None:
    return next((rule for pattern, rule in _COMPILED.get(method, ()) if pattern.fullmatch(path)), None)


def _compile(rules: Sequence[Rule]) -> Mapping[str, list[tuple[re.Pattern[str], Rule]]]:
    """Rules by method, fixed paths before `{id}` before `{name}`, so that the order of the table doesn't matter."""
    table: dict[str, list[tuple[re.Pattern[str], Rule]]] = {}
    for rule in sorted(rules, key=lambda r: (r.path.count("{name}"), r.path.count("{"))):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(rule.path).replace(r"\{name\}", ".+"))
        table.setdefault(rule.method, []).append((re.compile(pattern), rule))
    return table


_COMPILED = _compile(ENGINE_RULES)
