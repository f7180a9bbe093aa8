"""Manifests of strangers: both formats, every mistake."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BerthError, InvalidArgument, NotFound, Unsupported
from engine.images import manifest
from engine.images.manifest import Index, Manifest, choose, parse
from engine.refs import Platform, digest_of

DIGEST = "sha256:" + "a" * 64
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 2}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": 3}


def a_manifest(**changes: Any) -> bytes:
    """Return a good manifest, changed."""
    return json.dumps({"schemaVersion": 2, "config": CONFIG, "layers": [LAYER], **changes}).encode()


def test_the_documents_own_type_goes_before_the_senders() -> None:
    assert parse(a_manifest(), "text/plain; charset=utf-8").media_type == "text/plain"
    assert parse(a_manifest(mediaType=manifest.DOCKER_MANIFEST), "text/plain").media_type == manifest.DOCKER_MANIFEST
    assert parse(a_manifest()).media_type == manifest.OCI_MANIFEST


def test_what_is_made_here_is_read_here() -> None:
    config = manifest.Descriptor(manifest.OCI_CONFIG, digest_of(b"c"), 1)
    layer = manifest.Descriptor(manifest.OCI_LAYER, digest_of(b"l"), 2)
    assert parse(manifest.render(config, [layer])) == Manifest(manifest.OCI_MANIFEST, config, (layer,))


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (b"", InvalidArgument, "invalid manifest"),
        (b"[]", InvalidArgument, "not an object"),
        (b"[" * 100_000, InvalidArgument, "invalid manifest"),
        (b'{"schemaVersion":3}', InvalidArgument, "schemaVersion 3"),
        (b'{"schemaVersion":1,"fsLayers":[]}', Unsupported, "schema 1 is not supported"),
        (a_manifest(config=None), InvalidArgument, "config must be a descriptor"),
        (a_manifest(layers={}), InvalidArgument, "layers must be a list"),
        (a_manifest(layers=[LAYER] * 1001), InvalidArgument, "more than 1000"),
        (a_manifest(layers=[{**LAYER, "size": -1}]), InvalidArgument, "size -1"),
        (a_manifest(layers=[{**LAYER, "size": True}]), InvalidArgument, "size True"),
        (a_manifest(layers=[{**LAYER, "digest": "sha256:../x"}]), InvalidArgument, "digest"),
        (a_manifest(layers=[{**LAYER, "mediaType": "text/html"}]), Unsupported, "layers of type text/html"),
        (a_manifest(config={**CONFIG, "mediaType": "application/vnd.wasm"}), Unsupported, "not a container image"),
    ],
)
def test_mistakes_are_named(data: bytes, kind: type[BerthError], says: str) -> None:
    with pytest.raises(kind, match=says):
        parse(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["schemaVersion", "config", "layers", "manifests", "digest", "size", "mediaType", "platform"]), inner),
    max_leaves=12,
)  # fmt: skip


@given(values)
def test_any_json_is_a_manifest_or_an_error_of_ours(value: Any) -> None:
    try:
        parse(json.dumps(value).encode())
    except BerthError:
        pass


def index_of(*platforms: tuple[str, str, str]) -> Index:
    """Return an index."""
    entries = [
        {**LAYER, "mediaType": manifest.OCI_MANIFEST, "size": number,
         "platform": {"os": os, "architecture": architecture, "variant": variant}}
        for number, (os, architecture, variant) in enumerate(platforms)
    ]  # fmt: skip
    found = parse(json.dumps({"schemaVersion": 2, "manifests": entries}).encode())
    assert isinstance(found, Index)
    return found


def test_the_exact_variant_goes_before_another() -> None:
    index = index_of(("linux", "arm", "v6"), ("linux", "arm", "v7"), ("windows", "amd64", ""))
    assert choose(index, Platform("linux", "arm", "v7")).size == 1
    assert choose(index, Platform("linux", "arm")).size == 0
    with pytest.raises(NotFound, match="no matching manifest for linux/amd64 in the manifest list entries"):
        choose(index, Platform("linux", "amd64"))
