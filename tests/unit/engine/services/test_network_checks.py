from __future__ import annotations

import pytest

from engine.errors import BerthError, Conflict, Forbidden, InvalidArgument, Unsupported
from engine.networks.model import IpamWish, Network, NetworkWish, Range
from engine.services import network_checks
from engine.values import EndpointConfig

LAN = Network("1", "default", "lan", subnet="10.1.0.0/16", gateway="10.1.0.1", user_subnet=True)
AUTO = Network("2", "default", "auto", subnet="10.2.0.0/24", gateway="10.2.0.1")
SIX = Network("6", "default", "six", subnet="10.6.0.0/24", ipv6=Range("fd06::/64", "fd06::1", user_subnet=True))
BRIDGE = Network("3", "default", "bridge")
HOST = Network("4", "default", "host", "host")
NONE = Network("5", "default", "none", "null")


def asked(*entries: IpamWish) -> NetworkWish:
    return NetworkWish("net", enable_ipv6=True, ipam=entries)


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"name": ""}, InvalidArgument, "name is empty"),
        ({"name": "a b"}, InvalidArgument, "invalid network name"),
        ({"name": "bridge"}, Forbidden, "operation is not permitted on predefined bridge network"),
        ({"driver": "host"}, Forbidden, 'only one instance of "host" network is allowed'),
        ({"driver": "overlay"}, Unsupported, 'network driver "overlay" is not supported'),
        ({"enable_ipv4": False}, Unsupported, "EnableIPv4=false"),
        ({"scope": "swarm"}, Unsupported, "Scope=swarm"),
        ({"ipam_driver": "dhcp"}, Unsupported, "IPAM.Driver=dhcp"),
        ({"ipam_options": {"a": "b"}}, Unsupported, "IPAM.Options"),
        ({"config_from": "x"}, Unsupported, "ConfigFrom"),
        ({"ingress": True}, Unsupported, "Ingress"),
        ({"options": {"com.docker.network.bridge.name": "a/b"}}, InvalidArgument, "com.docker.network.bridge.name"),
        ({"options": {"com.docker.network.bridge.name": "x" * 16}}, InvalidArgument, "com.docker.network.bridge.name"),
        ({"options": {"com.docker.network.bridge.enable_icc": "no"}}, InvalidArgument, "expected true or false"),
        ({"options": {"com.docker.network.bridge.unheard": "1"}}, Unsupported, "bridge.unheard is not supported"),
        ({"options": {"com.docker.network.container_iface_prefix": "a b"}}, InvalidArgument, "iface_prefix"),
        ({"driver": "macvlan"}, Unsupported, "a macvlan network without the option parent"),
        ({"driver": "macvlan", "options": {"parent": "lo"}}, InvalidArgument, "not a valid macvlan parent"),
        ({"driver": "macvlan", "options": {"parent": "e", "macvlan_mode": "x"}}, InvalidArgument, "mode 'x'"),
        ({"driver": "macvlan", "options": {"parent": "e", "ipvlan_mode": "l2"}}, InvalidArgument, "ipvlan_mode is not"),
        ({"driver": "ipvlan", "options": {"parent": "e", "ipvlan_mode": "l4"}}, InvalidArgument, "mode 'l4'"),
        ({"options": {"com.docker.network.driver.mtu": "x"}}, InvalidArgument, "invalid value for .*mtu: 'x'"),
        ({"options": {"com.docker.network.driver.mtu": "1"}}, InvalidArgument, "mtu"),
        ({"options": {"com.docker.network.bridge.host_binding_ipv4": "x"}}, InvalidArgument, "host_binding_ipv4"),
    ],
)
def test_networks_that_can_not_be(fields: dict[str, object], kind: type[BerthError], text: str) -> None:
    wish = NetworkWish(**{"name": "net", **fields})  # type: ignore[arg-type]
    with pytest.raises(kind, match=text):
        network_checks.check_wish(wish)


def test_a_plain_bridge_network_is_fine() -> None:
    options = {"com.docker.network.driver.mtu": "1400", "com.docker.network.bridge.enable_icc": "true"}
    network_checks.check_wish(NetworkWish("net", "", internal=True, attachable=True, options=options))


def test_an_address_plan() -> None:
    plan = network_checks.plan_addresses(
        asked(IpamWish("10.3.0.7/16", "10.3.1.0/24", "10.3.9.9", {"x": "10.3.0.5"}), IpamWish("fd01::9/64")), [LAN]
    )
    assert plan.ipv4 == Range("10.3.0.0/16", "10.3.9.9", "10.3.1.0/24", {"x": "10.3.0.5"}, user_subnet=True)
    assert plan.ipv6 == Range("fd01::/64", "fd01::1", user_subnet=True)
    for nothing in (asked(), asked(IpamWish())):
        assert network_checks.plan_addresses(nothing, [LAN]) == network_checks.Addresses()


