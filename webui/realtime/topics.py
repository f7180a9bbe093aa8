"""The topics of `subscribe`: which source each is, and which verb it needs. An unknown topic is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from webui.access import Actor, Resource, Verb
from webui.errors import Invalid
from webui.realtime import parameters
from webui.realtime.events import EventSource
from webui.realtime.feed import Feeds
from webui.realtime.hub import Hub, Source, Subscription
from webui.realtime.lists import LISTINGS, ListSource
from webui.realtime.logchoice import parse_choice, parse_positions
from webui.realtime.logmerge import MergedLogs
from webui.realtime.logs import MAX_SHARED_TAIL, LogSource, check_tail
from webui.realtime.logstreams import LogStream, parse_request
from webui.realtime.machine import MachineSource
from webui.realtime.operations import OperationSource
from webui.realtime.tails import Tails
from webui.realtime.usage import UsageSource
from webui.services.hosts import Hosts, team_of
from webui.services.operations import Operations, State

_MERGED_TAIL = 100
TOPIC_RULES: Mapping[str, Verb] = {
    "containers": Verb.VIEW,
    "images": Verb.VIEW,
    "events": Verb.VIEW,
    "usage": Verb.VIEW,
    "machine": Verb.VIEW,
    "logs": Verb.VIEW,
    "logs.merged": Verb.VIEW,
    "operations": Verb.VIEW,
}


@dataclass(frozen=True, slots=True)
class Topic:
    """What a subscribe asks for."""

    verb: Verb
    resource: Resource
    key: Hashable
    make: Callable[[], Source]


class Topics:
    """Finds the source of a subscribe."""

    def __init__(self, hub: Hub, hosts: Hosts, operations: Operations) -> None:
        self._hub, self._hosts, self._operations = hub, hosts, operations
        self._feeds = Feeds(hosts)
        self._tails = Tails(hosts)
        self._private = itertools.count(1)
        operations.on_change(self._operation_changed)

    def find(self, actor: Actor, data: Mapping[str, Any]) -> Topic:
        """Return the topic, or raise Invalid or NotFound. Nothing is opened yet."""
        name = parameters.text(data, "topic")
        verb = TOPIC_RULES.get(name)
        if verb is None:
            raise Invalid(f"no topic {name!r}", field="topic")
        team = team_of(actor, parameters.text(data, "team"))
        if name == "operations":
            key: Hashable = (name, team)
            return Topic(verb, Resource(team), key, lambda: OperationSource(self._hub, key, self._operations, team))
        at = (parameters.text(data, "host", "local"), team)
        resource = self._hosts.resource(*at)
        if name == "logs":
            return self._logs(verb, resource, at, data)
        if name == "logs.merged":
            return self._merged(verb, resource, at, data)
        key = (name, *at)
        return Topic(verb, resource, key, lambda: self._make(name, key, at))

    def begin(self, subscription: Subscription, data: Mapping[str, Any]) -> None:
        """Start a subscription's frames; with `since`, a list begins where the client stopped."""
        source, since = subscription.slot.source, data.get("since")
        if isinstance(source, LogStream):
            source.join(subscription, parse_request(data))
        elif isinstance(source, MergedLogs):
            past = {name: value for name, value in data.items() if name != "after"}
            source.join(subscription, parse_request(past, _MERGED_TAIL), parse_positions(data))
        elif isinstance(source, ListSource) and isinstance(since, int):
            self._hub.begin(subscription, source.since(since))
        else:
            self._hub.begin(subscription)

    def _make(self, name: str, key: Hashable, at: tuple[str, str]) -> Source:
        if name in LISTINGS:
            return ListSource(self._hub, key, LISTINGS[name], self._hosts, self._feeds, at)
        if name == "events":
            return EventSource(self._hub, key, self._feeds, at)
        if name == "machine":
            return MachineSource(self._hub, key, self._hosts, at)
        return UsageSource(self._hub, key, self._hosts, at)

    def _logs(self, verb: Verb, resource: Resource, at: tuple[str, str], data: Mapping[str, Any]) -> Topic:
        container, tail = parameters.container(data), check_tail(data.get("tail"))
        if self._hosts.get(at[0]).kind != "docker":
            parse_request(data)
            own: Hashable = ("logs", *at, container)
            return Topic(verb, resource, own, lambda: LogStream(self._hub, own, self._tails, at, container))
        if data.get("after") is not None:
            raise Invalid("this host's log streams have no positions", field="after")
        since = str(data.get("since") or "")
        if len(since) > 64 or not since.isascii():
            raise Invalid("since is a time", field="since")
        shared = not since and tail != "all" and int(tail) <= MAX_SHARED_TAIL
        key: Hashable = ("logs", *at, container, tail, 0 if shared else next(self._private))
        engine = self._hosts.watcher(*at)
        return Topic(
            verb,
            resource,
            key,
            lambda: LogSource(self._hub, key, engine, container, tail, since, shared=shared),
        )

    def _merged(self, verb: Verb, resource: Resource, at: tuple[str, str], data: Mapping[str, Any]) -> Topic:
        if self._hosts.get(at[0]).kind == "docker":
            raise Invalid("this host's log streams have no positions: its logs can't be merged", field="host")
        choice = parse_choice(data)
        parse_positions(data)
        parse_request({name: value for name, value in data.items() if name != "after"})
        key: Hashable = ("logs.merged", *at, choice)
        args = (self._hosts, self._feeds, self._tails, at, choice)
        return Topic(verb, resource, key, lambda: MergedLogs(self._hub, key, *args))

    def _operation_changed(self, state: State) -> None:
        for source in self._hub.sources:
            if isinstance(source, OperationSource):
                source.changed(state)
