"""Who we are to a registry: nobody, a user with a password (Basic), the bearer of a token (Bearer).

Bearer (distribution's token specification):
    1. the registry answers 401 with `Bearer realm=…,service=…,scope=…`
    2. we ask the realm for a token, with Basic if there is a user, or by a refresh token (OAuth2)
    3. the request is sent again with the token, which serves until the registry refuses it; then from 1.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from engine.errors import Unauthorized, Unavailable
from engine.registry.challenge import Challenge
from engine.registry.errors import parse_refusal
from engine.registry.transport import Transport, read_limited

_CLIENT = "berth"
_TOKEN_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a user gave for one registry; all empty for anonymous."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    @classmethod
    def parse(cls, auth: Mapping[str, Any]) -> Credentials:
        """Return what Docker's AuthConfig (X-Registry-Auth) says; unreadable parts count as not given."""
        username, password = str(auth.get("username") or ""), str(auth.get("password") or "")
        if not username and isinstance(auth.get("auth"), str):
            try:
                username, _, password = base64.b64decode(auth["auth"]).decode().partition(":")
            except ValueError:
                username = password = ""
        return cls(username, password, str(auth.get("identitytoken") or ""), str(auth.get("registrytoken") or ""))

    @property
    def basic(self) -> str:
        """The value of a Basic Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Authorizer:
    """Keeps the Authorization header for one repository of one registry; every method from any thread."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._lock = threading.Lock()
        self._header = f"Bearer {credentials.registry_token}" if credentials.registry_token else ""

    @property
    def header(self) -> str:
        """The header's value; "" before a registry asked for one."""
        return self._header

    def answer(self, challenges: list[Challenge], refused: str, scope: str) -> None:
        """Get a header that meets one of `challenges`; `refused` is the one that was sent.

        Unauthorized where we have nothing that could meet them, or what we have was refused. Of several threads
        whose old token ran out, one fetches the new.
        """
        with self._lock:
            if self._header != refused:
                return
            by_scheme = {challenge.scheme: challenge for challenge in challenges}
            if "bearer" in by_scheme and not self._credentials.registry_token:
                self._header = f"Bearer {self._fetch_token(by_scheme['bearer'], scope)}"
            elif "basic" in by_scheme:
                self._header = self._basic(refused)
            else:
                raise Unauthorized("unauthorized: authentication required")

    def _basic(self, refused: str) -> str:
        if not self._credentials.username:
            raise Unauthorized("no basic auth credentials")
        if refused:
            raise Unauthorized("unauthorized: authentication required")
        return self._credentials.basic

    def _fetch_token(self, challenge: Challenge, scope: str) -> str:
        realm = challenge.parameters.get("realm", "")
        if urlsplit(realm).scheme not in ("http", "https"):
            raise Unavailable(f"invalid token realm {realm!r}")
        service = challenge.parameters.get("service", "")
        scope = challenge.parameters.get("scope", scope)
        if self._credentials.identity_token:
            return self._refresh(realm, service, scope)
        query = {"service": service, "scope": scope, "client_id": _CLIENT}
        headers = {"Accept": "application/json"}
        if self._credentials.username:
            query["account"] = self._credentials.username
            headers["Authorization"] = self._credentials.basic
        joint = "&" if urlsplit(realm).query else "?"
        url = f"{realm}{joint}{urlencode({k: v for k, v in query.items() if v})}"
        return self._token_of("GET", url, headers, None)

    def _refresh(self, realm: str, service: str, scope: str) -> str:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._credentials.identity_token,
            "service": service,
            "scope": scope,
            "client_id": _CLIENT,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return self._token_of("POST", realm, headers, urlencode(form).encode())

    def _token_of(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> str:
        response = self._transport.send(method, url, headers, body)
        data = read_limited(response, _TOKEN_LIMIT)
        if response.status in (401, 403):
            said = parse_refusal(401, data)
            raise Unauthorized(f"unauthorized: {said.message}" if said.code else str(said))
        if response.status != 200:
            raise Unavailable(f'{method.title()} "{url.partition("?")[0]}": {parse_refusal(response.status, data)}')
        try:
            answer = json.loads(data)
            token = answer.get("token") or answer.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token or any(c.isspace() for c in token):
            raise Unavailable("authorization server did not include a token in the response")
        return token
