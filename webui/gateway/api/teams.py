"""`/teams`: teams, their members and tokens, what they may ask of a host, and why a member may do something."""

from __future__ import annotations

import json as codec
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request
from spectree import Response as Answer

from webui.access import KINDS, LEAST, Resource, Role, decide
from webui.client.engine import Caller, Engine
from webui.errors import Invalid, NotFound
from webui.gateway.api.models import Failure
from webui.gateway.api.spec import SPEC
from webui.gateway.api.team_models import (
    Access,
    Connect,
    Grants,
    GrantsPreview,
    MemberChange,
    MemberInfo,
    NewMember,
    NewTeam,
    TeamChange,
    TeamInfo,
)
from webui.gateway.auth import Authenticator
from webui.gateway.guard import actor, note
from webui.services.accounts import Accounts
from webui.services.hosts import GRANTS_ALL, LOCAL, Hosts
from webui.services.teams import Teams


def blueprint(teams: Teams, accounts: Accounts, hosts: Hosts, authenticator: Authenticator) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("teams", __name__, url_prefix="/api/v1/teams")
    _team_routes(routes, teams)
    _member_routes(routes, teams)
    _right_routes(routes, teams, accounts, hosts)
    _connect_routes(routes, hosts, authenticator)
    return routes


def _team_routes(routes: Blueprint, teams: Teams) -> None:
    @routes.get("")
    @SPEC.validate(resp=Answer(HTTP_200=list[TeamInfo]), tags=["teams"])
    def list_teams() -> Any:
        """The caller's teams; all of them for a platform administrator."""
        return jsonify(teams.list_(actor()))

    @routes.post("")
    @SPEC.validate(resp=Answer(HTTP_201=TeamInfo, HTTP_409=Failure), tags=["teams"])
    def create_team(json: NewTeam) -> Any:
        """Make a team (platform administrators)."""
        note(target=json.name)
        teams.create(json.name, json.title)
        return make_response(teams.render(json.name, actor()), 201)

    @routes.get("/<team>")
    @SPEC.validate(resp=Answer(HTTP_200=TeamInfo, HTTP_404=Failure), tags=["teams"])
    def get_team(team: str) -> Any:
        """One team."""
        return teams.render(team, actor())

    @routes.patch("/<team>")
    @SPEC.validate(resp=Answer(HTTP_200=TeamInfo, HTTP_404=Failure), tags=["teams"])
    def rename_team(team: str, json: TeamChange) -> Any:
        """Give a team another title; its name, the namespace, stays."""
        note(target=team, title=[teams.get(team).title, json.title])
        teams.rename(team, json.title)
        return teams.render(team, actor())

    @routes.post("/<team>/archive")
    @SPEC.validate(resp=Answer(HTTP_200=TeamInfo, HTTP_404=Failure), tags=["teams"])
    def archive_team(team: str) -> Any:
        """Put a team to rest: its members only look (platform administrators)."""
        note(target=team)
        teams.archive(team, archived=True)
        return teams.render(team, actor())

    @routes.post("/<team>/restore")
    @SPEC.validate(resp=Answer(HTTP_200=TeamInfo, HTTP_404=Failure), tags=["teams"])
    def restore_team(team: str) -> Any:
        """Wake an archived team (platform administrators)."""
        note(target=team)
        teams.archive(team, archived=False)
        return teams.render(team, actor())


def _member_routes(routes: Blueprint, teams: Teams) -> None:
    @routes.get("/<team>/members")
    @SPEC.validate(resp=Answer(HTTP_200=list[MemberInfo], HTTP_404=Failure), tags=["teams"])
    def list_members(team: str) -> Any:
        """A team's members."""
        return jsonify(teams.members(team))

    @routes.post("/<team>/members")
    @SPEC.validate(resp=Answer(HTTP_201=list[MemberInfo], HTTP_404=Failure), tags=["teams"])
    def add_member(team: str, json: NewMember) -> Any:
        """Take a user in, by name; answers with all members."""
        user_id = teams.find_user(json.name)
        _put(teams, team, user_id, json)
        return make_response(jsonify(teams.members(team)), 201)

    @routes.put("/<team>/members/<user_id>")
    @SPEC.validate(resp=Answer(HTTP_200=list[MemberInfo], HTTP_404=Failure, HTTP_409=Failure), tags=["teams"])
    def put_member(team: str, user_id: str, json: MemberChange) -> Any:
        """Set a member's role and narrowed rights; answers with all members."""
        _put(teams, team, user_id, json)
        return jsonify(teams.members(team))

    @routes.delete("/<team>/members/<user_id>")
    @SPEC.validate(resp=Answer("HTTP_204", HTTP_404=Failure, HTTP_409=Failure), tags=["teams"])
    def remove_member(team: str, user_id: str) -> Response:
        """Take a member out: within two seconds their streams, terminals and jobs in this team end."""
        note(target=user_id)
        teams.remove_member(team, user_id, force=actor().admin)
        return make_response("", 204)


