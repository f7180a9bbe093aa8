"""The restart policy as a pure function: whether and when a container that ended is started again.

Docker's back-off: 100 ms, doubled at each restart up to a minute, from the beginning after a run of ten seconds.
"""

from __future__ import annotations

from engine.containers.model import RestartPolicy
from engine.errors import InvalidArgument

FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
STEADY_SECONDS = 10.0
POLICIES = ("no", "always", "unless-stopped", "on-failure")


def check_policy(policy: RestartPolicy, *, auto_remove: bool) -> None:
    """Raise InvalidArgument where Docker refuses the policy."""
    if policy.name not in POLICIES:
        raise InvalidArgument(
            f"invalid restart policy: unknown policy '{policy.name}'; use one of {', '.join(POLICIES)}"
        )
    if policy.maximum_retry_count < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
    if policy.maximum_retry_count and policy.name != "on-failure":
        raise InvalidArgument("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if auto_remove and policy.name != "no":
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")


def wants_restart(policy: RestartPolicy, exit_code: int, restarts: int, *, stopped_by_user: bool) -> bool:
    """Say whether a container that ended with `exit_code` after `restarts` restarts is to run again."""
    if stopped_by_user or policy.name == "no":
        return False
    if policy.name == "on-failure":
        limit = policy.maximum_retry_count
        return exit_code != 0 and (limit == 0 or restarts < limit)
    return True


def wants_start_at_boot(policy: RestartPolicy, exit_code: int, *, was_up: bool, stopped_by_user: bool) -> bool:
    """Say whether a starting engine starts a container that is not running.

    `was_up`: its record says that it ran when the engine or the machine went down.
    """
    if policy.name == "always":
        return True
    if policy.name == "unless-stopped":
        return not stopped_by_user
    return policy.name == "on-failure" and was_up and exit_code != 0


def next_delay(previous: float, ran_seconds: float) -> float:
    """Return the seconds to wait, given the last delay (0.0: none yet) and how long the container ran."""
    if previous == 0.0 or ran_seconds >= STEADY_SECONDS:
        return FIRST_DELAY
    return min(previous * 2, LONGEST_DELAY)
