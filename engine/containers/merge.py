"""What a container takes from its image, by Docker's rules: pure functions over the two configurations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.containers.model import Config
from engine.values import HealthConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def merge_config(asked: Config, image: Config) -> Config:
    """Return `asked` with what it leaves open filled from the image's configuration."""
    entrypoint, cmd = _command(asked, image)
    return replace(
        asked,
        entrypoint=entrypoint,
        cmd=cmd,
        user=asked.user or image.user,
        working_dir=asked.working_dir or image.working_dir,
        env=merge_env(image.env, asked.env),
        labels={**image.labels, **asked.labels},
        exposed_ports=_union(asked.exposed_ports, image.exposed_ports),
        volumes=_union(asked.volumes, image.volumes),
        stop_signal=asked.stop_signal or image.stop_signal,
        shell=asked.shell or image.shell,
        healthcheck=_health(asked.healthcheck, image.healthcheck),
        on_build=asked.on_build,
    )


def merge_env(base: Iterable[str], over: Iterable[str]) -> tuple[str, ...]:
    """Return `over`, then the entries of `base` whose names it doesn't set (`NAME=value` each)."""
    over = tuple(over)
    names = {entry.partition("=")[0] for entry in over}
    return over + tuple(entry for entry in base if entry.partition("=")[0] not in names)


def _command(asked: Config, image: Config) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    entrypoint = asked.entrypoint
    if entrypoint == ("",):
        return None, asked.cmd
    if entrypoint:
        return entrypoint, asked.cmd
    cmd = asked.cmd or image.cmd
    return (image.entrypoint if entrypoint is None else entrypoint), cmd


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _health(asked: HealthConfig | None, image: HealthConfig | None) -> HealthConfig | None:
    if asked is None or image is None:
        return asked or image
    return HealthConfig(
        test=asked.test or image.test,
        interval=asked.interval or image.interval,
        timeout=asked.timeout or image.timeout,
        retries=asked.retries or image.retries,
        start_period=asked.start_period or image.start_period,
        start_interval=asked.start_interval or image.start_interval,
    )
