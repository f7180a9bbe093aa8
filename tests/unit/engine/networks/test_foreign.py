"""Rules of firewalls as people have them, and what they do to containers: read by the kernel's nft, judged by us."""

from __future__ import annotations

from typing import Any

import pytest

from engine.networks import foreign

PACKETS = foreign.packets("b1", "10.88.0.0/21", bridged=False)
OUT, PUBLISHED = (packet.what for packet in PACKETS)


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str, right: Any, op: str = "==") -> dict[str, Any]:
    return match({"meta": {"key": key}}, right, op)


def ct(key: str, right: Any) -> dict[str, Any]:
    return match({"ct": {"key": key}}, right, "in")


ACCEPT: dict[str, Any] = {"accept": None}
REJECT: dict[str, Any] = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
UNKNOWN: dict[str, Any] = {"xt": {"type": "match", "name": "physdev"}}


def table(*rules: list[dict[str, Any]], policy: str = "drop", family: str = "inet", **chains: Any) -> dict[str, Any]:
    """Return `list table` of a table `fw` whose base chain is `forward`."""
    base = {"family": family, "table": "fw", "name": "forward", "hook": "forward", "policy": policy}
    listed = [{"chain": base}, *({"chain": {"family": family, "table": "fw", "name": name}} for name in chains)]
    for name, bodies in {"forward": rules, **chains}.items():
        listed += [{"rule": {"chain": name, "expr": body}} for body in bodies]
    return {"nftables": listed}


def judged(listed: dict[str, Any]) -> tuple[tuple[str, ...], bool] | None:
    finding = foreign.judge(listed, "forward", PACKETS)
    return None if finding is None else (finding.stopped, finding.is_certain)


ESTABLISHED = [ct("state", ["established", "related"]), ACCEPT]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (table(policy="accept"), None),
        (table(), ((OUT, PUBLISHED), True)),
        (table(ESTABLISHED), ((OUT, PUBLISHED), True)),
        (table([ACCEPT]), None),
        (table([REJECT], policy="accept"), ((OUT, PUBLISHED), True)),
        # firewalld: what is published passes, what containers send does not
        (table(ESTABLISHED, [ct("status", "dnat"), ACCEPT], [REJECT], policy="accept"), ((OUT,), True)),
        # rules for other programs' bridges are none for ours
        (table([meta("iifname", "docker0"), ACCEPT], [meta("oifname", "docker0"), ACCEPT]), ((OUT, PUBLISHED), True)),
        (table([meta("iifname", "b*"), ACCEPT], [meta("oifname", {"set": ["b1", "x"]}), ACCEPT]), None),
        (table([meta("iifname", "b1", "!="), ACCEPT]), ((OUT,), True)),
        # by address
        (
            table(
                [
                    match(
                        {"payload": {"protocol": "ip", "field": "saddr"}}, {"prefix": {"addr": "10.88.0.0", "len": 14}}
                    ),
                    ACCEPT,
                ]
            ),
            ((PUBLISHED,), True),
        ),
        # chains within chains, with return and goto
        (table([{"jump": {"target": "a"}}], a=[[{"goto": {"target": "b"}}], [REJECT]], b=[[ACCEPT]]), None),
        (table([{"jump": {"target": "a"}}], a=[[{"return": None}], [ACCEPT]]), ((OUT, PUBLISHED), True)),
        # what is not understood counts for nothing, and makes it a maybe
        (table([UNKNOWN, ACCEPT]), ((OUT, PUBLISHED), False)),
        (table([UNKNOWN, REJECT], policy="accept"), None),
        (table(family="ip6"), None),
    ],
)
def test_rules_and_what_they_stop(listed: dict[str, Any], expected: object) -> None:
    assert judged(listed) == expected


def test_a_finding_names_chain_reason_and_traffic() -> None:
    finding = foreign.judge(table(), "forward", PACKETS)
    assert str(finding) == (
        "the firewall chain 'inet fw forward' (policy drop) drops what containers send to other machines "
        "and what comes to published ports"
    )
    six = foreign.packets("b1", "fd00::/64", bridged=True)
    found = foreign.judge(table(family="ip6"), "forward", six)
    assert found
    assert len(found.stopped) == 3


def test_only_foreign_chains_on_the_way_are_looked_at() -> None:
    chains = [
        {"chain": {"family": "inet", "table": "berth_x", "name": "forward", "hook": "forward"}},
        {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward"}},
        {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input"}},
        {"chain": {"family": "ip", "table": "filter", "name": "DOCKER"}},
        {"chain": {"family": "bridge", "table": "x", "name": "f", "hook": "forward"}},
    ]
    assert foreign.base_chains({"nftables": chains}) == [("ip", "filter", "FORWARD")]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("-P FORWARD DROP", True),
        ("-P FORWARD ACCEPT", False),
        ("-P FORWARD DROP\n-A FORWARD -j ACCEPT", False),
        ("-P FORWARD DROP\n-A FORWARD -i b1 -j ACCEPT", False),
        ("-P FORWARD DROP\n-A FORWARD -i docker0 -j ACCEPT", True),
    ],
)
def test_the_older_iptables(text: str, is_found: bool) -> None:
    assert bool(foreign.judge_legacy(text, PACKETS)) == is_found