@pytest.mark.parametrize(
    ("wishes", "kind", "text"),
    [
        ([IpamWish("10.1.9.0/24")], Forbidden, "Pool overlaps with other one on this address space"),
        ([IpamWish("10.0.0.0/8")], Forbidden, "Pool overlaps"),
        ([IpamWish("10.3.0.0/24"), IpamWish("10.4.0.0/24")], InvalidArgument, "multiple subnets"),
        ([IpamWish(gateway="10.3.0.1")], InvalidArgument, "needs a Subnet"),
        ([IpamWish("10.3.0.0/24", gateway="10.4.0.1")], InvalidArgument, "no matching subnet for gateway 10.4.0.1"),
        ([IpamWish("10.3.0.0/24", "10.4.0.0/25")], InvalidArgument, "no matching subnet for range 10.4.0.0/25"),
        (
            [IpamWish("10.3.0.0/24", auxiliary={"a": "10.4.0.1"})],
            InvalidArgument,
            "no matching subnet for aux-address 10.4.0.1",
        ),
        ([IpamWish("fd00::/64"), IpamWish("fd01::/64")], InvalidArgument, "multiple subnets"),
        ([IpamWish("fd06::/48")], Forbidden, "Pool overlaps"),
        ([IpamWish("fd00::/64", gateway="10.3.0.1")], InvalidArgument, "expected an IPv6 address"),
        ([IpamWish("fd00::/64", gateway="fd01::1")], InvalidArgument, "no matching subnet for gateway fd01::1"),
        ([IpamWish("fd00::/64", "fd01::/80")], InvalidArgument, "no matching subnet for range fd01::/80"),
        ([IpamWish("nonsense")], InvalidArgument, "invalid Subnet 'nonsense'"),
        ([IpamWish("10.3.0.0/31")], InvalidArgument, "no room"),
    ],
)
def test_address_plans_that_can_not_be(wishes: list[IpamWish], kind: type[BerthError], text: str) -> None:
    with pytest.raises(kind, match=text):
        network_checks.plan_addresses(asked(*wishes), [LAN, BRIDGE, SIX])


@pytest.mark.parametrize(
    ("config", "network", "kind", "text"),
    [
        (EndpointConfig("x", links=("a",)), BRIDGE, InvalidArgument, "links are only supported for user-defined"),
        (EndpointConfig("x", ipv6_address="fd00::1"), LAN, InvalidArgument, "with user configured subnets"),
        (EndpointConfig("x", ipv6_address="fd00::1"), SIX, InvalidArgument, "no configured subnet contains IP address"),
        (EndpointConfig("x", ipv6_address="10.6.0.2"), SIX, InvalidArgument, "invalid IPv6Address"),
        (
            EndpointConfig("x", ipv4_address="10.9.0.1"),
            LAN,
            InvalidArgument,
            "no configured subnet contains IP address",
        ),
        (EndpointConfig("x", ipv4_address="zzz"), LAN, InvalidArgument, "invalid IPv4Address 'zzz'"),
        (EndpointConfig("x", ipv4_address="10.2.0.9"), AUTO, InvalidArgument, "with user configured subnets"),
        (EndpointConfig("x", ipv4_address="10.2.0.9"), BRIDGE, InvalidArgument, "user defined networks only"),
        (EndpointConfig("x", aliases=("a",)), BRIDGE, InvalidArgument, "only supported for user-defined networks"),
        (
            EndpointConfig("x", driver_opts={"com.docker.network.endpoint.sysctls": "a"}),
            LAN,
            InvalidArgument,
            "endpoint.sysctls",
        ),
        (EndpointConfig("x", driver_opts={"unheard": "a"}), LAN, Unsupported, "the endpoint option unheard"),
    ],
)
def test_places_that_can_not_be(config: EndpointConfig, network: Network, kind: type[BerthError], text: str) -> None:
    with pytest.raises(kind, match=text):
        network_checks.check_endpoint(config, network)


def test_places_that_can_be() -> None:
    network_checks.check_endpoint(EndpointConfig("x", ipv6_address="fd06::9"), SIX)
    network_checks.check_endpoint(EndpointConfig("x", ipv4_address="10.1.0.9", aliases=("db",)), LAN)
    network_checks.check_endpoint(EndpointConfig("x"), BRIDGE)


@pytest.mark.parametrize(
    ("mode", "network", "kind"),
    [
        ("host", LAN, Forbidden),
        ("bridge", HOST, Forbidden),
        ("container:x", LAN, Forbidden),
        ("none", LAN, Conflict),
        ("lan", NONE, Conflict),
    ],
)
def test_modes_that_allow_no_further_network(mode: str, network: Network, kind: type[BerthError]) -> None:
    with pytest.raises(kind):
        network_checks.check_attachable(mode, network)
    network_checks.check_attachable("bridge", LAN)
