"""Decoding of requests: query values, Docker's filters, JSON objects with typed fields.

Whatever has the wrong type is an InvalidArgument that names the field. A JSON null is Go's zero value, and names are
found whatever their case, because Docker's own decoder (encoding/json) does both. Where that decoder would take the
last of two of one name, or of two in different case, we refuse: no second reading of a request exists.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

from engine.errors import InvalidArgument

Filters: TypeAlias = Mapping[str, tuple[str, ...]]
"""Docker's filters: name → the values asked for."""

_FALSE = frozenset(("", "0", "no", "false", "none"))
_INT64 = 2**63
_KINDS = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array", dict: "an object"}


def parse_flag(text: str) -> bool:
    """Return the truth of a query value as Docker reads it: everything but "", 0, no, false, none."""
    return text.strip().lower() not in _FALSE


def parse_integer(name: str, text: str) -> int:
    """Return the integer in a query value; `name` is for the error."""
    try:
        value = int(text, 10)
    except ValueError:
        raise InvalidArgument(f"{name}: expected an integer, got {text!r}") from None
    if not -_INT64 <= value < _INT64:
        raise InvalidArgument(f"{name}: {text} is out of range")
    return value


def parse_filters(text: str) -> dict[str, tuple[str, ...]]:
    """Return filters from `{"label": ["a"]}` or the older `{"label": {"a": true}}`."""
    if not text:
        return {}
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid filters: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidArgument(f"invalid filters: expected an object, got {kind_of(raw)}")
    return {name: _filter_values(name, values) for name, values in raw.items()}


def _filter_values(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, dict):
        values = [value for value, wanted in values.items() if wanted is not False]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidArgument(f"invalid filters: {name}: expected a list of strings")
    return tuple(values)


def check_filters(filters: Filters, allowed: Collection[str]) -> None:
    """Pass if every filter's name is in `allowed`, else say which is not, in Docker's words."""
    for name in filters:
        if name not in allowed:
            raise InvalidArgument(f"invalid filter '{name}'")


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in a request's body; an empty body is an empty object."""
    if not data.strip():
        return {}
    try:
        value = json.loads(data, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"invalid JSON: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidArgument(f"invalid JSON: expected an object, got {kind_of(value)}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def kind_of(value: object) -> str:
    """Return the JSON type of a value in words."""
    return _KINDS.get(type(value), "null")


class Fields:
    """A JSON object read by typed getters; absent and null are zero values. `unread` names what nobody asked for."""

    def __init__(self, value: Mapping[str, Any], path: str = "") -> None:
        self._value = value
        self._path = path
        self._folded: dict[str, str] | None = None
        self._ambiguous: set[str] | None = None
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return self.raw(name) is not None

    def name_of(self, name: str) -> str:
        """Return the full name of a field, for messages: `HostConfig.Memory`."""
        return f"{self._path}.{name}" if self._path else name

    def raw(self, name: str) -> Any:
        """Return a field as it is, None if absent."""
        if name in self._value:
            self._read.add(name)
            self._check_once(name)
            return self._value[name]
        if self._folded is None:
            self._folded = {key.lower(): key for key in self._value}
        key = self._folded.get(name.lower())
        if key is None:
            return None
        self._check_once(name)
        self._read.add(key)
        return self._value[key]

    def _check_once(self, name: str) -> None:
        """Refuse a field that is there in two cases: another reader might take the other one."""
        if self._ambiguous is None:
            folded = [key.lower() for key in self._value]
            twice = len(set(folded)) < len(folded)
            self._ambiguous = {key for key in folded if folded.count(key) > 1} if twice else set()
        if self._ambiguous and name.lower() in self._ambiguous:
            raise InvalidArgument(f"{self.name_of(name)}: given more than once")

    def _typed(self, name: str, kind: type) -> Any:
        value = self.raw(name)
        if value is not None and type(value) is not kind:
            raise InvalidArgument(f"{self.name_of(name)}: expected {_KINDS[kind]}, got {kind_of(value)}")
        return value

    def text(self, name: str, default: str = "") -> str:
        """Return a string field."""
        value = self._typed(name, str)
        return default if value is None else str(value)

    def optional_text(self, name: str) -> str | None:
        """Return a string field, None if absent."""
        value = self._typed(name, str)
        return None if value is None else str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean field."""
        value = self._typed(name, bool)
        return default if value is None else bool(value)

    def optional_flag(self, name: str) -> bool | None:
        """Return a boolean field, None if absent."""
        value = self._typed(name, bool)
        return None if value is None else bool(value)

    def integer(self, name: str, default: int = 0) -> int:
        """Return an integer field (64 bits, signed)."""
        value = self.optional_integer(name)
        return default if value is None else value

    def optional_integer(self, name: str) -> int | None:
        """Return an integer field, None if absent."""
        value = self._typed(name, int)
        if value is not None and not -_INT64 <= value < _INT64:
            raise InvalidArgument(f"{self.name_of(name)}: {value} is out of range")
        return None if value is None else int(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return an array of strings, empty if absent."""
        return self.optional_texts(name) or ()

    def optional_texts(self, name: str) -> tuple[str, ...] | None:
        """Return an array of strings, None if absent."""
        value = self._typed(name, list)
        if value is None:
            return None
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise InvalidArgument(f"{self.name_of(name)}[{index}]: expected a string, got {kind_of(item)}")
        return tuple(value)

    def command(self, name: str) -> tuple[str, ...] | None:
        """Return an array of strings that may be given as one string (Cmd, Entrypoint); None if absent."""
        value = self.raw(name)
        return (value,) if isinstance(value, str) else self.optional_texts(name)

    def mapping(self, name: str) -> dict[str, str]:
        """Return an object whose values are strings, empty if absent."""
        value = self._typed(name, dict) or {}
        for key, item in value.items():
            if item is not None and not isinstance(item, str):
                raise InvalidArgument(f"{self.name_of(name)}.{key}: expected a string, got {kind_of(item)}")
        return {key: item or "" for key, item in value.items()}

    def keys(self, name: str) -> tuple[str, ...]:
        """Return the names in an object that is used as a set (`{"80/tcp": {}}`)."""
        value = self._typed(name, dict) or {}
        for key, item in value.items():
            if item is not None and not isinstance(item, dict):
                raise InvalidArgument(f"{self.name_of(name)}.{key}: expected an object, got {kind_of(item)}")
        return tuple(value)

    def table(self, name: str) -> Fields:
        """Return an object field, an empty one if absent."""
        return Fields(self._typed(name, dict) or {}, self.name_of(name))

    def tables(self, name: str) -> list[Fields]:
        """Return an array of objects, empty if absent."""
        found = []
        for index, item in enumerate(self._typed(name, list) or []):
            path = f"{self.name_of(name)}[{index}]"
            if not isinstance(item, dict):
                raise InvalidArgument(f"{path}: expected an object, got {kind_of(item)}")
            found.append(Fields(item, path))
        return found

    def entries(self, name: str) -> Iterator[tuple[str, Fields]]:
        """Yield the members of an object of objects (EndpointsConfig); null members are empty objects."""
        for key, item in (self._typed(name, dict) or {}).items():
            path = f"{self.name_of(name)}.{key}"
            if item is not None and not isinstance(item, dict):
                raise InvalidArgument(f"{path}: expected an object, got {kind_of(item)}")
            yield key, Fields(item or {}, path)

    def unread(self) -> list[str]:
        """Return the full names of fields with a value other than zero that no getter has asked for."""
        return [self.name_of(key) for key, value in self._value.items() if value and key not in self._read]
