"""Typed identifiers, and how a user's abbreviation finds one."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import NewType

ContainerId = NewType("ContainerId", str)
"""64 hex digits."""
ExecId = NewType("ExecId", str)
NetworkId = NewType("NetworkId", str)
ImageId = NewType("ImageId", str)
"""`sha256:` and 64 hex digits: the digest of the image's config."""
Digest = NewType("Digest", str)
"""`algorithm:hex` of a blob (OCI image spec, descriptor)."""
ChainId = NewType("ChainId", str)
"""Identity of a layer on top of its parents (OCI image spec, layer chain id)."""


def new_id() -> str:
    """Return a fresh 64-digit hex id whose first 12 digits are not all decimal (they could pass for a pid)."""
    while True:
        value = secrets.token_hex(32)
        if not value[:12].isdigit():
            return value


def match_prefix(prefix: str, ids: Iterable[str]) -> list[str]:
    """Return the ids that begin with `prefix`; an empty prefix matches nothing."""
    return [i for i in ids if i.startswith(prefix)] if prefix else []
