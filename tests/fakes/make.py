"""Builders of the engine's values, with defaults that a test overrides where it matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.containers.model import Config, Container, HostConfig, State, Status
from engine.ids import new_id

SECOND_NS = 1_000_000_000


def a_container(**changes: Any) -> Container:
    """Return a created busybox container; `status`, `config` and `host_config` fields may be given flat."""
    identifier = changes.pop("id", new_id())
    status = changes.pop("status", Status.CREATED)
    container = Container(
        id=identifier,
        namespace="default",
        name=f"c{identifier[:8]}",
        created_ns=1_700_000_000 * SECOND_NS,
        image_id="sha256:" + "1" * 64,
        chain=("sha256:" + "2" * 64,),
        config=Config(image="busybox", cmd=("true",), hostname=identifier[:12]),
        host_config=HostConfig(network_mode="bridge"),
        state=State(status=status, started_ns=0 if status is Status.CREATED else 1_700_000_001 * SECOND_NS),
    )
    return replace(container, **changes)
