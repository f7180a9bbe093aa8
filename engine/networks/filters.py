"""Docker's filters over networks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engine.networks.model import Network

LIST_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
PRUNE_FILTERS = ("label", "label!", "until")

Filters = Mapping[str, tuple[str, ...]]


def matches(network: Network, filters: Filters, is_used: Callable[[Network], bool]) -> bool:
    """Say whether a network passes: any value of a name, but every label, and every name."""
    tests: dict[str, Callable[[str], bool]] = {
        "driver": lambda value: network.driver == value,
        "id": lambda value: network.id.startswith(value),
        "name": lambda value: value in network.name,
        "scope": lambda value: value == "local",
        "type": lambda value: value == ("builtin" if network.is_predefined else "custom"),
        "dangling": lambda value: is_dangling(network, is_used) == (value.lower() in ("1", "true")),
    }
    if not has_labels(network.labels, filters.get("label", ())):
        return False
    return all(any(tests[name](value) for value in values) for name, values in filters.items() if name in tests)


def may_prune(network: Network, filters: Filters, until_ns: Iterable[int]) -> bool:
    """Say whether prune takes the network where nobody is in it."""
    return (
        not network.is_predefined
        and all(network.created_ns < limit for limit in until_ns)
        and has_labels(network.labels, filters.get("label", ()))
        and lacks_labels(network.labels, filters.get("label!", ()))
    )


def has_labels(labels: Mapping[str, str], wanted: Iterable[str]) -> bool:
    """Say whether all of `wanted` (`key` or `key=value`) are among the labels."""
    for entry in wanted:
        key, has_value, value = entry.partition("=")
        if key not in labels or (has_value and labels[key] != value):
            return False
    return True


def lacks_labels(labels: Mapping[str, str], unwanted: Iterable[str]) -> bool:
    """Say whether none of `unwanted` is among the labels."""
    return not any(has_labels(labels, (entry,)) for entry in unwanted)


def is_dangling(network: Network, is_used: Callable[[Network], bool]) -> bool:
    """Say whether a user's network has no container."""
    return not network.is_predefined and not is_used(network)
