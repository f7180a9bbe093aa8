from __future__ import annotations

import pytest

from engine.containers.merge import merge_config, merge_env
from engine.containers.model import Config
from engine.values import HealthConfig

IMAGE = Config(
    entrypoint=("/entry",),
    cmd=("default",),
    env=("PATH=/bin", "A=image"),
    user="app",
    working_dir="/srv",
    labels={"a": "image", "b": "image"},
    exposed_ports=("80/tcp",),
    volumes=("/data",),
    stop_signal="SIGINT",
    healthcheck=HealthConfig(test=("CMD", "true"), retries=3),
)


@pytest.mark.parametrize(
    ("asked", "entrypoint", "cmd"),
    [
        (Config(), ("/entry",), ("default",)),
        (Config(cmd=("mine",)), ("/entry",), ("mine",)),
        (Config(entrypoint=("/other",)), ("/other",), None),
        (Config(entrypoint=("/other",), cmd=("x",)), ("/other",), ("x",)),
        (Config(entrypoint=("",), cmd=("x",)), None, ("x",)),
        (Config(entrypoint=()), (), ("default",)),
    ],
    ids=["nothing", "cmd", "entrypoint drops the image's cmd", "both", "entrypoint reset", "empty entrypoint"],
)
def test_command_follows_dockers_rules(
    asked: Config, entrypoint: tuple[str, ...] | None, cmd: tuple[str, ...] | None
) -> None:
    merged = merge_config(asked, IMAGE)
    assert (merged.entrypoint, merged.cmd) == (entrypoint, cmd)


def test_own_values_win_and_the_rest_comes_from_the_image() -> None:
    merged = merge_config(
        Config(env=("A=mine",), user="", labels={"a": "mine"}, exposed_ports=("81/tcp",), working_dir="/own"), IMAGE
    )
    assert merged.env == ("A=mine", "PATH=/bin")
    assert merged.labels == {"a": "mine", "b": "image"}
    assert merged.exposed_ports == ("81/tcp", "80/tcp")
    assert merged.volumes == ("/data",)
    assert (merged.user, merged.working_dir, merged.stop_signal) == ("app", "/own", "SIGINT")


def test_health_check_fields_are_merged_one_by_one() -> None:
    merged = merge_config(Config(healthcheck=HealthConfig(interval=5)), IMAGE)
    assert merged.healthcheck == HealthConfig(test=("CMD", "true"), interval=5, retries=3)


def test_an_environment_name_without_value_still_hides_the_images() -> None:
    assert merge_env(["A=image"], ["A"]) == ("A",)
