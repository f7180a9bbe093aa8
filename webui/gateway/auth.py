"""Who is asking: a session's cookie or a bearer token; and whether a browser was sent here by somebody else."""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from webui.access import Actor
from webui.errors import Forbidden
from webui.services.accounts import SESSION_MS, Accounts

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HeaderOf = Callable[[str], str]
"""Returns a request header's value, or an empty text."""


class Authenticator:
    """Reads credentials of one deployment: plain HTTP or behind TLS (`origin` then begins with https)."""

    def __init__(self, accounts: Accounts, origin: str) -> None:
        self._accounts = accounts
        self.origin = origin.rstrip("/")
        self.secure = self.origin.startswith("https://")
        self.cookie = "__Host-berth_session" if self.secure else "berth_session"

    def actor(self, header: HeaderOf) -> Actor | None:
        """Return who sent a request with these headers. A bearer token counts alone: no way back to the cookie."""
        scheme, _, value = header("Authorization").partition(" ")
        if scheme.lower() == "bearer":
            return self._accounts.by_token(value.strip())
        secret = self.session_secret(header)
        return self._accounts.by_session(secret) if secret else None

    def session_secret(self, header: HeaderOf) -> str:
        """Return the session cookie's value, or an empty text."""
        try:
            morsel = SimpleCookie(header("Cookie")).get(self.cookie)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def check_origin(self, header: HeaderOf) -> None:
        """Raise Forbidden unless a browser says that our own page sent this (or that the user typed it)."""
        site = header("Sec-Fetch-Site")
        if site in ("same-origin", "none") or (not site and self._ours(header("Origin"), header("Host"))):
            return
        raise Forbidden("cross-site request refused")

    def comes_from_elsewhere(self, header: HeaderOf) -> bool:
        """Return whether a browser says that another site's page sent this; silence is not elsewhere."""
        site, origin = header("Sec-Fetch-Site"), header("Origin")
        if site:
            return site not in ("same-origin", "none")
        return bool(origin) and not self._ours(origin, header("Host"))

    def set_cookie(self, secret: str) -> str:
        """Return the Set-Cookie value that carries a session, or ends one (empty secret)."""
        age = SESSION_MS // 1000 if secret else 0
        secure = "; Secure" if self.secure else ""
        return f"{self.cookie}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"

    def _ours(self, origin: str, host: str) -> bool:
        if not origin or origin == "null":
            return False
        if self.origin:
            return origin == self.origin
        parts = urlsplit(origin)
        return parts.scheme == "http" and bool(host) and parts.netloc == host
