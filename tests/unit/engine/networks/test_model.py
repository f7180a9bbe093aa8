from __future__ import annotations

import ipaddress

import pytest

from engine.errors import InvalidArgument
from engine.networks import model
from engine.networks.model import Network


@pytest.mark.parametrize("instance", ["a", "h4", "t1234567", "a-much-longer-name-than-a-device-may-have"])
def test_device_names_fit_the_kernel_and_tell_instances_apart(instance: str) -> None:
    name = model.device_name("b", instance, "0123456789abcdef")
    assert len(name) <= 15
    assert name.startswith(model.device_prefix("b", instance))
    assert name != model.device_name("b", instance + "x", "0123456789abcdef")
    assert name != model.device_name("v", instance, "0123456789abcdef")


def test_predefined_ids_are_stable_and_differ_by_instance_namespace_and_name() -> None:
    ids = {
        model.predefined_id(instance, namespace, name)
        for instance in ("a", "b")
        for namespace in ("default", "team")
        for name in model.PREDEFINED
    }
    assert len(ids) == 12
    assert all(len(network_id) == 64 for network_id in ids)
    assert model.predefined_id("a", "team", "host") in ids


def test_macs_are_dockers() -> None:
    assert model.mac_for(ipaddress.IPv4Address("172.17.0.2")) == "02:42:ac:11:00:02"


@pytest.mark.parametrize("name", ["a", "web-1", "A.b_c", "1"])
def test_good_names(name: str) -> None:
    assert model.check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "ü", "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid network name"):
        model.check_name(name)


def test_options_decide_mtu_masquerade_and_binding() -> None:
    plain = Network("1", "default", "n", subnet="10.0.0.0/24")
    assert (plain.mtu, plain.masquerades, plain.host_binding) == (0, True, "0.0.0.0")
    asked = Network(
        "1",
        "default",
        "n",
        options={model.OPTION_MTU: "1400", model.OPTION_MASQUERADE: "False", model.OPTION_HOST_BINDING: "127.0.0.1"},
    )
    assert (asked.mtu, asked.masquerades, asked.host_binding) == (1400, False, "127.0.0.1")
    assert not Network("1", "default", "n", internal=True).masquerades
