"""The OCI distribution API, as far as a pull needs it; each verb is one method (a push: `engine.registry.sink`).

A repository on Docker Hub is looked for at the mirrors first; whatever goes wrong there, the Hub itself is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import urljoin, urlsplit

import urllib3.exceptions as http_errors

from config.contract import DEFAULT_REGISTRY
from engine.errors import BerthError, InvalidArgument, Unauthorized, Unavailable
from engine.refs import Reference, check_digest, digest_of
from engine.registry import search
from engine.registry.auth import Authorizer, Credentials
from engine.registry.challenge import parse_challenges
from engine.registry.errors import explain_failure, explain_refusal
from engine.registry.search import Found
from engine.registry.session import Session
from engine.registry.sink import HttpSink, Sink
from engine.registry.source import BlobStream, Fetched, Source
from engine.registry.transport import Response, Transport, discard, read_limited

MANIFEST_LIMIT = 4 << 20
_TAGS_LIMIT = 4 << 20
_TAG_PAGES = 100
_CHUNK = 256 * 1024
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1",
    )
)


class Registries:
    """Opens repositories; one for the engine."""

    def __init__(self, transport: Transport, mirrors: Sequence[str] = ()) -> None:
        self._transport = transport
        self._mirrors = tuple(mirror.rstrip("/") for mirror in mirrors)

    def open(self, reference: Reference, credentials: Credentials | None = None) -> Source:
        """Return the repository that `reference` names; nothing is sent yet."""
        own = Repository(self._transport, "", reference, credentials or Credentials())
        if reference.domain != DEFAULT_REGISTRY or not self._mirrors:
            return own
        mirrors = [Repository(self._transport, base, reference, Credentials()) for base in self._mirrors]
        return _Mirrored([*mirrors, own])

    def open_sink(self, reference: Reference, credentials: Credentials | None = None) -> Sink:
        """Return the repository that `reference` names, to push to: never a mirror's; nothing is sent yet."""
        return HttpSink(self._transport, reference, credentials or Credentials())

    def search(self, term: str, credentials: Credentials | None = None) -> list[Found]:
        """Return the repositories whose name has `term`: of the registry it begins with (`host:port/…`), or the Hub's.

        Unavailable where the registry can't be asked or has no catalog.
        """
        return search.search(self._transport, term, credentials or Credentials())

    def login(self, server: str, username: str, password: str) -> str:
        """Try a user and password at a registry (`host:port` or a URL); Unauthorized where it refuses.

        Returns the identity token to keep instead of the password; "": keep the password.
        """
        domain = urlsplit(server if "//" in server else f"//{server}").netloc or DEFAULT_REGISTRY
        domain = DEFAULT_REGISTRY if domain in ("index.docker.io", "registry-1.docker.io") else domain
        base = self._transport.base(domain)
        authorizer = Authorizer(self._transport, Credentials(username, password))
        status, header = 0, ""
        for _ in range(2):
            headers = {"Authorization": header} if header else {}
            response = self._transport.send("GET", f"{base}/v2/", headers)
            discard(response)
            status = response.status
            if status != 401:
                break
            if not header:
                authorizer.answer(parse_challenges(response.headers.get("WWW-Authenticate", "")), "", "")
                header = authorizer.header
        if status == 401:
            raise Unauthorized(f"login attempt to {base}/v2/ failed with status: 401 Unauthorized")
        if status != 200:
            raise Unavailable(f"login attempt to {base}/v2/ failed with status: {status}")
        return ""

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()


class Repository:
    """A `Source` over HTTP. `base` "" is the registry's own address."""

    def __init__(self, transport: Transport, base: str, reference: Reference, credentials: Credentials) -> None:
        self._reference = reference
        self._session = Session(transport, base, reference, credentials, actions="pull", explain=explain_refusal)

    def manifest(self, tag_or_digest: str) -> Fetched:
        """See `Source.manifest`."""
        response = self._session.ask("GET", f"manifests/{tag_or_digest}", {"Accept": _MANIFESTS})
        data = read_limited(response, MANIFEST_LIMIT)
        if len(data) > MANIFEST_LIMIT:
            raise InvalidArgument(f"manifest of {self._reference.familiar} is larger than {MANIFEST_LIMIT} bytes")
        digest = digest_of(data)
        if ":" in tag_or_digest and digest != check_digest(tag_or_digest):
            raise InvalidArgument(f"manifest verification failed for digest {tag_or_digest}: got {digest}")
        return Fetched(data, response.headers.get("Content-Type", ""), digest)

    def blob(self, digest: str, offset: int = 0) -> HttpBlob:
        """See `Source.blob`."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        response = self._session.ask("GET", f"blobs/{digest}", headers, accept=(200, 206))
        return HttpBlob(response, offset if response.status == 206 else 0)

    def tags(self) -> list[str]:
        """See `Source.tags`."""
        found: list[str] = []
        path = "tags/list"
        for _ in range(_TAG_PAGES):
            response = self._session.ask("GET", path, {"Accept": "application/json"})
            data = read_limited(response, _TAGS_LIMIT)
            try:
                found.extend(str(tag) for tag in json.loads(data).get("tags") or ())
            except (ValueError, AttributeError) as error:
                raise Unavailable(f"invalid list of tags of {self._reference.familiar_name}") from error
            following = response.headers.get("Link", "").partition("<")[2].partition(">")[0]
            if not following:
                break
            path = urljoin(self._session.url("tags/list"), following)
        return found


class HttpBlob:
    """A `BlobStream` over HTTP."""

    def __init__(self, response: Response, offset: int) -> None:
        self._response = response
        self.offset = offset

    def __iter__(self) -> Iterator[bytes]:
        """See `BlobStream.__iter__`."""
        try:
            while data := self._response.read(_CHUNK, decode_content=False):
                yield data
        except (http_errors.HTTPError, OSError, ValueError) as error:
            # ValueError: read of a response that another thread closed.
            url = self._response.geturl() or ""
            raise explain_failure(error, "GET", url.partition("?")[0], urlsplit(url).netloc) from error
        self._response.release_conn()

    def close(self) -> None:
        """See `BlobStream.close`."""
        try:
            self._response.shutdown()
        except (ValueError, OSError, RuntimeError):
            pass
        self._response.close()


class _Mirrored:
    """The same repository at several places; the first that serves a request."""

    def __init__(self, places: Sequence[Source]) -> None:
        self._places = places

    def manifest(self, tag_or_digest: str) -> Fetched:
        for place in self._places[:-1]:
            try:
                return place.manifest(tag_or_digest)
            except BerthError:
                continue
        return self._places[-1].manifest(tag_or_digest)

    def blob(self, digest: str, offset: int = 0) -> BlobStream:
        for place in self._places[:-1]:
            try:
                return place.blob(digest, offset)
            except BerthError:
                continue
        return self._places[-1].blob(digest, offset)

    def tags(self) -> list[str]:
        return self._places[-1].tags()
