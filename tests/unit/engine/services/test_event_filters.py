import pytest

from engine.errors import InvalidArgument
from engine.events import Event
from engine.services.event_filters import compile_filters


def event(kind="container", action="start", actor="abc123", **attributes):
    return Event(kind, action, actor, "default", attributes)


BOX = event(image="repo/app:1", name="web", tier="front")


@pytest.mark.parametrize(
    ("filters", "entry", "found"),
    [
        ({}, BOX, True),
        ({"type": ("container",)}, BOX, True),
        ({"type": ("image", "network")}, BOX, False),
        ({"event": ("start", "die")}, BOX, True),
        ({"event": ("die",)}, BOX, False),
        ({"event": ("health_status",)}, event(action="health_status: healthy"), True),
        ({"event": ("exec_start",)}, event(action="exec_start: ls"), True),
        ({"event": ("exec_start",)}, event(action="exec_die"), False),
        ({"container": ("web",)}, BOX, True),
        ({"container": ("/web",)}, BOX, True),
        ({"container": ("abc",)}, BOX, True),
        ({"container": ("other",)}, BOX, False),
        ({"container": ("abc123",)}, event("network", "connect", "n1", container="abc123", name="bridge"), True),
        ({"container": ("bridge",)}, event("network", "connect", "n1", container="abc123", name="bridge"), False),
        ({"network": ("bri",)}, event("network", "connect", "n1", name="bridge"), True),
        ({"volume": ("v",)}, BOX, False),
        ({"image": ("repo/app:1",)}, BOX, True),
        ({"image": ("repo/app",)}, BOX, True),
        ({"image": ("app",)}, BOX, False),
        ({"image": ("repo/app",)}, event("image", "pull", "repo/app:1", name="repo/app"), True),
        ({"image": ("host:5000/app",)}, event(image="host:5000/app:2"), True),
        ({"label": ("tier",)}, BOX, True),
        ({"label": ("tier=front", "name=web")}, BOX, True),
        ({"label": ("tier=front", "nope")}, BOX, False),
        ({"scope": ("local",)}, BOX, True),
        ({"scope": ("swarm",)}, BOX, False),
        ({"type": ("container",), "event": ("die",)}, BOX, False),
    ],
)
def test_filters_mean_what_dockers_mean(filters, entry, found):
    assert compile_filters(filters)(entry) is found


def test_an_unknown_filter_is_named():
    with pytest.raises(InvalidArgument, match="invalid filter 'colour'"):
        compile_filters({"colour": ("red",)})
