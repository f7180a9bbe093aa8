"""/networks: lists, creation, removal, containers in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.api import codec
from engine.api.router import Call, Reply, Route
from engine.api.wire import endpoints
from engine.api.wire import network as wire
from engine.api.wire.mounts import refuse_unread
from engine.errors import InvalidArgument, NotFound
from engine.networks.filters import LIST_FILTERS, PRUNE_FILTERS
from engine.networks.model import Network, NetworkWish
from engine.values import EndpointConfig, Scope


class Networks(Protocol):
    """What these routes need of the service."""

    @property
    def members(self) -> Callable[[Network], Sequence[wire.Member]]: ...
    def get(self, scope: Scope, reference: str) -> Network: ...
    def list_(self, scope: Scope, filters: Mapping[str, tuple[str, ...]] | None = None) -> list[Network]: ...
    def create(self, scope: Scope, wish: NetworkWish) -> Network: ...
    def remove(self, scope: Scope, reference: str) -> None: ...
    def prune(self, scope: Scope, filters: Mapping[str, tuple[str, ...]]) -> list[str]: ...
    def connect(self, scope: Scope, reference: str, container_reference: str, config: EndpointConfig) -> None: ...
    def disconnect(self, scope: Scope, reference: str, container_reference: str) -> None: ...


class NetworkRoutes:
    """The handlers."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def list_(self, call: Call) -> Reply:
        """GET /networks."""
        filters = call.filters()
        codec.check_filters(filters, LIST_FILTERS)
        found = self._networks.list_(call.scope, filters)
        with_members = call.version < (1, 28)
        return Reply.json([wire.render_network(n, self._networks.members(n) if with_members else None) for n in found])

    def inspect(self, call: Call) -> Reply:
        """GET /networks/{id}."""
        if call.text("scope") not in ("", "local"):
            raise NotFound(f"network {call.path['id']} not found")  # every network is local
        network = self._networks.get(call.scope, call.path["id"])
        return Reply.json(wire.render_network(network, self._networks.members(network)))

    def create(self, call: Call) -> Reply:
        """POST /networks/create."""
        network = self._networks.create(call.scope, wire.parse_create(call.fields()))
        return Reply.json({"Id": network.id, "Warning": ""}, 201)

    def remove(self, call: Call) -> Reply:
        """DELETE /networks/{id}."""
        self._networks.remove(call.scope, call.path["id"])
        return Reply.empty()

    def prune(self, call: Call) -> Reply:
        """POST /networks/prune."""
        filters = call.filters()
        codec.check_filters(filters, PRUNE_FILTERS)
        return Reply.json({"NetworksDeleted": self._networks.prune(call.scope, filters) or None})

    def connect(self, call: Call) -> Reply:
        """POST /networks/{id}/connect."""
        fields = call.fields()
        config = endpoints.parse_endpoint(call.path["id"], fields.table("EndpointConfig"))
        self._networks.connect(call.scope, call.path["id"], _container(fields), config)
        return Reply.empty(200)

    def disconnect(self, call: Call) -> Reply:
        """POST /networks/{id}/disconnect; `Force` changes nothing: an endpoint is always taken away."""
        fields = call.fields()
        fields.flag("Force")
        self._networks.disconnect(call.scope, call.path["id"], _container(fields))
        return Reply.empty(200)


def _container(fields: codec.Fields) -> str:
    reference = fields.text("Container")
    refuse_unread(fields)
    if not reference:
        raise InvalidArgument("Container: the id or name of a container is required")
    return reference


def routes(networks: Networks) -> list[Route]:
    """Return the routes of networks."""
    on = NetworkRoutes(networks)
    one = "/networks/{id}"
    return [
        Route("GET", "/networks", on.list_),
        Route("POST", "/networks/create", on.create),
        Route("POST", "/networks/prune", on.prune, since="1.25"),
        Route("GET", one, on.inspect),
        Route("DELETE", one, on.remove),
        Route("POST", f"{one}/connect", on.connect),
        Route("POST", f"{one}/disconnect", on.disconnect),
    ]
