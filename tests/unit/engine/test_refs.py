"""Image names: the grammar of distribution/reference, with its own table of cases and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.refs import Platform, Reference, check_digest, digest_of

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("me/app:1", "docker.io/me/app:1", "me/app:1"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000/app", "127.0.0.1:5000/app"),
        ("localhost/app:x", "localhost/app:x", "localhost/app:x"),
        ("LOCALHOST/app", "LOCALHOST/app", "LOCALHOST/app"),
        ("[2001:db8::1]:5000/repo", "[2001:db8::1]:5000/repo", "[2001:db8::1]:5000/repo"),
        (f"ghcr.io/a/b@{DIGEST}", f"ghcr.io/a/b@{DIGEST}", f"ghcr.io/a/b@{DIGEST}"),
        (f"a:1@{DIGEST}", f"docker.io/library/a:1@{DIGEST}", f"a:1@{DIGEST}"),
        ("a--b/c.d_e__f", "docker.io/a--b/c.d_e__f", "a--b/c.d_e__f"),
        ("foo_bar.com:8080/x", "", ""),
        ("host:5000", "docker.io/library/host:5000", "host:5000"),
    ],
)
def test_names_are_completed_and_shown_as_users_write_them(text: str, full: str, familiar: str) -> None:
    if not full:
        with pytest.raises(InvalidArgument, match=r"^invalid reference format$"):
            Reference.parse(text)
        return
    assert str(Reference.parse(text)) == full
    assert Reference.parse(text).familiar == familiar


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        (":latest", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("a/", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("../etc/passwd", "invalid reference format"),
        ("a:" + "x" * 129, "invalid reference format"),
        ("a@sha256:abc", "invalid reference format"),
        ("https://example.com/a", "invalid reference format"),
        ("busybox\n", "invalid reference format"),
        ("Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"),
        ("me/App:1", "invalid reference format: repository name (me/App) must be lowercase"),
        ("a@sha256:" + "a" * 63, "invalid checksum digest length"),
        ("a@md5:" + "a" * 32, "unsupported digest algorithm"),
        ("a" * 64, f"invalid repository name ({'a' * 64}), cannot specify 64-byte hexadecimal strings"),
        ("b" * 250, "repository name must not be more than 255 characters"),
    ],
)
def test_what_is_no_reference_is_refused_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Reference.parse(text)
    assert str(refused.value) == message


components = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
domains = st.sampled_from(["docker.io", "localhost", "127.0.0.1:5000", "a-b.example", "X:1"])


@given(domains, st.lists(components, min_size=1, max_size=4), st.none() | tags, st.none() | st.just(DIGEST))
def test_both_forms_of_a_reference_parse_back_to_it(
    domain: str, path: list[str], tag: str | None, digest: str | None
) -> None:
    text = f"{domain}/{'/'.join(path)}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference
    if not (domain == "docker.io" and reference.path.startswith(("localhost/", "library/localhost"))):
        assert Reference.parse(reference.familiar) == reference
    assert (reference.tag, reference.digest) == (tag or "", digest or "")


@given(st.text(max_size=40))
def test_any_text_parses_or_is_an_invalid_argument(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidArgument:
        return
    assert Reference.parse(str(reference)) == reference


def test_latest_is_added_only_where_nothing_is_given() -> None:
    assert Reference.parse("a").with_default_tag().tag == "latest"
    assert Reference.parse("a:1").with_default_tag().tag == "1"
    assert Reference.parse(f"a@{DIGEST}").with_default_tag().tag == ""


def test_a_bad_tag_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="invalid tag format"):
        Reference.parse("a").with_tag("x y")


def test_digests_are_checked() -> None:
    assert check_digest(digest_of(b"")) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for bad in ("sha256", "sha256:", "sha256:" + "A" * 64, "sha256:../" + "a" * 61):
        with pytest.raises(InvalidArgument):
            check_digest(bad)


@pytest.mark.parametrize(
    ("wanted", "offered", "runs"),
    [
        ("linux/amd64", Platform("linux", "amd64"), True),
        ("linux/amd64", Platform("windows", "amd64"), False),
        ("linux/arm64", Platform("linux", "arm64", "v8"), True),
        ("linux/arm/v7", Platform("linux", "arm", "v6"), False),
        ("linux/arm", Platform("linux", "arm", "v6"), True),
        ("linux/x86_64", Platform("linux", "amd64"), True),
    ],
)
def test_platforms_match(wanted: str, offered: Platform, runs: bool) -> None:
    assert Platform.parse(wanted).runs(offered) is runs


def test_a_platform_may_be_given_in_part() -> None:
    host = Platform.host()
    assert Platform.parse("") == host
    assert Platform.parse("linux") == host
    assert Platform.parse("arm64") == Platform("linux", "arm64")
    with pytest.raises(InvalidArgument):
        Platform.parse("a/b/c/d")
