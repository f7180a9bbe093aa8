"""A container's status in words, as `docker ps` shows it."""

from __future__ import annotations

from engine.containers.model import Container, Health, Status

_SECOND = 1_000_000_000


def render_status(container: Container, now_ns: int) -> str:
    """Return `Up 2 minutes (healthy)`, `Exited (0) 3 days ago`, …"""
    state = container.state
    up, ago = _since(state.started_ns, now_ns), _since(state.finished_ns, now_ns)
    match state.status:
        case Status.PAUSED:
            return f"Up {up} (Paused)"
        case Status.RESTARTING:
            return f"Restarting ({state.exit_code}) {ago} ago"
        case Status.RUNNING:
            return f"Up {up} ({render_health(state.health)})" if state.health else f"Up {up}"
        case Status.REMOVING:
            return "Removal In Progress"
        case Status.DEAD:
            return "Dead"
    if not state.started_ns:
        return "Created"
    return f"Exited ({state.exit_code}) {ago} ago" if state.finished_ns else ""


def render_health(health: Health) -> str:
    """Return the health in a status: `health: starting`, `healthy`, `unhealthy`."""
    return "health: starting" if health.status == "starting" else health.status


def _since(then_ns: int, now_ns: int) -> str:
    return render_duration(max(0, now_ns - then_ns) / _SECOND)


def render_duration(seconds: float) -> str:
    """Return a duration as go-units' HumanDuration words it."""
    whole = int(seconds)
    minutes, hours = whole // 60, int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{whole // 3600 // 24 // 365} years"
