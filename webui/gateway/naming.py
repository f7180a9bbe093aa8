"""The name of what a request is about, where a narrowed right could decide by it.

Asked of the engine, in the caller's team only; what was named by a prefix or a name is then forwarded by its full id,
so that what was judged is what is done. Whatever is not about one thing (create, prune, connect) has no name here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qs, quote, unquote

from webui.access import Resource
from webui.client.engine import Engine
from webui.errors import NotFound, WebError
from webui.gateway.rules import Target

_PATH = re.compile(r"(?P<base>(?:/berth)?/(?P<noun>containers|exec|volumes|networks))/(?P<id>[^/]+)(?P<rest>/.*)?")
_WHOLE = frozenset({"/networks/{id}/connect", "/networks/{id}/disconnect"})


def resolve(engine: Engine, target: Target, query: str, resource: Resource) -> tuple[Target, Resource]:
    """Return the target by its full id, and the resource with kind and name; both as they were if it has none."""
    found = _PATH.fullmatch(target.path)
    if found is None or target.rule.path in _WHOLE or "{id}" not in target.rule.path:
        return target, resource
    noun, named = found["noun"], unquote(found["id"])
    if noun == "volumes":
        return target, replace(resource, kind="volume", name=named)
    if noun == "networks":
        network = _ask(engine, f"/networks/{quote(named, safe='')}")
        path = f"{found['base']}/{network['Id']}{found['rest'] or ''}"
        return replace(target, path=path), replace(resource, kind="network", name=network["Name"])
    if noun == "exec":
        of = _ask(engine, f"/exec/{quote(named, safe='')}/json")["ContainerID"]
        return target, container(engine, of, resource)[1]
    full, about = container(engine, named, resource)
    if target.rule.path.endswith("/rename") and parse_qs(query).get("name") != [about.name]:
        return target, resource  # a name that the pattern may not cover: the team's role decides
    return replace(target, path=f"{found['base']}/{full}{found['rest'] or ''}"), about


def container(engine: Engine, named: str, resource: Resource) -> tuple[str, Resource]:
    """Return a container's full id, and the resource with its name."""
    about = _ask(engine, f"/containers/{quote(named, safe='')}/json")
    return str(about["Id"]), replace(resource, kind="container", name=str(about["Name"]).removeprefix("/"))


def _ask(engine: Engine, path: str) -> dict[str, str]:
    try:
        answer = engine.call("GET", path)
    except WebError as error:
        raise NotFound(error.message) if error.status == 404 else error from None
    if not isinstance(answer, dict):
        raise NotFound("no such thing")
    return answer
