from __future__ import annotations

import pytest

from engine.networks.dns.zone import Entry, Names, reverse_address

WEB = Entry("c1", "n1", "front", "10.0.0.2", ("web", "shop", "c1abcdef"))
WEB2 = Entry("c2", "n1", "front", "10.0.0.3", ("web2", "shop"))
ELSEWHERE = Entry("c3", "n2", "back", "10.1.0.2", ("db",))


@pytest.fixture
def names() -> Names:
    names = Names()
    for entry in (WEB, WEB2, ELSEWHERE):
        names.add(entry)
    return names


def test_a_name_is_known_within_its_networks_only(names: Names) -> None:
    assert names.find(["n1"], "WEB") == ["10.0.0.2"]
    assert names.find(["n1"], "web.front") == ["10.0.0.2"]
    assert names.find(["n1"], "db") is None
    assert names.find(["n1", "n2"], "db") == ["10.1.0.2"]


def test_an_alias_of_several_gives_all_their_addresses(names: Names) -> None:
    assert sorted(names.find(["n1"], "shop") or []) == ["10.0.0.2", "10.0.0.3"]
    names.remove("n1", "c1")
    assert names.find(["n1"], "shop") == ["10.0.0.3"]
    assert names.find(["n1"], "web") is None


def test_an_address_leads_back_to_container_and_network(names: Names) -> None:
    assert names.find_reverse(["n1"], "2.0.0.10.in-addr.arpa") == "web.front"
    assert names.find_reverse(["n2"], "2.0.0.10.in-addr.arpa") is None


def test_a_container_that_is_added_again_has_its_new_names_only(names: Names) -> None:
    names.add(Entry("c1", "n1", "front", "10.0.0.9", ("renamed",)))
    assert names.find(["n1"], "web") is None
    assert names.find(["n1"], "renamed") == ["10.0.0.9"]
    assert names.find_reverse(["n1"], "2.0.0.10.in-addr.arpa") is None


@pytest.mark.parametrize("name", ["", "web", "x.0.0.10.in-addr.arpa", "1.2.3.in-addr.arpa"])
def test_what_is_no_address_leads_nowhere(name: str) -> None:
    assert reverse_address(name) is None
