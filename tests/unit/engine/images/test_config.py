"""Configurations, changes, history, filters and archives: the pure parts of images."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BerthError, InvalidArgument
from engine.images import archive, filters
from engine.images.changes import apply_changes
from engine.images.config import parse_config, parse_document, parse_time, render_config, render_document
from engine.images.history import steps_of
from engine.images.model import HistoryEntry, Image, ImageLayer
from engine.refs import Platform, Reference
from engine.values import HealthConfig, ImageConfig

DIGEST = "sha256:" + "a" * 64


def document(**changes: Any) -> bytes:
    """Return a small good configuration, changed."""
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": [DIGEST]}, "architecture": "arm64", **changes}).encode()


FULL = ImageConfig(
    user="1:2", env=("A=1",), cmd=("x",), entrypoint=("y",), working_dir="/w", labels={"k": "v"},
    exposed_ports=("80/tcp",), volumes=("/data",), stop_signal="SIGINT",
    healthcheck=HealthConfig(("CMD", "true"), 1, 2, 3, 4, 5), shell=("/bin/bash", "-c"), on_build=("RUN x",),
    args_escaped=True,
)  # fmt: skip


def test_a_configuration_is_read_as_it_is_written() -> None:
    assert parse_config(render_config(FULL)) == FULL
    assert parse_config({}) == ImageConfig()
    assert render_config(ImageConfig()) == {}


def test_a_document_is_read_as_it_is_written() -> None:
    parsed = parse_document(document(config={"Cmd": ["x"]}, created="2024-01-01T00:00:00Z", author="me"))
    assert parse_document(render_document(parsed)) == parsed


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"nonsense", "invalid image configuration"),
        (b"[1]", "document must be an object"),
        (document(rootfs={"type": "x"}), "rootfs.type"),
        (document(rootfs={"type": "layers", "diff_ids": [1]}), "rootfs.diff_ids must be a list of strings"),
        (document(rootfs={"type": "layers", "diff_ids": ["sha256:x"]}), "digest"),
        (document(config={"Env": "A=1"}), "config.Env must be a list"),
        (document(config={"Labels": {"a": 1}}), "config.Labels must be an object of strings"),
        (document(config={"Healthcheck": {"Interval": "1s"}}), "config.Healthcheck.Interval must be an integer"),
        (document(os=5), "os must be a string"),
        (document(history=[[]]), "history must be an object"),
    ],
)
def test_wrong_types_are_named(data: bytes, says: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_document(data)
    assert says in str(refused.value)


keys = st.sampled_from(["rootfs", "type", "diff_ids", "config", "Env", "history", "Labels", "Healthcheck"])
scalars = st.none() | st.integers() | st.text(max_size=3)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner))


@given(values)
def test_any_json_is_a_document_or_an_error_of_ours(value: Any) -> None:
    try:
        parse_document(json.dumps(value).encode())
    except BerthError:
        pass


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T02:00:00.5+02:00", 5 * 10**8),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("0001-01-01T00:00:00Z", 0),
        ("yesterday", 0),
        ("", 0),
        ("2024-99-01T00:00:00Z", 0),
    ],
)
def test_times(text: str, nanoseconds: int) -> None:
    assert parse_time(text) == nanoseconds


def test_changes_of_an_import() -> None:
    changed = apply_changes(
        ImageConfig(env=("A=0", "B=1")),
        ['CMD ["sh", "-c", "x"]', "entrypoint run it", 'ENV A=1 C="two words"', "ENV OLD the rest", "EXPOSE 80 53/udp",
         "LABEL k=v", 'VOLUME ["/a"]', "WORKDIR /x", "WORKDIR y", "USER me", "STOPSIGNAL INT", "ONBUILD RUN z"],
    )  # fmt: skip
    assert changed == ImageConfig(
        env=("B=1", "A=1", "C=two words", "OLD=the rest"), cmd=("sh", "-c", "x"),
        entrypoint=("/bin/sh", "-c", "run it"), exposed_ports=("80/tcp", "53/udp"), labels={"k": "v"},
        volumes=("/a",), working_dir="/x/y", user="me", stop_signal="INT", on_build=("RUN z",),
    )  # fmt: skip
    for bad in ("RUN x", "ENV A=1 B", 'LABEL "open'):
        with pytest.raises(InvalidArgument):
            apply_changes(ImageConfig(), [bad])


def an_image(**changes: Any) -> Image:
    """Return an image of two layers."""
    layers = (ImageLayer("c1", "d1", 10), ImageLayer("c2", "d2", 20))
    return replace(Image(DIGEST, "default", ImageConfig(), layers, created_ns=5 * 10**9), **changes)


def test_history_gives_sizes_to_the_steps_that_have_layers() -> None:
    entries = (
        HistoryEntry(created_by="a"),
        HistoryEntry(created_by="b", empty_layer=True),
        HistoryEntry(created_by="c"),
    )
    steps = steps_of(an_image(history=entries), ["x:1"])
    assert [(s.created_by, s.size) for s in steps] == [("c", 20), ("b", 0), ("a", 10)]
    assert (steps[0].image_id, steps[0].tags, steps[1].image_id) == (DIGEST, ("x:1",), "<missing>")


def test_history_of_an_image_that_tells_none() -> None:
    assert [s.size for s in steps_of(an_image(), [])] == [20, 10]
    assert steps_of(an_image(layers=()), []) == []


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("busybox", True), ("busybox:1", True), ("busy*", True), ("*", True), ("*:1", True), ("busybox:2", False),
     ("docker.io/library/busybox", True), ("lib*/busybox", False), ("busybo?:1", True), ("[ab]usybox", True)],
)  # fmt: skip
def test_reference_patterns(pattern: str, matches: bool) -> None:
    assert filters.matches(Reference.parse("busybox:1"), pattern) is matches


def test_prune_takes_nameless_images_unless_told_otherwise() -> None:
    named = (Reference.parse("a:1"),)
    assert not filters.compile_prune({})(an_image(), named)
    assert filters.compile_prune({})(an_image(), ())
    assert filters.compile_prune({"dangling": ["false"]})(an_image(), named)
    assert not filters.compile_prune({"dangling": ["0"], "until": ["3"]})(an_image(), named)
    assert filters.compile_prune({"dangling": ["0"], "until": ["1h30m"]})(an_image(), named)
    recent = an_image(created_ns=time.time_ns())
    assert not filters.compile_prune({"until": ["1m"]})(recent, ())
    labelled = an_image(config=ImageConfig(labels={"keep": ""}))
    assert not filters.compile_prune({"label!": ["keep"]})(labelled, ())
    with pytest.raises(InvalidArgument):
        filters.compile_prune({"before": ["x"]})


def test_names_of_an_oci_layout() -> None:
    index = {
        "schemaVersion": 2,
        "manifests": [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 1,
             "annotations": {"org.opencontainers.image.ref.name": name}}
            for name in ("latest", "example.com/app:1")
        ],
    }  # fmt: skip
    own = {"schemaVersion": 2, "config": {"digest": DIGEST, "size": 1}, "layers": []}
    documents = {"index.json": json.dumps(index).encode(), f"blobs/sha256/{'a' * 64}": json.dumps(own).encode()}
    found = archive.images_of(documents, {}, Platform.host())
    assert [p.names for p in found] == [(), ("example.com/app:1",)]


def test_links_that_go_round_are_refused() -> None:
    documents = {"manifest.json": b'[{"Config":"a","Layers":[]}]'}
    with pytest.raises(InvalidArgument, match="link to a link"):
        archive.images_of(documents, {"a": "b", "b": "a"}, Platform.host())
