"""The legal moves of a container, and the words Docker refuses the others with."""

from __future__ import annotations

from engine.containers.model import Container, Status
from engine.errors import Conflict, NotModified


def check_start(container: Container) -> None:
    """Raise NotModified if it runs already, Conflict if it can't be started as it is."""
    status = container.state.status
    if status is Status.PAUSED:
        raise Conflict("cannot start a paused container, try unpause instead")
    if status is Status.RUNNING:
        raise NotModified(f"container {container.id} is already running")
    if status in (Status.REMOVING, Status.DEAD):
        raise Conflict("container is marked for removal and cannot be started")


def check_running(container: Container, action: str) -> None:
    """Raise Conflict unless its processes exist; `action` is what was to be done ("exec in", "pause")."""
    if container.state.status is Status.RESTARTING:
        raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
    if not container.state.is_running:
        raise Conflict(f"cannot {action} container: {container.id}: container {container.id} is not running")


def check_pause(container: Container) -> None:
    """Raise Conflict unless it runs and is not paused."""
    if container.state.status is Status.PAUSED:
        raise Conflict(f"Container {container.id} is already paused")
    if not container.state.is_running:
        raise Conflict(f"Container {container.id} is not running")


def check_unpause(container: Container) -> None:
    """Raise Conflict unless it is paused."""
    if container.state.status is not Status.PAUSED:
        raise Conflict(f"Container {container.id} is not paused")


def check_remove(container: Container, *, force: bool) -> None:
    """Raise Conflict where only force may remove it."""
    if force:
        return
    status = container.state.status
    if status is Status.PAUSED:
        why = "container is paused and must be unpaused first"
    elif status is Status.RUNNING:
        why = "container is running: stop the container before removing or force remove"
    elif status is Status.RESTARTING:
        why = "container is restarting: stop the container before removing or force remove"
    else:
        return
    raise Conflict(f'cannot remove container "/{container.name}": {why}')
