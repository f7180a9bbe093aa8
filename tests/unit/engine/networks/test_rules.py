from __future__ import annotations

import re

from engine.networks import rules
from engine.networks.model import Network
from engine.networks.rules import Published
from engine.values import PortBinding

OUTER = Network("1", "default", "bridge", subnet="10.88.0.0/21", gateway="10.88.0.1")
INNER = Network("2", "default", "inner", subnet="10.88.8.0/24", gateway="10.88.8.1", internal=True)
EVERYWHERE = Published(PortBinding(80, "tcp", "0.0.0.0", 8080), "10.88.0.2")
BOUND = Published(PortBinding(53, "udp", "127.0.0.1", 5353), "10.88.0.3")


def test_tables_are_named_by_instance() -> None:
    assert rules.table_name("a-b.1") == "berth_a_b_1"


def test_a_table_is_replaced_in_one_transaction_with_all_elements() -> None:
    text = rules.replace_table("t", [("b1", OUTER), ("b2", INNER)], [EVERYWHERE, BOUND])
    assert text.startswith("add table inet t\ndelete table inet t\ntable inet t {")
    assert 'set bridges { type ifname; elements = { "b1", "b2" }; }' in text
    assert 'set internal { type ifname; elements = { "b2" }; }' in text
    assert 'elements = { 10.88.0.0/21 . "b1", 10.88.8.0/24 . "b2" };' in text
    assert "set masqueraded { type ipv4_addr; flags interval; elements = { 10.88.0.0/21 }; }" in text
    assert "elements = { tcp . 8080 : 10.88.0.2 . 80 };" in text
    assert "elements = { 127.0.0.1 . udp . 5353 : 10.88.0.3 . 53 };" in text


def test_the_rules_do_not_depend_on_how_many_there_are() -> None:
    def chains(text: str) -> str:
        return text[text.index("chain raw") :]

    many = [Published(PortBinding(80, "tcp", "", port), "10.88.0.2") for port in range(1000, 2000)]
    assert chains(rules.replace_table("t")) == chains(rules.replace_table("t", [("b1", OUTER)], many))


def test_a_bridge_and_a_port_are_elements() -> None:
    added = rules.add_bridge("t", "b2", INNER).splitlines()
    assert added == [
        'add element inet t bridges { "b2" }',
        'add element inet t same { "b2" . "b2" }',
        'add element inet t internal { "b2" }',
        'add element inet t own { 10.88.8.0/24 . "b2" }',
    ]
    assert [re.sub("^add", "delete", line) for line in added] == rules.remove_bridge("t", "b2", INNER).splitlines()
    assert rules.add_ports("t", [EVERYWHERE, BOUND]).splitlines() == [
        "add element inet t ports { tcp . 8080 : 10.88.0.2 . 80 }",
        "add element inet t bound_ports { 127.0.0.1 . udp . 5353 : 10.88.0.3 . 53 }",
    ]
    assert rules.remove_ports("t", [EVERYWHERE, BOUND]).splitlines() == [
        "delete element inet t ports { tcp . 8080 }",
        "delete element inet t bound_ports { 127.0.0.1 . udp . 5353 }",
    ]
