from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api import volumes as handlers
from engine.api.router import Route
from engine.containers.model import Config, HostConfig
from engine.events import Bus
from engine.services.volumes import Volumes
from engine.storage.db import Database
from engine.storage.models import METADATA
from engine.storage.paths import Paths
from engine.values import Scope, Surface
from engine.volumes.model import Volume
from tests.fakes.http import ask

WEB = {"Berth-Namespace": "team", "Berth-Actor": "ann"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Volumes]:
    paths = Paths(tmp_path / "data", tmp_path / "run")
    paths.ensure()
    database = Database(paths.database, Bus())
    METADATA.create_all(database.engine)
    volumes = Volumes(database, paths)
    yield volumes
    volumes.close()
    database.close()


@pytest.fixture
def routes(service: Volumes) -> list[Route]:
    return handlers.routes(service)


def test_a_volume_is_created_listed_inspected_and_removed(routes: list[Route]) -> None:
    made = ask(routes, "POST", "/volumes/create", json={"Name": "data", "Labels": {"a": "1"}, "DriverOpts": None})
    assert made.status == 201
    assert made.json["Mountpoint"].endswith("/volumes/default/data/_data")
    assert (made.json["Labels"], made.json["Scope"], made.json["Options"]) == ({"a": "1"}, "local", {})
    assert made.json["CreatedAt"].endswith("Z")
    assert ask(routes, "GET", "/volumes").json == {"Volumes": [made.json], "Warnings": None}
    assert ask(routes, "GET", "/volumes/data").json == made.json
    assert ask(routes, "GET", '/volumes?filters={"name":["x"]}').json["Volumes"] == []
    assert ask(routes, "DELETE", "/volumes/data").status == 204
    gone = ask(routes, "GET", "/volumes/data")
    assert (gone.status, gone.message) == (404, "get data: no such volume")
    assert ask(routes, "DELETE", "/volumes/data").status == 404
    assert ask(routes, "DELETE", "/volumes/data?force=1").status == 204


def test_volumes_belong_to_the_callers_namespace(routes: list[Route]) -> None:
    made = ask(routes, "POST", "/volumes/create", json={"Name": "data"}, headers=WEB, surface=Surface.WEB)
    assert made.status == 201
    assert ask(routes, "GET", "/volumes/data").status == 404
    assert ask(routes, "GET", "/volumes/data", headers=WEB, surface=Surface.WEB).status == 200


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"Name": "x"}, 400, "volume name is too short"),
        ({"Name": "a/b"}, 400, "includes invalid characters for a local volume name"),
        ({"Name": 1}, 400, "Name: expected a string, got an integer"),
        ({"Name": "ab", "Driver": "nfs"}, 501, 'volume driver "nfs" is not supported'),
        ({"Name": "ab", "DriverOpts": {"type": "nfs"}}, 501, 'the option "type" of the local volume driver'),
        ({"Name": "ab", "ClusterVolumeSpec": {"Group": "g"}}, 501, "ClusterVolumeSpec: not supported"),
    ],
)
def test_what_can_not_be_made_is_refused(routes: list[Route], body: dict[str, object], status: int, text: str) -> None:
    answer = ask(routes, "POST", "/volumes/create", json=body, checked=False)
    assert answer.status == status
    assert text in answer.message


def test_a_volume_in_use_is_a_conflict(routes: list[Route], service: Volumes) -> None:
    service.plan_mounts(Scope(), "c1", Config(), HostConfig(binds=("data:/d",)), lambda reference: 1 / 0)  # type: ignore[arg-type,return-value]
    answer = ask(routes, "DELETE", "/volumes/data")
    assert (answer.status, answer.message) == (409, "remove data: volume is in use - [c1]")


def test_prune_spares_named_volumes_since_api_1_42(routes: list[Route]) -> None:
    anonymous = ask(routes, "POST", "/volumes/create", json={}).json["Name"]
    ask(routes, "POST", "/volumes/create", json={"Name": "data"})
    pruned = ask(routes, "POST", "/v1.42/volumes/prune").json
    assert pruned == {"VolumesDeleted": [anonymous], "SpaceReclaimed": 0}
    assert ask(routes, "POST", "/volumes/prune").json["VolumesDeleted"] is None
    assert ask(routes, "POST", "/v1.41/volumes/prune").json["VolumesDeleted"] == ["data"]


def test_unknown_filters_are_named(routes: list[Route]) -> None:
    answer = ask(routes, "GET", '/volumes?filters={"color":["red"]}')
    assert (answer.status, answer.message) == (400, "invalid filter 'color'")


def test_cluster_volumes_are_refused_by_name(routes: list[Route]) -> None:
    answer = ask(routes, "PUT", "/volumes/data?version=1", json={}, checked=False)
    assert answer.status == 501
    assert "cluster volumes are not supported" in answer.message


class RecordingVolumes:
    def __init__(self) -> None:
        self.made: list[str] = []

    def create(self, scope, name="", driver="", options=None, labels=None):
        self.made.append(name)
        return Volume(name=name, namespace=scope.home, created_ns=1)

    def path(self, volume):
        return Path("/v") / volume.name


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"Name": "v", "DriverOpts": {"type": "none", "o": "bind", "device": "/"}}, "DriverOpts"),
        ({"Name": "v", "Driver": "nfs"}, "Driver"),
    ],
)
def test_a_caller_without_the_grant_is_refused(body, field):
    service = RecordingVolumes()
    headers = {"Berth-Namespace": "team"}
    answer = ask(handlers.routes(service), "POST", "/volumes/create", json=body, headers=headers, surface=Surface.WEB)
    assert (answer.status, answer.message.partition(":")[0]) == (403, field)
    assert service.made == []


def test_a_plain_volume_is_nobodys_matter():
    service = RecordingVolumes()
    headers = {"Berth-Namespace": "team"}
    body = {"Name": "v", "Driver": "local"}
    answer = ask(handlers.routes(service), "POST", "/volumes/create", json=body, headers=headers, surface=Surface.WEB)
    assert (answer.status, service.made) == (201, ["v"])
