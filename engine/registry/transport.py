"""HTTP to registries: scheme, certificates, redirects, time limits. Knows nothing of repositories.

Loopback addresses, `localhost` and the registries of BERTH_INSECURE_REGISTRIES are spoken to by plain HTTP, or by
HTTPS without verification where the server speaks that; a registry with a folder in the certificates' folder by
HTTPS with the authorities found there; every other by HTTPS with the system's.
"""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import urllib3
import urllib3.exceptions as http_errors

from config.contract import DEFAULT_REGISTRY, DEFAULT_REGISTRY_HOST, PRODUCT_VERSION
from engine.errors import Unavailable
from engine.registry.errors import BODY_LIMIT, explain_failure
from engine.registry.lines import POOLS

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
_REDIRECTS = 5
_POOL = 8
_AGENT = f"berth/{PRODUCT_VERSION}"
Response = urllib3.BaseHTTPResponse
Body = bytes | Callable[[], Iterable[bytes]] | None
"""What a request carries; a function opens a stream, once for each time it is sent."""


class Transport:
    """Sends requests; one for the engine, used by all threads."""

    def __init__(self, certs_dir: Path, insecure: Collection[str]) -> None:
        self._certs_dir = certs_dir
        self._insecure = frozenset(insecure)
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._bases: dict[str, str] = {}
        # Unverified HTTPS happens only where it was asked for; a warning at each request says nothing new.
        urllib3.disable_warnings(http_errors.InsecureRequestWarning)

    def base(self, domain: str) -> str:
        """Return the base URL of a registry: `https://registry-1.docker.io`."""
        if domain == DEFAULT_REGISTRY:
            return f"https://{DEFAULT_REGISTRY_HOST}"
        if self._certificates(domain) or not self.is_insecure(domain):
            return f"https://{domain}"
        known = self._bases.get(domain)
        if known is None:
            known = self._bases[domain] = self._probe(domain)
        return known

    def is_insecure(self, authority: str) -> bool:
        """Say whether plain HTTP and unverified certificates are accepted from this `host:port`."""
        host = urlsplit(f"//{authority}").hostname or ""
        if authority in self._insecure or host in self._insecure or host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def send(self, method: str, url: str, headers: Mapping[str, str], body: Body = None) -> Response:
        """Send a request, follow redirects, and return the answer with its body still to be read.

        Credentials don't follow to another host, and no redirect leads from HTTPS to plain HTTP. Unavailable where
        no answer comes.
        """
        headers = {"User-Agent": _AGENT, **headers}
        for _ in range(_REDIRECTS + 1):
            response = self._once(method, url, headers, body)
            target = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not target:
                return response
            discard(response)
            following = urljoin(url, target)
            old, new = urlsplit(url), urlsplit(following)
            if new.scheme != "https" and (old.scheme == "https" or new.scheme != "http"):
                raise Unavailable(f'{method.title()} "{url}": redirect to {following} refused: it is not HTTPS')
            if (old.scheme, old.netloc) != (new.scheme, new.netloc):
                headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            url = following
        raise Unavailable(f'{method.title()} "{url}": stopped after {_REDIRECTS} redirects')

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            for manager in self._pools.values():
                keys = manager.pools.keys()  # `clear` alone leaves connections to the garbage collector
                for key in keys:
                    manager.pools[key].close()
                manager.clear()

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Body) -> Response:
        authority = urlsplit(url).netloc.rsplit("@", 1)[-1]
        content = body() if callable(body) else body
        try:
            return self._pool(authority).request(
                method, url, headers=headers, body=content, redirect=False, retries=False,
                preload_content=False, decode_content=False,
            )  # fmt: skip
        except (http_errors.HTTPError, OSError) as error:
            raise explain_failure(error, method, url, authority) from error

    def _pool(self, authority: str) -> urllib3.PoolManager:
        with self._lock:
            pool = self._pools.get(authority)
            if pool is None:
                timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
                pool = self._pools[authority] = urllib3.PoolManager(
                    maxsize=_POOL, timeout=timeout, ssl_context=self._context(authority)
                )
                pool.pool_classes_by_scheme = POOLS
            return pool

    def _context(self, authority: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        folder = self._certificates(authority)
        if folder is not None:
            for authority_file in sorted(folder.glob("*.crt")):
                context.load_verify_locations(authority_file)
            for certificate in sorted(folder.glob("*.cert")):
                context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        elif self.is_insecure(authority):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _certificates(self, authority: str) -> Path | None:
        folder = self._certs_dir / authority
        return folder if "/" not in authority and folder.is_dir() else None

    def _probe(self, domain: str) -> str:
        response = self._once("GET", f"http://{domain}/v2/", {"User-Agent": _AGENT}, None)
        # Go's server answers a plain request on a TLS port with 400 and these words.
        is_tls = response.status == 400 and b"HTTPS server" in response.read(1024)
        discard(response)
        return f"{'https' if is_tls else 'http'}://{domain}"


def read_limited(response: Response, limit: int = BODY_LIMIT) -> bytes:
    """Return the body, up to `limit` bytes and one more, and give the connection back."""
    try:
        parts: list[bytes] = []
        left = limit + 1
        while left and (part := response.read(left, decode_content=False)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    except (http_errors.HTTPError, OSError) as error:
        raise explain_failure(error, "GET", response.geturl() or "", "") from error
    finally:
        discard(response)


def discard(response: Response) -> None:
    """End an answer: the connection is used again if little is left, else closed."""
    try:
        response.drain_conn()
    except (http_errors.HTTPError, OSError):
        response.close()
    response.release_conn()
