from __future__ import annotations

import pytest

from engine.errors import InvalidArgument
from engine.networks.files import parse_extra_hosts, render_hosts, render_resolv_conf


def test_hosts_has_dockers_lines_then_extra_hosts_then_the_container() -> None:
    text = render_hosts(
        addresses=["10.88.0.2", "10.88.8.2"], hostname="web", domainname="example.com", extra=[("db", "10.0.0.9")]
    )
    lines = text.splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[1] == "::1\tlocalhost ip6-localhost ip6-loopback"
    assert lines[-3:] == ["10.0.0.9\tdb", "10.88.0.2\tweb.example.com web", "10.88.8.2\tweb.example.com web"]


def test_hosts_of_the_host_is_kept_and_extended() -> None:
    text = render_hosts(addresses=[], hostname="", domainname="", extra=[("db", "::1")], base="127.0.0.1 box\n\n")
    assert text == "127.0.0.1 box\n::1\tdb\n"


def test_extra_hosts_in_both_spellings_and_the_hosts_gateway() -> None:
    entries = ["db:10.0.0.9", "v6:2001:db8::1", "x=[::1]", "host:host-gateway"]
    assert parse_extra_hosts(entries, "10.88.0.1") == [
        ("db", "10.0.0.9"),
        ("v6", "2001:db8::1"),
        ("x", "::1"),
        ("host", "10.88.0.1"),
    ]


@pytest.mark.parametrize("entry", ["", "name", ":1.2.3.4", "name:", "name:1.2.3", "name=nonsense"])
def test_bad_extra_hosts_are_refused(entry: str) -> None:
    with pytest.raises(InvalidArgument, match="add-host"):
        parse_extra_hosts([entry], "")


def test_resolvers_on_the_hosts_loopback_are_replaced() -> None:
    host = "nameserver 127.0.0.53\nnameserver ::1\nsearch example.com\noptions edns0 trust-ad\n"
    text = render_resolv_conf(host)
    assert [line for line in text.splitlines() if line.startswith("nameserver")] == [
        "nameserver 8.8.8.8",
        "nameserver 8.8.4.4",
    ]
    assert "search example.com\n" in text
    assert "options edns0 trust-ad\n" in text


def test_reachable_resolvers_stay_and_loopback_ones_go() -> None:
    text = render_resolv_conf(
        "nameserver 127.0.0.1\n; comment\nnameserver 192.168.1.1 # ours\nnameserver fe80::1%eth0\n"
    )
    assert [line for line in text.splitlines() if "nameserver" in line] == ["nameserver 192.168.1.1"]


def test_the_hosts_network_keeps_its_loopback_resolvers() -> None:
    assert "nameserver 127.0.0.53\n" in render_resolv_conf("nameserver 127.0.0.53\n", own=False)


def test_the_containers_values_win_and_a_dot_is_no_search() -> None:
    text = render_resolv_conf(
        "nameserver 10.0.0.1\nsearch a b\noptions x\n", servers=["1.1.1.1"], search=["."], options=["ndots:2"]
    )
    assert text.splitlines()[1:] == ["nameserver 1.1.1.1", "options ndots:2"]
