"""Who may do what: one pure function for HTTP, Socket.IO and the docker CLI alike.

A team's members have a role; roles are ordered (viewer < operator < deployer < owner). A platform administrator is
above all teams. Each route, socket topic and engine path declares the `Verb` it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Role(IntEnum):
    """A member's role in a team; a higher one includes the lower ones."""

    VIEWER = 1
    OPERATOR = 2
    DEPLOYER = 3
    OWNER = 4

    @property
    def label(self) -> str:
        """The role's name in the API and the database."""
        return self.name.lower()


class Verb(StrEnum):
    """What a request wants to do."""

    PUBLIC = "public"
    """Anybody, signed in or not."""
    SELF = "self"
    """Any signed-in user, about themselves."""
    VIEW = "view"
    """See lists, state, logs, usage; no environment values."""
    REVEAL = "reveal"
    """See environment values."""
    OPERATE = "operate"
    """Start, stop, exec, attach, read and write files of what is there."""
    DEPLOY = "deploy"
    """Create, remove, update, build, pull, push."""
    MANAGE = "manage"
    """Members and settings of a team."""
    ADMIN = "admin"
    """The platform: hosts, swarm, plugins, all teams."""


_LEAST: Mapping[Verb, Role] = {
    Verb.VIEW: Role.VIEWER,
    Verb.REVEAL: Role.OPERATOR,
    Verb.OPERATE: Role.OPERATOR,
    Verb.DEPLOY: Role.DEPLOYER,
    Verb.MANAGE: Role.OWNER,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user as the gateway knows them; `roles` by team name, `via` is cookie or token."""

    id: str
    name: str
    admin: bool = False
    roles: Mapping[str, Role] = field(default_factory=dict)
    via: str = "cookie"
    credential: str = ""
    """Id of the session or token used."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked about: something of a team, on a host.

    `isolated` says whether the host keeps teams apart (a Berth engine does, a plain Docker engine can't).
    """

    team: str = ""
    isolated: bool = True


PLATFORM = Resource()


def can(actor: Actor | None, verb: Verb, resource: Resource = PLATFORM) -> bool:
    """Return whether `actor` (None: not signed in) may do `verb` on `resource`. Pure; unknown means no."""
    if verb is Verb.PUBLIC:
        return True
    if actor is None:
        return False
    if verb is Verb.SELF or actor.admin:
        return True
    if verb is Verb.ADMIN or not resource.isolated:
        return False
    role = actor.roles.get(resource.team)
    return role is not None and verb in _LEAST and role >= _LEAST[verb]