def _put(teams: Teams, team: str, user_id: str, wanted: MemberChange) -> None:
    role, rights = Role[wanted.role.upper()], [right.model_dump() for right in wanted.rights]
    before = teams.put_member(team, user_id, role, rights, force=actor().admin)
    note(target=user_id, role=[before, wanted.role], rights=rights)


def _right_routes(routes: Blueprint, teams: Teams, accounts: Accounts, hosts: Hosts) -> None:
    @routes.put("/<team>/grants")
    @SPEC.validate(resp=Answer(HTTP_200=TeamInfo, HTTP_404=Failure), tags=["teams"])
    def set_grants(team: str, json: Grants) -> Any:
        """Say what the team's deployers may ask of the host (platform administrators)."""
        note(target=team, grants=[teams.get(team).grants, json.grants])
        teams.set_grants(team, json.grants)
        return teams.render(team, actor())

    @routes.get("/<team>/grants/preview")
    @SPEC.validate(resp=Answer(HTTP_200=GrantsPreview, HTTP_404=Failure), tags=["teams"])
    def preview_grants(team: str) -> Any:
        """Which containers of the team could not be made again under `?grants=a,b` on `?host=`."""
        teams.get(team)
        host = hosts.get(request.args.get("host", LOCAL))
        engine = Engine(host.url, Caller(team, actor().name, GRANTS_ALL))
        return engine.call("GET", "/berth/policy/preview", {"grants": request.args.get("grants", "")})

    @routes.get("/<team>/access/<user_id>")
    @SPEC.validate(resp=Answer(HTTP_200=Access, HTTP_404=Failure), tags=["teams"])
    def explain_access(team: str, user_id: str) -> Any:
        """What a member may do, on `?host=` and on the thing of `?kind=` and `?name=`, each with its rule."""
        kind, name = request.args.get("kind", ""), request.args.get("name", "")
        if kind and kind not in KINDS:
            raise Invalid(f"no kind {kind!r}", field="kind")
        if user_id not in {member["id"] for member in teams.members(team)}:
            raise NotFound("no such member")
        member = accounts.actors([user_id]).get(user_id)
        host = hosts.get(request.args.get("host", LOCAL))
        resource = Resource(team, host.isolated, host.id, kind, name)
        found = [(verb, decide(member, verb, resource)) for verb in LEAST]
        verbs = [{"verb": verb.value, "allowed": said.allowed, "rule": said.rule} for verb, said in found]
        return {"user": user_id, "name": member.name if member else "", "team": team, "verbs": verbs}


def _connect_routes(routes: Blueprint, hosts: Hosts, authenticator: Authenticator) -> None:
    @routes.get("/<team>/connect")
    @SPEC.validate(resp=Answer(HTTP_200=Connect), tags=["teams"])
    def connect(team: str) -> Any:
        """The lines to paste for a docker CLI as a member of the team; TOKEN stands for the token."""
        host = hosts.get(request.args.get("host", LOCAL))
        origin = authenticator.origin or f"http://{request.host}"
        scheme, _, address = origin.partition("://")
        url = f"tcp://{address}/engine/{host.id}"
        headers = {"Authorization": "Bearer TOKEN", "Berth-Team": team}
        listed = ",".join(f"{name}={value}" for name, value in headers.items())
        tls = ["export DOCKER_TLS_VERIFY=1"] if scheme == "https" else []
        return {
            "url": url,
            "header": f"Berth-Team: {team}",
            "context": [f"docker context create berth-{team} --docker host={url}", f"docker context use berth-{team}"],
            "config": codec.dumps({"HttpHeaders": headers}, indent=2),
            "environment": [f"export DOCKER_HOST={url}", *tls, f"export DOCKER_CUSTOM_HEADERS='{listed}'"],
            "docker_py": [
                f"client = docker.DockerClient(base_url={url!r}{', tls=True' if tls else ''})",
                f"client.api.headers.update({headers!r})",
            ],
        }
