"""Registries with locks on their doors: Debian's docker-registry with Basic, Bearer and TLS, and a line that breaks."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.docker_cli import eventually, free_port

USER, PASSWORD = "anna", "s3cret"


@contextmanager
def registry(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run docker-registry with its files in `folder`; yield `127.0.0.1:port`. `settings` are REGISTRY_* variables."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
    )
    environment = {**os.environ, "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}", **(settings or {})}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", config], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        eventually(lambda: process.poll() is not None or _listens(port), 15, "docker-registry")
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def basic(folder: Path) -> dict[str, str]:
    """Return settings for Basic authentication of USER with PASSWORD."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True)
    (folder / "htpasswd").write_bytes(done.stdout)
    return {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "Registry Realm",
        "REGISTRY_AUTH_HTPASSWD_PATH": str(folder / "htpasswd"),
    }


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make an authority and a certificate for 127.0.0.1 and localhost; return the certificate's file and its key's."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test CA", "-days", 2, *authority)
    openssl("req", *new, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.crt", "-days", 2, "-extfile", "ext",
    )  # fmt: skip
    return folder / "server.crt", folder / "server.key"


def tls(folder: Path) -> dict[str, str]:
    """Return settings for TLS with a certificate whose authority is `folder`/ca.crt."""
    crt, key = certificate(folder)
    return {"REGISTRY_HTTP_TLS_CERTIFICATE": str(crt), "REGISTRY_HTTP_TLS_KEY": str(key)}


class TokenService:
    """A real token server of distribution's specification: signs tokens that docker-registry verifies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public: set[str] = set()
        """Repositories that anonymous callers may pull."""
        self.requests: list[dict[str, str]] = []
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
             "-subj", "/CN=token", "-days", "2"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def settings(self) -> dict[str, str]:
        """Return the settings that make a registry believe this server."""
        return {
            "REGISTRY_AUTH": "token",
            "REGISTRY_AUTH_TOKEN_REALM": f"http://127.0.0.1:{self._server.server_address[1]}/token",
            "REGISTRY_AUTH_TOKEN_SERVICE": "registry.test",
            "REGISTRY_AUTH_TOKEN_ISSUER": "issuer.test",
            "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE": str(self.folder / "cert.pem"),
        }

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def token(self, scopes: list[str], user: str) -> str:
        """Return a signed token for what of `scopes` the user may do."""
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            allowed = actions.split(",") if user else ["pull"] if name in self.public else []
            access.append({"type": kind, "name": name, "actions": allowed})
        der = subprocess.run(
            ["openssl", "x509", "-in", "cert.pem", "-outform", "DER"], check=True, capture_output=True, cwd=self.folder
        ).stdout
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {"iss": "issuer.test", "sub": user, "aud": "registry.test", "exp": now + 300, "nbf": now - 10,
                  "iat": now, "jti": str(now), "access": access}  # fmt: skip
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", "key.pem"],
            input=signed.encode(), check=True, capture_output=True, cwd=self.folder,
        ).stdout  # fmt: skip
        return f"{signed}.{_base64url(signature)}"

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                user, password = "", ""
                if header := self.headers.get("Authorization", ""):
                    user, _, password = base64.b64decode(header.partition(" ")[2]).decode().partition(":")
                service.requests.append({"user": user, "scope": " ".join(query.get("scope", []))})
                if user and (user, password) != (USER, PASSWORD):
                    error = {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}
                    return self._answer(401, error)
                scopes = [scope for value in query.get("scope", []) for scope in value.split()]
                return self._answer(200, {"token": service.token(scopes, user)})

            def _answer(self, status: int, value: object) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


class BreakingLine:
    """A TCP proxy in front of a registry: counts the bytes to the client, slows down, breaks connections."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.partition(":")
        self._upstream = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = 0
        self.cuts = 0
        self.cut_every = 0
        """Bytes of one answer after which its connection is cut; 0: never."""
        self.cuts_left = 0
        self.bytes_per_second = 0
        self.cut_upload_every = 0
        """Bytes to the registry after which a connection is cut; 0: never."""
        self.upload_bytes_per_second = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop, and cut everything."""
        for sock in (self._listener, *self._sockets):
            with _quietly():
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
            except OSError:
                return
            self._sockets += [client, server]
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, to_client: bool) -> None:
        passed = 0
        with _quietly():
            while data := source.recv(65536):
                every = self.cut_every if to_client else self.cut_upload_every
                if every and self.cuts_left and passed + len(data) > every:
                    self.cuts_left -= 1
                    self.cuts += 1
                    break
                target.sendall(data)
                passed += len(data)
                self.sent += len(data) if to_client else 0
                if speed := self.bytes_per_second if to_client else self.upload_bytes_per_second:
                    time.sleep(len(data) / speed)
        for sock in (source, target):
            with _quietly():
                sock.shutdown(socket.SHUT_RDWR)


def upload(address: str, repository: str, data: bytes) -> dict[str, object]:
    """Put a blob into a registry without authentication; return its digest and size for a manifest."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    started = _request("POST", f"http://{address}/v2/{repository}/blobs/uploads/")
    location = started["Location"]
    _request("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", data, "application/octet-stream")
    return {"digest": digest, "size": len(data)}


def put_manifest(address: str, repository: str, tag: str, manifest: Mapping[str, object]) -> str:
    """Put a manifest or index under a tag; return its digest."""
    data = json.dumps(manifest).encode()
    answer = _request("PUT", f"http://{address}/v2/{repository}/manifests/{tag}", data, str(manifest["mediaType"]))
    return answer["Docker-Content-Digest"]


def push(archive: Path, address: str, name: str, *options: str) -> None:
    """Push a docker archive with skopeo."""
    target = f"docker://{address}/{name}"
    done = subprocess.run(
        ["skopeo", "copy", "-q", *options, f"docker-archive:{archive}", target], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def _request(method: str, url: str, data: bytes | None = None, kind: str = "") -> Mapping[str, str]:
    request = urllib.request.Request(url, data if data is not None else b"", method=method)
    if kind:
        request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, timeout=10) as response:
        return dict(response.headers)


def _listens(port: int) -> bool:
    with _quietly(), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except OSError:
        pass


Hook = Callable[[http.server.BaseHTTPRequestHandler], bool]


class OddRegistry:
    """A small HTTP server that answers as a test says: `hooks` maps a path's end to a function that answers it."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """Path → status, headers, body."""
        self.hook: Hook = lambda handler: False
        """Called first; True: it has answered."""
        self.seen: list[tuple[str, str]] = []
        """(path, Authorization) of each request."""
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.seen.append((self.path, self.headers.get("Authorization", "")))
                if registry.hook(self):
                    return
                status, headers, body = registry.answers.get(self.path.partition("?")[0], (404, {}, b""))
                reply(self, status, headers, body)

            do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815  http.server's names

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


def reply(
    handler: http.server.BaseHTTPRequestHandler, status: int, headers: Mapping[str, str], body: bytes = b""
) -> bool:
    """Answer a request; return True."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    return True
