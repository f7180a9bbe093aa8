"""A container's `Config` and its JSON."""

from __future__ import annotations

from typing import Any

from engine.api.codec import Fields
from engine.api.wire.mounts import refuse_unread
from engine.api.wire.ports import parse_exposed
from engine.containers.model import Config
from engine.errors import InvalidArgument
from engine.values import HealthConfig

_MILLISECOND = 1_000_000
_NOT_CONFIG = ("HostConfig", "NetworkingConfig", "Runtime")
"""Read elsewhere; docker-py repeats HostConfig.Runtime at the top."""


def parse_config(fields: Fields) -> Config:
    """Return the Config that a create body's top level is; fields of ours that have no place in it are refused."""
    config = Config(
        image=fields.text("Image"),
        hostname=fields.text("Hostname"),
        domainname=fields.text("Domainname"),
        user=fields.text("User"),
        attach_stdin=fields.flag("AttachStdin"),
        attach_stdout=fields.flag("AttachStdout"),
        attach_stderr=fields.flag("AttachStderr"),
        tty=fields.flag("Tty"),
        open_stdin=fields.flag("OpenStdin"),
        stdin_once=fields.flag("StdinOnce"),
        env=fields.texts("Env"),
        cmd=fields.command("Cmd"),
        entrypoint=fields.command("Entrypoint"),
        args_escaped=fields.flag("ArgsEscaped"),
        working_dir=fields.text("WorkingDir"),
        labels=fields.mapping("Labels"),
        exposed_ports=parse_exposed(fields.keys("ExposedPorts")),
        volumes=fields.keys("Volumes"),
        healthcheck=parse_health(fields.table("Healthcheck")) if "Healthcheck" in fields else None,
        stop_signal=fields.optional_text("StopSignal") or None,
        stop_timeout=fields.optional_integer("StopTimeout"),
        shell=fields.optional_texts("Shell"),
        on_build=fields.optional_texts("OnBuild"),
        network_disabled=fields.flag("NetworkDisabled"),
        mac_address=fields.text("MacAddress"),
    )
    for name in _NOT_CONFIG:
        fields.raw(name)
    refuse_unread(fields)
    return config


def parse_health(fields: Fields) -> HealthConfig:
    """Return a Healthcheck; times are nanoseconds, zero or at least a millisecond."""
    times = {}
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        times[name] = fields.integer(name)
        if times[name] != 0 and times[name] < _MILLISECOND:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")
    retries = fields.integer("Retries")
    if retries < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")
    health = HealthConfig(
        test=fields.texts("Test"),
        interval=times["Interval"],
        timeout=times["Timeout"],
        retries=retries,
        start_period=times["StartPeriod"],
        start_interval=times["StartInterval"],
    )
    refuse_unread(fields)
    return health


def render_config(config: Config) -> dict[str, Any]:
    """Return `Config` as Docker writes it: some members are left out when zero."""
    found: dict[str, Any] = {
        "Hostname": config.hostname,
        "Domainname": config.domainname,
        "User": config.user,
        "AttachStdin": config.attach_stdin,
        "AttachStdout": config.attach_stdout,
        "AttachStderr": config.attach_stderr,
        "Tty": config.tty,
        "OpenStdin": config.open_stdin,
        "StdinOnce": config.stdin_once,
        "Env": list(config.env),
        "Cmd": _optional(config.cmd),
        "Image": config.image,
        "Volumes": {path: {} for path in config.volumes} or None,
        "WorkingDir": config.working_dir,
        "Entrypoint": _optional(config.entrypoint),
        "OnBuild": _optional(config.on_build),
        "Labels": dict(config.labels),
    }
    sometimes: dict[str, Any] = {
        "ExposedPorts": {key: {} for key in config.exposed_ports},
        "ArgsEscaped": config.args_escaped,
        "NetworkDisabled": config.network_disabled,
        "MacAddress": config.mac_address,
        "Healthcheck": render_health(config.healthcheck) if config.healthcheck else None,
        "StopSignal": config.stop_signal,
        "Shell": _optional(config.shell),
    }
    found |= {name: value for name, value in sometimes.items() if value}
    if config.stop_timeout is not None:
        found["StopTimeout"] = config.stop_timeout
    return found


def render_health(health: HealthConfig) -> dict[str, Any]:
    """Return a Healthcheck; zeros are left out."""
    found = {
        "Test": list(health.test),
        "Interval": health.interval,
        "Timeout": health.timeout,
        "StartPeriod": health.start_period,
        "StartInterval": health.start_interval,
        "Retries": health.retries,
    }
    return {name: value for name, value in found.items() if value}


def _optional(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)
