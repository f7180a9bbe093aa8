"""/networks over real networks: answers are checked against the API's definition."""

from __future__ import annotations

import pytest

from engine.api import networks as handlers
from engine.api.router import Route
from engine.values import Surface
from tests.fakes.http import ask
from tests.support.network_lab import NetworkLab, endpoint

WEB = {"Berth-Namespace": "team", "Berth-Actor": "ann"}


@pytest.fixture
def routes(lab: NetworkLab) -> list[Route]:
    return handlers.routes(lab.networks)


def test_every_namespace_has_the_predefined_networks(routes: list[Route]) -> None:
    for headers, surface in ((None, Surface.ADMIN), (WEB, Surface.WEB)):
        found = ask(routes, "GET", "/networks", headers=headers, surface=surface).json
        assert [(n["Name"], n["Driver"]) for n in found] == [("bridge", "bridge"), ("host", "host"), ("none", "null")]
    own = {n["Id"] for n in ask(routes, "GET", "/networks").json}
    assert not own & {n["Id"] for n in ask(routes, "GET", "/networks", headers=WEB, surface=Surface.WEB).json}
    assert ask(routes, "GET", "/networks/bridge").json["IPAM"]["Config"][0]["Subnet"].endswith("/21")


def test_a_network_is_created_inspected_and_removed(routes: list[Route], lab: NetworkLab) -> None:
    body = {
        "Name": "lan",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": True,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.63.1.0/24", "Gateway": "10.63.1.254"}]},
        "Labels": {"a": "1"},
        "Options": {"com.docker.network.driver.mtu": "1400"},
    }
    made = ask(routes, "POST", "/networks/create", json=body)
    assert made.status == 201
    container, joined = lab.started(mode="lan")
    found = ask(routes, "GET", f"/networks/{made.json['Id'][:10]}").json
    assert (found["Name"], found["Internal"], found["Labels"]) == ("lan", True, {"a": "1"})
    assert found["IPAM"]["Config"] == [{"Subnet": "10.63.1.0/24", "Gateway": "10.63.1.254"}]
    assert found["Containers"][container.id] == {
        "Name": container.name,
        "EndpointID": endpoint(joined).endpoint_id,
        "MacAddress": endpoint(joined).mac_address,
        "IPv4Address": "10.63.1.1/24",
        "IPv6Address": "",
    }
    assert "Containers" not in ask(routes, "GET", '/networks?filters={"name":["lan"]}').json[0]
    refused = ask(routes, "DELETE", "/networks/lan")
    assert (refused.status, "has active endpoints" in refused.message) == (403, True)
    lab.networks.leave(container)
    assert ask(routes, "DELETE", "/networks/lan").status == 204
    gone = ask(routes, "GET", "/networks/lan")
    assert (gone.status, gone.message) == (404, "network lan not found")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"Name": "host"}, 403, "operation is not permitted on predefined host network"),
        ({"Name": "a", "Driver": "overlay"}, 501, 'network driver "overlay" is not supported'),
        ({"Name": "a", "EnableIPv4": False}, 501, "EnableIPv4"),
        ({"Name": "a", "IPAM": {"Config": [{"Subnet": "fd00:1::/64"}]}}, 400, "needs EnableIPv6"),
        ({"Name": "a", "IPAM": {"Config": [{"Subnet": "x"}]}}, 400, "invalid Subnet 'x'"),
        ({"Name": "a", "Peers": ["x"]}, 501, "Peers: not supported"),
        ({}, 400, "name is empty"),
    ],
)
def test_what_can_not_be_created_is_refused(
    routes: list[Route], body: dict[str, object], status: int, text: str
) -> None:
    answer = ask(routes, "POST", "/networks/create", json=body, checked=False)
    assert answer.status == status
    assert text in answer.message


def test_a_name_is_taken_once_in_a_namespace(routes: list[Route]) -> None:
    assert ask(routes, "POST", "/networks/create", json={"Name": "lan"}).status == 201
    again = ask(routes, "POST", "/networks/create", json={"Name": "lan"}, checked=False)
    assert (again.status, again.message) == (409, "network with name lan already exists")
    other = ask(routes, "POST", "/networks/create", json={"Name": "lan"}, headers=WEB, surface=Surface.WEB)
    assert other.status == 201


def test_containers_come_and_go_while_they_run(routes: list[Route], lab: NetworkLab) -> None:
    ask(routes, "POST", "/networks/create", json={"Name": "lan", "IPAM": {"Config": [{"Subnet": "10.63.2.0/24"}]}})
    container, _ = lab.started()
    wish = {"Container": container.name, "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.63.2.9"}}}
    assert ask(routes, "POST", "/networks/lan/connect", json=wish).status == 200
    assert lab.records[container.id].endpoints[1].ip_address == "10.63.2.9"
    twice = ask(routes, "POST", "/networks/lan/connect", json={"Container": container.id})
    assert (twice.status, "already exists in network lan" in twice.message) == (403, True)
    assert (
        ask(routes, "POST", "/networks/lan/disconnect", json={"Container": container.id, "Force": True}).status == 200
    )
    assert len(lab.records[container.id].endpoints) == 1
    assert ask(routes, "POST", "/networks/lan/connect", json={}).status == 400
    host = ask(routes, "POST", "/networks/host/connect", json={"Container": container.id})
    assert (host.status, "host network" in host.message) == (403, True)


def test_prune_takes_networks_without_running_containers(routes: list[Route], lab: NetworkLab) -> None:
    for name in ("used", "unused", "kept"):
        body = {"Name": name, "Labels": {"keep": "1"} if name == "kept" else {}}
        ask(routes, "POST", "/networks/create", json=body)
    lab.started(mode="used")
    assert ask(routes, "POST", '/networks/prune?filters={"until":["24h"]}').json == {"NetworksDeleted": None}
    pruned = ask(routes, "POST", '/networks/prune?filters={"label!":["keep"]}')
    assert pruned.json == {"NetworksDeleted": ["unused"]}
    assert ask(routes, "POST", '/networks/prune?filters={"until":["soon"]}').status == 400
    assert ask(routes, "POST", '/networks/prune?filters={"nope":["x"]}').status == 400
