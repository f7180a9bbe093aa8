"""Who may do what: one pure function for HTTP, Socket.IO and the docker CLI alike, and the rule that says why.

A team's members have a role; roles are ordered (viewer < operator < deployer < owner). A member may have more than
that on things whose name matches a pattern (`web-*`). A token can narrow what its user may do, never widen it. A
platform administrator is above all teams. Each route, socket topic and engine path declares the `Verb` it needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase


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
    CREDENTIALS = "credentials"
    """A signed-in user about their sessions and tokens: never by a token, which could make itself a bigger one."""
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


LEAST: Mapping[Verb, Role] = {
    Verb.VIEW: Role.VIEWER,
    Verb.REVEAL: Role.OPERATOR,
    Verb.OPERATE: Role.OPERATOR,
    Verb.DEPLOY: Role.DEPLOYER,
    Verb.MANAGE: Role.OWNER,
}
"""The least role that each verb on something of a team takes."""
KINDS = frozenset({"container", "volume", "network"})
"""What a narrowed right can name."""
PATTERN = re.compile(r"[A-Za-z0-9_.*?/:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Right:
    """More than the role, on things of a kind (`*`: any) whose name matches a pattern."""

    role: Role
    kind: str = "*"
    pattern: str = "*"


@dataclass(frozen=True, slots=True)
class TokenScope:
    """To what a token is narrowed; empty: not in this respect."""

    verbs: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()


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
    rights: Mapping[str, tuple[Right, ...]] = field(default_factory=dict)
    """By team: what they may do beyond their role, on some things."""
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By team: what an administrator lets its deployers ask of the host."""
    archived: frozenset[str] = frozenset()
    """Teams that are kept but rest."""
    scope: TokenScope = TokenScope()


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked about: something of a team, on a host.

    `isolated` says whether the host keeps teams apart (a Berth engine does, a plain Docker engine can't). `kind` and
    `name` are empty where the whole team is meant: narrowed rights do not reach that.
    """

    team: str = ""
    isolated: bool = True
    host: str = ""
    kind: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, and the rule that says so."""

    allowed: bool
    rule: str


PLATFORM = Resource()
_NO_TEAM = (Verb.SELF, Verb.CREDENTIALS, Verb.ADMIN)


def can(actor: Actor | None, verb: Verb, resource: Resource = PLATFORM) -> bool:
    """Return whether `actor` (None: not signed in) may do `verb` on `resource`. Pure; unknown means no."""
    return decide(actor, verb, resource).allowed


def decide(actor: Actor | None, verb: Verb, resource: Resource = PLATFORM) -> Decision:
    """Return the same with its reason, which names the rule that decided."""
    if verb is Verb.PUBLIC:
        return Decision(True, "open to anybody")
    if actor is None:
        return Decision(False, "not signed in")
    if refusal := _token_refusal(actor, verb, resource):
        return Decision(False, refusal)
    if verb in (Verb.SELF, Verb.CREDENTIALS):
        return Decision(True, "one's own account")
    if actor.admin:
        return Decision(True, "platform administrator")
    if verb is Verb.ADMIN:
        return Decision(False, "for platform administrators only")
    if not resource.isolated:
        return Decision(False, "the host can't keep teams apart: for platform administrators only")
    return _in_team(actor, verb, resource)


def _token_refusal(actor: Actor, verb: Verb, resource: Resource) -> str:
    if actor.via == "cookie":
        return ""
    if verb is Verb.CREDENTIALS:
        return "sessions and tokens are for a signed-in browser, not for a token"
    scope = actor.scope
    if scope.verbs and verb is not Verb.SELF and verb.value not in scope.verbs:
        return f"the token is not for {verb.value!r}"
    if scope.teams and verb not in _NO_TEAM and resource.team not in scope.teams:
        return "the token is not for this team"
    if scope.hosts and resource.host and resource.host not in scope.hosts:
        return "the token is not for this host"
    return ""


def _in_team(actor: Actor, verb: Verb, resource: Resource) -> Decision:
    role, least = actor.roles.get(resource.team), LEAST.get(verb)
    if role is None or least is None:
        return Decision(False, "not a member of the team")
    if resource.team in actor.archived and verb is not Verb.VIEW:
        return Decision(False, "the team is archived")
    if role >= least:
        return Decision(True, f"role {role.label} in the team ({verb.value} takes {least.label})")
    for right in actor.rights.get(resource.team, ()):
        if right.role >= least and matches(right, resource):
            return Decision(True, f"role {right.role.label} on {right.kind} {right.pattern}")
    return Decision(False, f"{verb.value} takes the role {least.label}, this member is {role.label}")


def matches(right: Right, resource: Resource) -> bool:
    """Return whether a narrowed right is about this thing (never about a team as a whole)."""
    if not resource.name or right.kind not in ("*", resource.kind):
        return False
    return fnmatchcase(resource.name, right.pattern)


def narrowed(actor: Actor | None, verb: Verb, team: str) -> bool:
    """Return whether a thing's name could decide: the member has the verb on some things of the team."""
    least = LEAST.get(verb)
    if actor is None or least is None or actor.admin or team not in actor.roles:
        return False
    return any(right.role >= least for right in actor.rights.get(team, ()))
