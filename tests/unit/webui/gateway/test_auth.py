"""Same origin: what a browser says about where a request comes from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from webui.errors import Forbidden
from webui.gateway.auth import Authenticator

PLAIN = Authenticator(None, "")  # type: ignore[arg-type] - no credentials are looked up here
TLS = Authenticator(None, "https://berth.example/")  # type: ignore[arg-type]


def headers(**values: str) -> Callable[[str], str]:
    named = {name.replace("_", "-").lower(): value for name, value in values.items()}
    return lambda name: named.get(name.lower(), "")


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"},
    ],
)
def test_our_own_page_passes(sent: dict[str, str]) -> None:
    PLAIN.check_origin(headers(**sent))


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"},
        {"Origin": "http://evil.example", "Host": "127.0.0.1:8080"},
        {"Origin": "https://127.0.0.1:8080", "Host": "127.0.0.1:8080"},
        {"Origin": "null", "Host": "127.0.0.1:8080"},
        {"Origin": "http://127.0.0.1:8080.evil.example", "Host": "127.0.0.1:8080"},
        {"Origin": "http://127.0.0.1:8080"},
    ],
)
def test_anything_else_is_refused(sent: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        PLAIN.check_origin(headers(**sent))


def test_behind_tls_only_the_public_origin_counts() -> None:
    TLS.check_origin(headers(Origin="https://berth.example", Host="10.0.0.1:8080"))
    with pytest.raises(Forbidden):
        TLS.check_origin(headers(Origin="http://10.0.0.1:8080", Host="10.0.0.1:8080"))


def test_silence_is_not_elsewhere() -> None:
    assert not PLAIN.comes_from_elsewhere(headers())
    assert PLAIN.comes_from_elsewhere(headers(Origin="http://evil.example", Host="127.0.0.1:8080"))
    assert PLAIN.comes_from_elsewhere(headers(Sec_Fetch_Site="cross-site"))


def test_the_cookie_is_closed_to_scripts_and_other_sites() -> None:
    assert PLAIN.set_cookie("s").startswith("berth_session=s; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax")
    assert TLS.set_cookie("s").startswith("__Host-berth_session=s; ")
    assert TLS.set_cookie("s").endswith("; Secure")
    assert "Max-Age=0" in PLAIN.set_cookie("")


@pytest.mark.parametrize("cookie", ["", "a=b", "berth_session", "\x00=;;", 'berth_session="', "other=x; =;"])
def test_a_broken_cookie_is_nobody(cookie: str) -> None:
    assert PLAIN.session_secret(headers(Cookie=cookie)) in ("", '"')


def test_the_cookie_is_found_among_others() -> None:
    assert PLAIN.session_secret(headers(Cookie="a=b; berth_session=xyz; c=d")) == "xyz"
