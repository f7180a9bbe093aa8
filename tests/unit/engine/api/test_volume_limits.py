"""A volume with driver options may be any host path: the web socket refuses it before the service hears of it."""

from pathlib import Path

import pytest

from engine.api import volumes
from engine.values import Surface
from engine.volumes.model import Volume
from tests.fakes.http import ask


class FakeVolumes:
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
    service = FakeVolumes()
    headers = {"Berth-Namespace": "team"}
    answer = ask(volumes.routes(service), "POST", "/volumes/create", json=body, headers=headers, surface=Surface.WEB)
    assert (answer.status, answer.message.partition(":")[0]) == (403, field)
    assert service.made == []


def test_a_plain_volume_is_nobodys_matter():
    service = FakeVolumes()
    headers = {"Berth-Namespace": "team"}
    body = {"Name": "v", "Driver": "local"}
    answer = ask(volumes.routes(service), "POST", "/volumes/create", json=body, headers=headers, surface=Surface.WEB)
    assert (answer.status, service.made) == (201, ["v"])
