"""The shapes of Berth's own API (pydantic); docs/realtime.md and openapi.json say the same."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Input(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Failure(BaseModel):
    """Every error's body."""

    message: str
    field: str | None = None


class Membership(BaseModel):
    """A user's role in a team: `name` is what `Berth-Team` takes."""

    name: str
    role: Literal["viewer", "operator", "deployer", "owner"]


class User(BaseModel):
    """The signed-in user."""

    id: str
    name: str
    admin: bool
    teams: list[Membership]


class Session(BaseModel):
    """What the UI asks first."""

    user: User | None
    setup_required: bool
    version: str


class Credentials(Input):
    """A sign-in."""

    name: Annotated[str, Field(max_length=256)]
    password: Annotated[str, Field(max_length=1024)]


class Setup(Credentials):
    """The first administrator, with the one-time token."""

    token: Annotated[str, Field(max_length=256)]


class SessionInfo(BaseModel):
    """One of the user's sessions."""

    id: str
    created: str
    last_seen: str
    address: str
    agent: str
    current: bool


class HostInfo(BaseModel):
    """An engine as last seen."""

    id: str
    name: str
    kind: str
    healthy: bool
    version: str
    api_version: str
    error: str


class PullParams(Input):
    """What to pull."""

    image: Annotated[str, Field(min_length=1, max_length=512)]
    platform: Annotated[str, Field(max_length=64)] = ""


class NewOperation(Input):
    """A job to start."""

    kind: Literal["pull"]
    host: str = "local"
    params: PullParams


class Operation(BaseModel):
    """A job: progress is `{layers: [{id, status, current, total}], current, total}`."""

    id: str
    kind: str
    title: str
    host: str
    owner: str
    namespace: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    created: str
    started: str | None
    finished: str | None
    error: str
    progress: dict[str, Any]
    log: list[str]
