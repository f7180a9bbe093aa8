"""Health as a state machine of Docker's rules: pure functions over the configuration, the state and one result."""

from __future__ import annotations

from dataclasses import replace

from engine.containers.model import Config, Health, HealthResult
from engine.values import HealthConfig

LOG_LENGTH = 5
OUTPUT_LIMIT = 4096
TIMED_OUT = -1
"""Docker's exit code for a check that took too long."""

_SECOND = 1_000_000_000
_DEFAULT_INTERVAL = 30 * _SECOND
_DEFAULT_TIMEOUT = 30 * _SECOND
_DEFAULT_START_INTERVAL = 5 * _SECOND
_DEFAULT_RETRIES = 3


def check_argv(config: Config) -> tuple[str, ...]:
    """Return the command line of the container's check; () where it has none."""
    test = config.healthcheck.test if config.healthcheck else ()
    if not test or test[0] == "NONE":
        return ()
    if test[0] == "CMD":
        return test[1:]
    if test[0] == "CMD-SHELL":
        return (*(config.shell or ("/bin/sh", "-c")), *test[1:])
    return ()


def timeout_seconds(config: HealthConfig) -> float:
    """Return how long one check may take."""
    return (config.timeout or _DEFAULT_TIMEOUT) / _SECOND


def delay_seconds(config: HealthConfig, health: Health, since_start_ns: int) -> float:
    """Return the wait before the next check: shorter in the start period, until the first success."""
    interval = config.interval or _DEFAULT_INTERVAL
    if health.status == "starting" and since_start_ns < config.start_period:
        interval = config.start_interval or _DEFAULT_START_INTERVAL
    return interval / _SECOND


def judge(config: HealthConfig, health: Health, result: HealthResult, since_start_ns: int) -> Health:
    """Return the health after one more result; `since_start_ns`: how long the container has run."""
    log = (*health.log, result)[-LOG_LENGTH:]
    if result.exit_code == 0:
        return Health("healthy", 0, log)
    if health.status == "starting" and since_start_ns < config.start_period:
        return replace(health, log=log)
    streak = health.failing_streak + 1
    status = "unhealthy" if streak >= (config.retries or _DEFAULT_RETRIES) else health.status
    return Health(status, streak, log)
