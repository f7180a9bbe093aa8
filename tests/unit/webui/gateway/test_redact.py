"""Environment values are hidden, names stay."""

from __future__ import annotations

from webui.gateway.redact import redact


def test_a_container_keeps_names_and_loses_values() -> None:
    shown = redact("container", {"Id": "x", "Config": {"Env": ["PASSWORD=a=b", "EMPTY=", "BARE"], "Cmd": ["sh"]}})
    assert shown["Config"] == {"Env": ["PASSWORD=<hidden>", "EMPTY=<hidden>", "BARE"], "Cmd": ["sh"]}


def test_an_image_has_two_places() -> None:
    shown = redact("image", {"Config": {"Env": ["A=1"]}, "ContainerConfig": {"Env": ["A=1"]}})
    assert shown == {"Config": {"Env": ["A=<hidden>"]}, "ContainerConfig": {"Env": ["A=<hidden>"]}}


def test_a_history_shows_no_value_of_an_env_step() -> None:
    rows = [{"CreatedBy": "/bin/sh -c #(nop)  ENV TOKEN=secret other=1"}, {"CreatedBy": "RUN make"}]
    assert redact("history", rows) == [{"CreatedBy": "/bin/sh -c #(nop)  ENV <hidden>"}, {"CreatedBy": "RUN make"}]


def test_layers_show_no_value_of_an_env_step() -> None:
    value = {"image": "i", "layers": [{"index": 0, "instruction": "ENV TOKEN=secret"}, {"index": 1, "instruction": ""}]}
    rows = [{"index": 0, "instruction": "ENV <hidden>"}, {"index": 1, "instruction": ""}]
    assert redact("layers", value) == {"image": "i", "layers": rows}


def test_the_original_is_not_changed_and_null_is_taken() -> None:
    original = {"Config": {"Env": ["A=1"]}}
    redact("container", original)
    assert original == {"Config": {"Env": ["A=1"]}}
    assert redact("container", {"Config": {"Env": None}}) == {"Config": {"Env": None}}
