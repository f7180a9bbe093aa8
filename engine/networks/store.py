"""The networks' records: all in memory, each change written through in the caller's transaction.

Predefined networks have no record until they get a subnet: they are made up from the namespace's name.
"""

from __future__ import annotations

from pydantic import TypeAdapter

from engine.errors import Conflict, InvalidArgument, NotFound
from engine.ids import match_prefix
from engine.networks import model
from engine.networks.model import Network
from engine.storage.db import Database, Transaction
from engine.storage.models import NETWORKS
from engine.values import Scope

_DOCUMENT: TypeAdapter[Network] = TypeAdapter(Network)


class NetworkStore:
    """Networks by id, and by name within their namespace."""

    def __init__(self, database: Database, instance: str, born_ns: int) -> None:
        self._instance = instance
        self._born_ns = born_ns
        self._by_id: dict[str, Network] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        for row in database.read(NETWORKS.select()):
            self._remember(_DOCUMENT.validate_json(row.document))

    def all(self) -> list[Network]:
        """Return every recorded network of every namespace."""
        return list(self._by_id.values())

    def list_(self, scope: Scope) -> list[Network]:
        """Return what the caller sees, the predefined ones included, by name."""
        found = {network.id: network for network in self.all() if scope.sees(network.namespace)}
        for namespace in {scope.home, *(network.namespace for network in found.values())}:
            for name in model.PREDEFINED:
                network = self.predefined(namespace, name)
                found.setdefault(network.id, network)
        return sorted(found.values(), key=lambda network: (network.namespace, network.name))

    def predefined(self, namespace: str, name: str) -> Network:
        """Return the namespace's `bridge`, `host` or `none`."""
        network_id = model.predefined_id(self._instance, namespace, name)
        recorded = self._by_id.get(network_id)
        if recorded is not None:
            return recorded
        driver = {model.DEFAULT_BRIDGE: "bridge", model.HOST: "host", model.NONE: "null"}[name]
        options = {model.OPTION_DEFAULT_BRIDGE: "true"} if name == model.DEFAULT_BRIDGE else {}
        return Network(network_id, namespace, name, driver, self._born_ns, options=options, created_by="engine")

    def find(self, network_id: str) -> Network | None:
        """Return the recorded network with this full id, or None."""
        return self._by_id.get(network_id)

    def named(self, namespace: str, name: str) -> Network | None:
        """Return the namespace's network of this name, or None."""
        if name == "default":
            name = model.DEFAULT_BRIDGE
        if name in model.PREDEFINED:
            return self.predefined(namespace, name)
        found = self._by_name.get((namespace, name))
        return self._by_id.get(found) if found else None

    def get(self, scope: Scope, reference: str) -> Network:
        """Return the network that `reference` (name, id, id prefix: in this order) means to the caller."""
        named = self.named(scope.home, reference)
        if named is not None:
            return named
        visible = {network.id: network for network in self.list_(scope)}
        if reference in visible:
            return visible[reference]
        by_name = [network for network in visible.values() if network.name == reference]
        if by_name:
            return by_name[0]
        found = match_prefix(reference, visible)
        if len(found) > 1:
            raise InvalidArgument(f"network {reference} is ambiguous ({len(found)} matches found on ID prefix)")
        if not found:
            raise NotFound(f"network {reference} not found")
        return visible[found[0]]

    def insert(self, transaction: Transaction, network: Network) -> None:
        """Add a record; Conflict with Docker's text if its name is taken."""
        if (network.namespace, network.name) in self._by_name:
            raise Conflict(f"network with name {network.name} already exists")
        transaction.execute(
            NETWORKS.insert(),
            {
                "id": network.id,
                "namespace": network.namespace,
                "name": network.name,
                "document": _DOCUMENT.dump_json(network).decode(),
            },
        )
        transaction.after_commit(lambda: self._remember(network))

    def save(self, transaction: Transaction, network: Network) -> None:
        """Replace the record of this id."""
        transaction.execute(
            NETWORKS.update().where(NETWORKS.c.id == network.id), {"document": _DOCUMENT.dump_json(network).decode()}
        )
        transaction.after_commit(lambda: self._remember(network))

    def delete(self, transaction: Transaction, network: Network) -> None:
        """Drop the record and its name."""
        transaction.execute(NETWORKS.delete().where(NETWORKS.c.id == network.id))
        transaction.after_commit(lambda: self._forget(network))

    def _remember(self, network: Network) -> None:
        self._by_id[network.id] = network
        self._by_name[network.namespace, network.name] = network.id

    def _forget(self, network: Network) -> None:
        self._by_id.pop(network.id, None)
        self._by_name.pop((network.namespace, network.name), None)
