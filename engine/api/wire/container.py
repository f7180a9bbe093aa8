"""Containers in requests and answers: the create body, an inspection, a row of the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.api.codec import Fields
from engine.api.wire.config import parse_config, render_config
from engine.api.wire.endpoints import parse_networking, render_endpoint
from engine.api.wire.host_config import parse_host_config, render_host_config
from engine.api.wire.mounts import render_mounts
from engine.api.wire.ports import render_published, render_summary
from engine.api.wire.status import render_status
from engine.clock import render_ns
from engine.containers.model import (
    DEFAULT_MASKED_PATHS,
    DEFAULT_READONLY_PATHS,
    Config,
    Container,
    HostConfig,
    State,
    Status,
)
from engine.values import Endpoint, EndpointConfig

DRIVER = "overlayfs"
_DEFAULT_BRIDGE = "bridge"
_MAC_SINCE = (1, 44)


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a create body asks for."""

    config: Config
    host_config: HostConfig
    networking: tuple[EndpointConfig, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the engine keeps what an inspection names."""

    containers: str
    netns: str
    snapshots: str
    rootfs: str


def parse_create(fields: Fields, version: tuple[int, int]) -> CreateRequest:
    """Return the request in a create body; InvalidArgument or Unsupported names the field."""
    host = fields.table("HostConfig")
    networking = fields.table("NetworkingConfig")
    return CreateRequest(parse_config(fields), parse_host_config(host, version), parse_networking(networking))


def render_inspect(
    container: Container,
    places: Places,
    *,
    exec_ids: Sequence[str] = (),
    size: tuple[int, int] | None = None,
    version: tuple[int, int] = (1, 50),
) -> dict[str, Any]:
    """Return ContainerInspectResponse; `size` is (written, whole root) in bytes where the client asked for it."""
    argv = container.argv
    folder = f"{places.containers}/{container.id}"
    found: dict[str, Any] = {
        "Id": container.id,
        "Created": render_ns(container.created_ns),
        "Path": argv[0] if argv else "",
        "Args": list(argv[1:]),
        "State": render_state(container.state),
        "Image": container.image_id,
        "ResolvConfPath": f"{folder}/resolv.conf",
        "HostnamePath": f"{folder}/hostname",
        "HostsPath": f"{folder}/hosts",
        "LogPath": "" if container.host_config.log_config.type == "none" else f"{folder}/log",
        "Name": f"/{container.name}",
        "RestartCount": container.state.restart_count,
        "Driver": DRIVER,
        "Platform": container.platform,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(exec_ids) or None,
        "HostConfig": render_host_config(container.host_config, DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS),
        "GraphDriver": _graph_driver(container, places),
        "Mounts": render_mounts(container),
        "Config": render_config(container.config),
        "NetworkSettings": render_network_settings(container, places),
    }
    if size is not None:
        found["SizeRw"], found["SizeRootFs"] = size
    if version < _MAC_SINCE and not container.config.mac_address:
        first = next(iter(container.endpoints), None)
        found["Config"]["MacAddress"] = first.mac_address if first else ""
    return found


def _graph_driver(container: Container, places: Places) -> dict[str, Any]:
    snapshot = f"{places.snapshots}/{container.id}"
    return {
        "Name": DRIVER,
        "Data": {
            "MergedDir": f"{places.rootfs}/{container.id}",
            "UpperDir": f"{snapshot}/upper",
            "WorkDir": f"{snapshot}/work",
        },
    }


def render_state(state: State) -> dict[str, Any]:
    """Return ContainerState; Health is left out where there is no health check."""
    found: dict[str, Any] = {
        "Status": state.status.value,
        "Running": state.is_running or state.status is Status.RESTARTING,
        "Paused": state.status is Status.PAUSED,
        "Restarting": state.status is Status.RESTARTING,
        "OOMKilled": state.oom_killed,
        "Dead": state.status is Status.DEAD,
        "Pid": state.pid if state.is_running else 0,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": render_ns(state.started_ns),
        "FinishedAt": render_ns(state.finished_ns),
    }
    if state.health is not None:
        found["Health"] = {
            "Status": state.health.status,
            "FailingStreak": state.health.failing_streak,
            "Log": [
                {
                    "Start": render_ns(result.start_ns),
                    "End": render_ns(result.end_ns),
                    "ExitCode": result.exit_code,
                    "Output": result.output,
                }
                for result in state.health.log
            ],
        }
    return found


def render_network_settings(container: Container, places: Places) -> dict[str, Any]:
    """Return NetworkSettings; the top level repeats the default bridge's endpoint, as Docker does."""
    endpoints = _endpoints(container)
    first = next((e for e in endpoints if e.network_name == _DEFAULT_BRIDGE), None) or Endpoint(
        config=EndpointConfig(network=""), network_id="", network_name=""
    )
    running = container.state.is_running
    sandbox = container.sandbox if running else ""
    return {
        "Bridge": "",
        "SandboxID": sandbox,
        "SandboxKey": f"{places.netns}/{sandbox}" if sandbox else "",
        "Ports": render_published(container.config.exposed_ports, container.ports) if running else {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": first.endpoint_id,
        "Gateway": first.gateway,
        "GlobalIPv6Address": first.global_ipv6_address,
        "GlobalIPv6PrefixLen": first.global_ipv6_prefix_len,
        "IPAddress": first.ip_address,
        "IPPrefixLen": first.ip_prefix_len,
        "IPv6Gateway": first.ipv6_gateway,
        "MacAddress": first.mac_address,
        "Networks": {endpoint.network_name: render_endpoint(endpoint) for endpoint in endpoints},
    }


def _endpoints(container: Container) -> tuple[Endpoint, ...]:
    """Return the endpoints, or, before the first start, the networks asked for with nothing filled in."""
    if container.endpoints:
        return container.endpoints
    if container.networks:
        return tuple(Endpoint(config=c, network_id="", network_name=c.network) for c in container.networks)
    mode = container.host_config.network_mode
    if mode in ("none", "host"):
        return (Endpoint(config=EndpointConfig(network=mode), network_id="", network_name=mode),)
    return ()


def render_row(
    container: Container, now_ns: int, *, size: tuple[int, int] | None = None, image: str | None = None
) -> dict[str, Any]:
    """Return ContainerSummary; `image` where its reference means another image by now."""
    running = container.state.is_running
    found: dict[str, Any] = {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.config.image if image is None else image,
        "ImageID": container.image_id,
        "Command": _command(container.argv),
        "Created": container.created_ns // 1_000_000_000,
        "Ports": render_summary(container.config.exposed_ports, container.ports) if running else [],
        "Labels": dict(container.config.labels),
        "State": container.state.status.value,
        "Status": render_status(container, now_ns),
        "HostConfig": {"NetworkMode": container.host_config.network_mode},
        "NetworkSettings": {"Networks": {e.network_name: render_endpoint(e) for e in _endpoints(container)}},
        "Mounts": render_mounts(container),
    }
    if container.host_config.annotations:
        found["HostConfig"]["Annotations"] = dict(container.host_config.annotations)
    if size is not None:
        found["SizeRw"], found["SizeRootFs"] = size
    return found


def _command(argv: tuple[str, ...]) -> str:
    return " ".join((*argv[:1], *(f"'{arg}'" if " " in arg else arg for arg in argv[1:])))
