"""The shapes of teams, users and tokens in Berth's own API; docs/teams.md says the same."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from webui.gateway.api.models import Input

RoleName = Literal["viewer", "operator", "deployer", "owner"]
Names = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)]


class TeamInfo(BaseModel):
    """A team; `name` is its namespace in every engine, `role` the caller's own."""

    name: str
    title: str
    created: str
    archived: str | None
    members: int
    grants: list[str]
    role: RoleName | None


class NewTeam(Input):
    """A team to make."""

    name: Annotated[str, Field(max_length=40)]
    title: Annotated[str, Field(max_length=64)] = ""


class TeamChange(Input):
    """A team's new title."""

    title: Annotated[str, Field(max_length=64)]


class RightInfo(BaseModel):
    """More than the role, on things of a kind whose name matches a pattern."""

    role: Literal["operator", "deployer"]
    kind: Literal["*", "container", "volume", "network"] = "*"
    pattern: Annotated[str, Field(min_length=1, max_length=128)]


class MemberInfo(BaseModel):
    """A member of a team."""

    id: str
    name: str
    disabled: bool
    role: RoleName
    rights: list[RightInfo]


class MemberChange(Input):
    """What a member is to be."""

    role: RoleName
    rights: list[RightInfo] = []


class NewMember(MemberChange):
    """A user, by name, to take into a team."""

    name: Annotated[str, Field(max_length=64)]


class Grants(Input):
    """What a team's deployers may ask of the host beyond a plain container."""

    grants: Names


class GrantsPreview(BaseModel):
    """What would break: containers that could not be made again under these grants."""

    known: list[str]
    breaks: list[dict[str, str]]


class VerbAccess(BaseModel):
    """Whether a member may do something, and the rule that says so."""

    verb: str
    allowed: bool
    rule: str


class Access(BaseModel):
    """What a member may do, verb by verb."""

    user: str
    name: str
    team: str
    verbs: list[VerbAccess]


class UserInfo(BaseModel):
    """A user as an administrator sees them."""

    id: str
    name: str
    admin: bool
    disabled: bool
    created: str
    last_seen: str | None
    teams: list[dict[str, str]]


class NewUser(Input):
    """A user to make."""

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=1024)]
    admin: bool = False


class UserChange(Input):
    """What to change of a user."""

    admin: bool | None = None
    disabled: bool | None = None


class TokenScopeInput(Input):
    """A token to make; empty lists do not narrow it."""

    name: Annotated[str, Field(max_length=64)]
    expires_days: int = 30
    verbs: Names = []
    hosts: Names = []


class NewToken(TokenScopeInput):
    """A personal token to make."""

    teams: Names = []


class NewTeamToken(TokenScopeInput):
    """A team's token to make."""

    role: Literal["viewer", "operator", "deployer"]


class TokenInfo(BaseModel):
    """A token; `secret` is there once, when it was made. `team` and `role` are a team token's."""

    id: str
    name: str
    created: str
    created_by: str
    expires: str
    last_used: str | None
    team: str | None
    role: str | None
    verbs: list[str]
    teams: list[str]
    hosts: list[str]
    secret: str | None = None


class Connect(BaseModel):
    """The lines to paste for a docker CLI as a team member."""

    url: str
    header: str
    context: list[str]
    config: str
    environment: list[str]
    docker_py: list[str]
