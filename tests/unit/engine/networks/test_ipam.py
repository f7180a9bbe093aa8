from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Conflict, Exhausted, InvalidArgument
from engine.networks.ipam import AddressSpace, choose_subnet, parse_address, parse_subnet

POOL = ipaddress.IPv4Network("10.88.0.0/14")
NETWORK = ipaddress.IPv4Network


def space(subnet: str = "10.88.0.0/29", **options: object) -> AddressSpace:
    return AddressSpace(NETWORK(subnet), **options)  # type: ignore[arg-type]


def test_the_first_block_of_the_pool_is_taken() -> None:
    assert choose_subnet(POOL, 24, []) == NETWORK("10.88.0.0/24")
    assert choose_subnet(POOL, 21, [NETWORK("10.88.0.0/24")]) == NETWORK("10.88.8.0/21")


def test_networks_outside_of_the_pool_do_not_matter() -> None:
    assert choose_subnet(POOL, 24, [NETWORK("192.168.0.0/16"), NETWORK("10.87.255.0/24")]) == NETWORK("10.88.0.0/24")


def test_a_route_to_more_than_the_pool_leaves_nothing() -> None:
    with pytest.raises(Exhausted, match="all predefined address pools have been fully subnetted"):
        choose_subnet(POOL, 24, [NETWORK("10.0.0.0/8")])


def test_a_block_larger_than_the_pool_can_not_be_had() -> None:
    with pytest.raises(Exhausted):
        choose_subnet(NETWORK("10.0.0.0/25"), 24, [])


@given(
    st.lists(
        st.tuples(st.integers(0, 2**18 - 1), st.integers(16, 28)).map(
            lambda item: NETWORK((int(POOL.network_address) + item[0], item[1]), strict=False)
        ),
        max_size=30,
    ),
    st.integers(18, 26),
)
def test_a_chosen_block_is_in_the_pool_and_overlaps_nothing(taken: list[ipaddress.IPv4Network], prefix: int) -> None:
    try:
        chosen = choose_subnet(POOL, prefix, taken)
    except Exhausted:
        free = [block for block in POOL.subnets(new_prefix=prefix) if not any(block.overlaps(t) for t in taken)]
        assert not free
        return
    assert chosen.prefixlen == prefix
    assert chosen.subnet_of(POOL)
    assert not any(chosen.overlaps(other) for other in taken)


def test_the_gateway_is_the_first_address_and_never_given() -> None:
    addresses = space()
    assert str(addresses.gateway) == "10.88.0.1"
    assert [str(addresses.take()) for _ in range(5)] == [f"10.88.0.{n}" for n in range(2, 7)]
    with pytest.raises(Exhausted, match="no available IPv4 addresses on this network's address pools"):
        addresses.take()


def test_a_freed_address_is_the_last_to_be_given_again() -> None:
    addresses = space()
    first = addresses.take()
    addresses.give_back(first)
    given_out = [addresses.take() for _ in range(5)]
    assert given_out[-1] == first


def test_a_range_and_reserved_addresses_are_kept() -> None:
    addresses = space(
        "10.88.0.0/24",
        gateway=ipaddress.IPv4Address("10.88.0.254"),
        ip_range=NETWORK("10.88.0.248/29"),
        reserved=[ipaddress.IPv4Address("10.88.0.249")],
    )
    assert [str(addresses.take()) for _ in range(5)] == [f"10.88.0.{n}" for n in (248, 250, 251, 252, 253)]
    with pytest.raises(Exhausted):
        addresses.take()


def test_an_address_by_name() -> None:
    addresses = space("10.88.0.0/24")
    wanted = ipaddress.IPv4Address("10.88.0.77")
    assert addresses.take_this(wanted) == wanted
    for taken in (wanted, addresses.gateway, addresses.subnet.broadcast_address):
        with pytest.raises(Conflict, match="Address already in use"):
            addresses.take_this(taken)
    with pytest.raises(InvalidArgument, match="does not belong to any of this network's subnets"):
        addresses.take_this(ipaddress.IPv4Address("10.89.0.1"))


@given(st.lists(st.integers(0, 9), max_size=200))
def test_no_address_is_given_twice(moves: list[int]) -> None:
    addresses = space("10.88.0.0/28")
    held: list[ipaddress.IPv4Address] = []
    for move in moves:
        if move < 4 and held:
            addresses.give_back(held.pop(move % len(held)))
        elif len(held) < 13:
            taken = addresses.take()
            assert taken not in held
            assert taken in addresses.subnet
            held.append(taken)
    assert addresses.used == len(held)


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "nonsense", "fd00::/129"])
def test_a_bad_subnet_is_named(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid Subnet"):
        parse_subnet(text)


def test_host_bits_are_cut_off() -> None:
    assert parse_subnet("10.1.2.3/24") == NETWORK("10.1.2.0/24")


def test_a_bad_address_is_named() -> None:
    with pytest.raises(InvalidArgument, match="invalid Gateway '10.0.0'"):
        parse_address("10.0.0", "Gateway")
