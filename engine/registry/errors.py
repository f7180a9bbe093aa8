"""What goes wrong with registries, in Docker's words.

OCI distribution spec, "Error Codes": a body `{"errors": [{"code", "message"}]}`. Go's and Docker's client wrap it in
texts that scripts match on; those are kept.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import urllib3.exceptions as http_errors

from engine.errors import BerthError, NotFound, Unauthorized, Unavailable
from engine.refs import Reference

BODY_LIMIT = 64 * 1024
WAIT_LIMIT = 30.0
"""Seconds: a registry that asks for more patience is asked again all the same."""


class Transient(Unavailable):
    """The registry did not answer properly this time; asking again may help, after `wait` seconds."""

    wait: float = 0.0


class RegistryError(BerthError):
    """The registry refused, and no kind of ours says it better; `code` is the specification's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code.lower().replace('_', ' ')}: {message}" if code else message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusing answer: status, the specification's code ("" for none) and the registry's words."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        """Return it as Docker's client prints it: `manifest unknown: manifest unknown`."""
        return f"{self.code.lower().replace('_', ' ')}: {self.message}" if self.code else self.message


def parse_refusal(status: int, body: bytes, scheme_error: str = "") -> Refusal:
    """Return what an answer of status 4xx or 5xx says; `scheme_error` is the bearer challenge's `error`."""
    if scheme_error == "insufficient_scope":
        return Refusal(status, "DENIED", "requested access to the resource is denied")
    try:
        first = json.loads(body)["errors"][0]
        code, message = str(first["code"]), str(first.get("message") or first["code"])
    except (ValueError, LookupError, TypeError, AttributeError):
        if status == HTTPStatus.UNAUTHORIZED:
            return Refusal(status, "UNAUTHORIZED", "authentication required")
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unknown"
        return Refusal(status, "", f"received unexpected HTTP status: {status} {phrase}")
    return Refusal(status, code, message)


def explain_refusal(refusal: Refusal, reference: Reference) -> BerthError:
    """Return the error of a pull that was refused."""
    match refusal.code:
        case "DENIED":
            return NotFound(
                f"pull access denied for {reference.familiar_name}, repository does not exist or "
                f"may require 'docker login': {refusal}"
            )
        case "MANIFEST_UNKNOWN":
            return NotFound(f"manifest for {reference.familiar} not found: {refusal}")
        case "NAME_UNKNOWN":
            return NotFound(f"repository {reference.familiar_name} not found: {refusal}")
        case "BLOB_UNKNOWN":
            return NotFound(str(refusal))
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        return Unauthorized(str(refusal))
    if refusal.status == HTTPStatus.NOT_FOUND:
        return NotFound(f"manifest for {reference.familiar} not found: {refusal}")
    return _explain_rest(refusal)


def explain_push_refusal(refusal: Refusal, reference: Reference) -> BerthError:
    """Return the error of a push that was refused: the registry's own words, as Docker hands them on."""
    del reference
    if refusal.code != "DENIED" and refusal.status == HTTPStatus.UNAUTHORIZED:
        return Unauthorized(str(refusal))
    return _explain_rest(refusal)


def _explain_rest(refusal: Refusal) -> BerthError:
    if refusal.status >= 500 or refusal.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT):
        return Transient(str(refusal))
    return RegistryError(refusal.code, refusal.message)


def parse_wait(header: str) -> float:
    """Return the seconds of a `Retry-After` header (RFC 9110 § 10.2.3), at most WAIT_LIMIT; 0 where it says nothing."""
    try:
        seconds = float(header) if header.strip().isdigit() else parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), WAIT_LIMIT)


def explain_failure(error: Exception, method: str, url: str, authority: str) -> Unavailable:
    """Return the error of a request that got no answer, as Go's HTTP client words it."""
    prefix = f'{method.title()} "{url}": '
    cause = _root(error)
    if isinstance(error, http_errors.NameResolutionError) or isinstance(cause, socket.gaierror):
        return Unavailable(f"{prefix}dial tcp: lookup {authority.rsplit(':', 1)[0]}: no such host")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Unavailable(f"{prefix}tls: failed to verify certificate: x509: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError):
        return Unavailable(f"{prefix}tls: {cause.reason or cause}")
    if isinstance(error, http_errors.NewConnectionError):  # before its base ConnectTimeoutError
        why = (cause.strerror if isinstance(cause, OSError) else "") or str(cause)
        return Unavailable(f"{prefix}dial tcp {authority}: connect: {why.lower()}")
    if isinstance(error, http_errors.ConnectTimeoutError):
        return Unavailable(f"{prefix}dial tcp {authority}: i/o timeout")
    if isinstance(error, http_errors.TimeoutError):
        return Transient(f"{prefix}net/http: timeout awaiting response")
    if isinstance(cause, OSError) and cause.strerror:
        return Transient(f"{prefix}{cause.strerror.lower()}")
    return Transient(f"{prefix}unexpected EOF")


def _root(error: BaseException) -> BaseException:
    while True:
        inner = error.__cause__ or error.__context__
        reason = getattr(error, "reason", None)
        if isinstance(reason, BaseException):
            inner = reason
        if inner is None or isinstance(error, (OSError, ssl.SSLError)):
            return error
        error = inner
