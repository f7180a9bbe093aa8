from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.containers.filters import Lookups, compile_filters
from engine.containers.model import Config, Container, Health, HostConfig, MountPoint, State, Status
from engine.errors import InvalidArgument
from engine.values import EndpointConfig, PortBinding
from tests.fakes.make import SECOND_NS, a_container

WEB = a_container(
    name="web-1",
    status=Status.RUNNING,
    created_ns=20 * SECOND_NS,
    config=Config(image="nginx:1", labels={"env": "prod", "tier": "front"}, exposed_ports=("80/tcp",)),
    host_config=HostConfig(network_mode="bridge", port_bindings=(PortBinding(80, host_port=8080),)),
    mounts=(MountPoint("volume", "/data", source="/v/data", name="data"),),
    networks=(EndpointConfig("front"),),
)
JOB = a_container(
    name="job",
    created_ns=10 * SECOND_NS,
    image_id="sha256:" + "9" * 64,
    state=State(status=Status.EXITED, exit_code=3, started_ns=1, health=Health("unhealthy")),
)


def lookup(reference: str) -> Container:
    return {"web-1": WEB, "job": JOB}[reference]


def descendants(reference: str) -> list[str]:
    return [JOB.image_id] if reference == "base" else []


def names(filters: Mapping[str, Sequence[str]]) -> list[str]:
    matches = compile_filters(filters, Lookups(lookup, descendants))
    return [c.name for c in (WEB, JOB) if matches(c)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["web-1", "job"]),
        ({"id": [WEB.id[:8]]}, ["web-1"]),
        ({"name": ["^web"]}, ["web-1"]),
        ({"name": ["web", "job"]}, ["web-1", "job"]),
        ({"label": ["env"]}, ["web-1"]),
        ({"label": ["env=prod", "tier=back"]}, []),
        ({"label": ["env=prod", "tier=front"]}, ["web-1"]),
        ({"status": ["exited", "dead"]}, ["job"]),
        ({"exited": ["3"]}, ["job"]),
        ({"exited": ["0"]}, []),
        ({"health": ["unhealthy"]}, ["job"]),
        ({"health": ["none"]}, ["web-1"]),
        ({"before": ["web-1"]}, ["job"]),
        ({"since": ["job"]}, ["web-1"]),
        ({"ancestor": ["base"]}, ["job"]),
        ({"ancestor": ["nginx:1"]}, ["web-1"]),
        ({"volume": ["data"]}, ["web-1"]),
        ({"volume": ["/data"]}, ["web-1"]),
        ({"network": ["front"]}, ["web-1"]),
        ({"publish": ["8000-9000"]}, ["web-1"]),
        ({"publish": ["8080/udp"]}, []),
        ({"expose": ["80"]}, ["web-1"]),
        ({"is-task": ["false"]}, ["web-1", "job"]),
        ({"is-task": ["true"]}, []),
        ({"status": ["running"], "label": ["env=dev"]}, []),
    ],
    ids=str,
)
def test_filters_are_and_over_names_and_or_over_values(
    filters: Mapping[str, Sequence[str]], expected: list[str]
) -> None:
    assert names(filters) == expected


@pytest.mark.parametrize(
    "filters",
    [{"nonsense": ["x"]}, {"status": ["sleeping"]}, {"health": ["fine"]}, {"exited": ["x"]}, {"publish": ["9-1"]}],
    ids=str,
)
def test_what_docker_refuses_is_refused_by_name(filters: Mapping[str, Sequence[str]]) -> None:
    with pytest.raises(InvalidArgument, match=rf"invalid (filter '{next(iter(filters))}|port range)"):
        names(filters)


def test_a_name_that_is_no_regular_expression_is_taken_as_a_pattern() -> None:
    odd = replace(JOB, name="a+b")
    assert compile_filters({"name": ["*+b"]}, Lookups(lookup, descendants))(odd)


VALUES = {
    "id": (WEB.id[:8], JOB.id, "(", "[", "x"),
    "name": ("web", "^job$", "(", "*", ""),
    "status": ("running", "exited", "sideways"),
    "exited": ("3", "0", "x", ""),
    "health": ("healthy", "unhealthy", "none", "?"),
    "before": ("web-1", "job"),
    "since": ("web-1", "job"),
    "ancestor": ("nginx:1", "base", ""),
    "volume": ("data", "/data", "other"),
    "network": ("front", "bridge", "x"),
    "publish": ("8080", "8080-8081/tcp", "0", "99999", "a-b", "/"),
    "expose": ("80", "80/udp", "-1"),
    "is-task": ("true", "false"),
}
"""Values by filter, some of them refused."""
ONE = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3))
)


def chosen(filters: Mapping[str, Sequence[str]]) -> set[str] | None:
    """Return the names that pass; None where the filters are refused."""
    try:
        return set(names(filters))
    except InvalidArgument:
        return None


@given(one=ONE)
def test_values_of_one_filter_are_alternatives(one: tuple[str, list[str]]) -> None:
    name, values = one
    apart = [chosen({name: [value]}) for value in values]
    together = chosen({name: values})
    if None in apart:
        assert together is None
    elif name not in ("before", "since"):  # of these, each must hold
        assert together == set().union(*(found for found in apart if found is not None))


@given(first=ONE, second=ONE)
def test_filters_of_two_names_must_both_hold(first: tuple[str, list[str]], second: tuple[str, list[str]]) -> None:
    if first[0] == second[0]:
        return
    apart = [chosen(dict([one])) for one in (first, second)]
    together = chosen(dict([first, second]))
    assert together == (None if None in apart else apart[0] & apart[1])  # type: ignore[operator]
