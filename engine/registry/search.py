"""Looking for repositories: in a registry's catalog (OCI distribution has no search), or by Docker Hub's own search."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin

from config.contract import DEFAULT_REGISTRY
from engine.errors import InvalidArgument, NotFound, Unavailable
from engine.refs import Reference
from engine.registry.auth import Credentials
from engine.registry.errors import explain_refusal, parse_refusal
from engine.registry.session import Session
from engine.registry.transport import Transport, read_limited

_HUB = "https://index.docker.io/v1/search"
_LIMIT = 8 << 20
_PAGES = 20
_PAGE = 1000
_HUB_ROWS = 100


@dataclass(frozen=True, slots=True)
class Found:
    """One repository as `docker search` lists it; a catalog knows the name only."""

    name: str
    description: str = ""
    stars: int = 0
    is_official: bool = False
    is_automated: bool = False


def search(transport: Transport, term: str, credentials: Credentials) -> list[Found]:
    """Return the repositories whose name has `term`; see `Registries.search`."""
    host, slash, rest = term.partition("/")
    if slash and (host == "localhost" or "." in host or ":" in host):
        if host not in (DEFAULT_REGISTRY, "index.docker.io"):
            return _catalog(transport, host, rest, credentials)
        term = rest
    return _hub(transport, term)


def _catalog(transport: Transport, host: str, text: str, credentials: Credentials) -> list[Found]:
    reference = Reference.parse(f"{host}/catalog")
    session = Session(
        transport, "", reference, credentials, actions="pull", explain=explain_refusal, scope="registry:catalog:*"
    )
    found: list[Found] = []
    path = f"/v2/_catalog?n={_PAGE}"
    for _ in range(_PAGES):
        try:
            response = session.ask("GET", session.url(path), {"Accept": "application/json"})
        except NotFound as error:
            raise Unavailable(f"registry {host} has no catalog to search in") from error
        names = _list(read_limited(response, _LIMIT), "repositories", host)
        found += [Found(f"{host}/{name}") for name in names if isinstance(name, str) and text.lower() in name]
        following = response.headers.get("Link", "").partition("<")[2].partition(">")[0]
        if not following:
            break
        path = urljoin(path, following)
    return found


def _hub(transport: Transport, term: str) -> list[Found]:
    url = f"{_HUB}?{urlencode({'q': term, 'n': _HUB_ROWS})}"
    response = transport.send("GET", url, {"Accept": "application/json"})
    data = read_limited(response, _LIMIT)
    if response.status != 200:
        raise Unavailable(f"search at {DEFAULT_REGISTRY}: {parse_refusal(response.status, data)}")
    rows = _list(data, "results", DEFAULT_REGISTRY)
    return [_row(row) for row in rows if isinstance(row, dict) and isinstance(row.get("name"), str)]


def _row(row: dict[str, Any]) -> Found:
    stars = row.get("star_count")
    return Found(
        row["name"],
        str(row.get("description") or ""),
        stars if isinstance(stars, int) else 0,
        row.get("is_official") is True,
        row.get("is_automated") is True,
    )


def _list(data: bytes, field: str, host: str) -> list[Any]:
    try:
        value = json.loads(data).get(field)
    except (ValueError, AttributeError, RecursionError) as error:
        raise Unavailable(f"search at {host}: the answer can't be read") from error
    if value is not None and not isinstance(value, list):
        raise Unavailable(f"search at {host}: the answer can't be read")
    return value or []


def select(found: list[Found], filters: dict[str, tuple[str, ...]], limit: int) -> list[Found]:
    """Return what fits Docker's filters (`is-official`, `is-automated`, `stars`), `limit` at most."""
    for name in filters:
        if name not in ("is-official", "is-automated", "stars"):
            raise InvalidArgument(f"invalid filter '{name}'")
    least = max((_whole(value) for value in filters.get("stars", ())), default=0)
    official, automated = _flag(filters, "is-official"), _flag(filters, "is-automated")
    kept = [
        row for row in found
        if row.stars >= least and official in (None, row.is_official) and automated in (None, row.is_automated)
    ]  # fmt: skip
    return kept[:limit]


def _whole(text: str) -> int:
    if not text.isdigit():
        raise InvalidArgument(f"invalid filter 'stars=[{text}]'")
    return int(text)


def _flag(filters: dict[str, tuple[str, ...]], name: str) -> bool | None:
    values = {value.lower() for value in filters.get(name, ())}
    if not values:
        return None
    if len(values) == 1 and values <= {"true", "1", "false", "0"}:
        return values <= {"true", "1"}
    raise InvalidArgument(f"invalid filter '{name}={sorted(values)}'")
