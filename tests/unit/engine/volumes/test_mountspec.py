from __future__ import annotations

import pytest

from engine.errors import InvalidArgument, Unsupported
from engine.volumes.mountspec import (
    Wish,
    check_mount,
    parse_bind,
    parse_image_volume,
    parse_tmpfs,
    parse_volumes_from,
    tmpfs_options,
)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("/host:/c", Wish("bind", "/c", "/host", propagation="rprivate", make_source=True)),
        ("/host/:/c/d/", Wish("bind", "/c/d", "/host", propagation="rprivate", make_source=True)),
        ("/h:/c:ro", Wish("bind", "/c", "/h", "ro", True, "rprivate", make_source=True)),
        ("/h:/c:ro,z,rshared", Wish("bind", "/c", "/h", "ro,z,rshared", True, "rshared", make_source=True)),
        ("/h:/c:cached", Wish("bind", "/c", "/h", "cached", False, "rprivate", make_source=True)),
        ("name:/c", Wish("volume", "/c", "name")),
        ("name:/c:ro,nocopy", Wish("volume", "/c", "name", "ro,nocopy", True, no_copy=True)),
        ("/c", Wish("volume", "/c")),
        ("/h:/a/../b", Wish("bind", "/b", "/h", propagation="rprivate", make_source=True)),
    ],
)
def test_binds(text: str, wish: Wish) -> None:
    assert parse_bind(text) == wish


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mount path must be absolute"),
        ("a:b", "invalid volume specification: 'a:b': invalid mount path: 'b' mount path must be absolute"),
        ("/a:/", r"invalid volume specification: '/a:/': invalid specification: destination can't be '/'"),
        ("/a://..", r"destination can't be '/'"),
        ("/a:ro", "invalid volume specification: '/a:ro'"),
        (":/b", "invalid volume specification: ':/b'"),
        ("/a:/b:ro:x", "invalid volume specification"),
        ("/a:/b:nope", "invalid mode: nope"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
        ("/a:/b:nocopy", "invalid mode: nocopy"),
        ("n1:/b:shared", "invalid mode: shared"),
        ("x:/b", "volume name is too short, names should be at least two alphanumeric characters"),
        ("./a:/b", "includes invalid characters for a local volume name"),
        ("../a:/b", "If you intended to pass a host directory, use absolute path"),
    ],
)
def test_bad_binds(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_bind(text)


@pytest.mark.parametrize(
    ("kind", "source", "target", "message"),
    [
        ("bind", "/a", "", 'invalid mount config for type "bind": field Target must not be empty'),
        ("bind", "", "/b", 'invalid mount config for type "bind": field Source must not be empty'),
        ("bind", "a", "/b", "invalid mount path: 'a' mount path must be absolute"),
        ("volume", "", "b", "invalid mount path: 'b' mount path must be absolute"),
        ("tmpfs", "x", "/b", 'invalid mount config for type "tmpfs": field Source must not be specified'),
        ("tmpfs", "", "/", "destination can't be '/'"),
    ],
)
def test_bad_mounts(kind: str, source: str, target: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        check_mount(kind, source, target)


def test_other_kinds_of_mounts_are_refused_by_name() -> None:
    with pytest.raises(Unsupported, match='mount type "image" is not supported'):
        check_mount("image", "", "/x")


def test_tmpfs_has_dockers_defaults_unless_told_otherwise() -> None:
    assert tmpfs_options(["size=1m"]) == ("noexec", "nosuid", "nodev", "size=1m")
    assert tmpfs_options(["exec", "nodev"]) == ("nosuid", "exec", "nodev")
    assert parse_tmpfs("/t/", "ro,size=2m").read_only
    with pytest.raises(InvalidArgument, match='invalid tmpfs option "nope=1"'):
        parse_tmpfs("/t", "nope=1")
    with pytest.raises(InvalidArgument, match="must be absolute"):
        parse_tmpfs("t", "")


def test_volumes_from() -> None:
    assert parse_volumes_from("web") == ("web", "")
    assert parse_volumes_from("web:ro") == ("web", "ro")
    for bad in (":ro", "web:nope", "web:shared", "web:nocopy"):
        with pytest.raises(InvalidArgument):
            parse_volumes_from(bad)


def test_a_volume_of_the_image_is_cleaned() -> None:
    assert parse_image_volume("/data/") == "/data"
    assert parse_image_volume("//data") == "/data"
    with pytest.raises(InvalidArgument):
        parse_image_volume("data")
