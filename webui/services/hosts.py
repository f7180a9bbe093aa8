"""Hosts: the engines that this web tier drives. The first, `local`, is the embedded one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import insert, select

from config.contract import DEFAULT_NAMESPACE, WEB_SOCKET
from config.settings import Settings
from webui.access import Actor, Resource, Role, Verb, can
from webui.client.engine import Caller, Engine
from webui.errors import NotFound, WebError
from webui.models.database import Database
from webui.models.tables import HOSTS
from webui.times import now_ms

LOCAL = "local"
GRANTS_ALL = "*"
_SYSTEM = "berth-web"


@dataclass(frozen=True, slots=True)
class Host:
    """An engine as last seen. `kind` is `berth` or `docker`; only the former keeps teams apart."""

    id: str
    name: str
    url: str
    kind: str = "unknown"
    healthy: bool = False
    version: str = ""
    api_version: str = ""
    error: str = "not reached yet"

    @property
    def isolated(self) -> bool:
        """Whether teams can't see each other there; unknown counts as no."""
        return self.kind == "berth"


class Hosts:
    """Finds hosts, knows their health, makes clients for callers."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._db = database
        self._local = f"unix://{settings.run_root / WEB_SOCKET}"
        self._hosts: dict[str, Host] = {}
        self._listeners: list[Callable[[Host], None]] = []

    def load(self) -> None:
        """Read the table; make the row of the local host if it is missing."""
        rows = self._db.read(select(HOSTS))
        if not any(row.id == LOCAL for row in rows):
            self._db.write(insert(HOSTS), {"id": LOCAL, "name": LOCAL, "url": "", "created_ms": now_ms()})
            rows = self._db.read(select(HOSTS))
        self._hosts = {row.id: Host(row.id, row.name, row.url or self._local) for row in rows}

    def on_change(self, listener: Callable[[Host], None]) -> None:
        """Call `listener` with a host whose health or version changed."""
        self._listeners.append(listener)

    def list_(self) -> list[Host]:
        """Return all hosts."""
        return list(self._hosts.values())

    def get(self, host_id: str) -> Host:
        """Return a host, or raise NotFound."""
        try:
            return self._hosts[host_id]
        except KeyError:
            raise NotFound(f"no host {host_id!r}") from None

    def resource(self, host_id: str, team: str) -> Resource:
        """Return what `access.can` needs to know about something of a team on a host."""
        return Resource(team=team, isolated=self.get(host_id).isolated, host=host_id)

    def engine(self, host_id: str, actor: Actor, team: str) -> Engine:
        """Return a client of the host's engine that speaks for this user in this team."""
        return Engine(self.get(host_id).url, caller(actor, team))

    def watcher(self, host_id: str, namespace: str) -> Engine:
        """Return a client for what the web tier itself watches, in one namespace."""
        return Engine(self.get(host_id).url, Caller(namespace, _SYSTEM))

    def check(self, host_id: str) -> Host:
        """Ask the engine for its version; note and tell its health."""
        host = self.get(host_id)
        try:
            version = self.watcher(host_id, DEFAULT_NAMESPACE).call("GET", "/version", timeout=10)
            seen = replace(
                host,
                kind=_kind(version),
                healthy=True,
                version=str(version.get("Version", "")),
                api_version=str(version.get("ApiVersion", "")),
                error="",
            )
        except WebError as error:
            seen = replace(host, healthy=False, error=error.message)
        return self._note(seen)

    def lost(self, host_id: str, reason: str) -> None:
        """Note that the engine stopped answering."""
        self._note(replace(self.get(host_id), healthy=False, error=reason))

    def _note(self, seen: Host) -> Host:
        before = self._hosts.get(seen.id)
        self._hosts[seen.id] = seen
        if before != seen:
            for listener in self._listeners:
                listener(seen)
        return seen


def caller(actor: Actor, team: str) -> Caller:
    """Return whom the engine hears of, and what they may ask of the host: an administrator anything (a token only if
    it is for that), a deployer what the team was given, others a plain container."""
    if can(actor, Verb.ADMIN):
        return Caller(team, actor.name, GRANTS_ALL)
    deployer = actor.roles.get(team, Role.VIEWER) >= Role.DEPLOYER and team not in actor.archived
    return Caller(team, actor.name, ",".join(sorted(actor.grants.get(team, ()))) if deployer else "")


def team_of(actor: Actor, wanted: str = "") -> str:
    """Return the team a request is about: the one asked for, else the user's only or first, else the default.

    Whether the user may do anything there is `access.can`'s to say.
    """
    if wanted:
        return wanted
    if actor.scope.teams:
        return min(actor.scope.teams)
    if DEFAULT_NAMESPACE in actor.roles or actor.admin or not actor.roles:
        return DEFAULT_NAMESPACE
    return min(actor.roles)


def _kind(version: Any) -> str:
    platform = version.get("Platform") or {} if isinstance(version, dict) else {}
    return "berth" if str(platform.get("Name", "")).lower().startswith("berth") else "docker"


def render(host: Host) -> dict[str, Any]:
    """Return a host as the API and the live channel show it (its address stays ours)."""
    shown = ("id", "name", "kind", "healthy", "version", "api_version", "error")
    return {name: getattr(host, name) for name in shown}
