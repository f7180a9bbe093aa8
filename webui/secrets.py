"""Secrets: random values, their digests, passwords (argon2id off the hub's thread)."""

from __future__ import annotations

import hashlib
import secrets as random

import argon2
import gevent
from argon2.exceptions import InvalidHashError, VerificationError
from gevent.lock import BoundedSemaphore

TOKEN_PREFIX = "berth_"  # noqa: S105
"""How a personal token begins, so that scanners and people recognise one."""
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _HASHER.hash(random.token_hex(16))
_SLOTS = BoundedSemaphore(2)


def new_id() -> str:
    """Return a fresh public identifier of 24 hex digits."""
    return random.token_hex(12)


def new_secret() -> str:
    """Return a fresh secret of 256 random bits, safe in URLs and cookies."""
    return random.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored of a random secret: its SHA-256 (random secrets need no slow hash)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Return the argon2id hash; other greenlets run meanwhile."""
    with _SLOTS:
        return str(gevent.get_hub().threadpool.apply(_HASHER.hash, (password,)))


def verify_password(stored: str | None, password: str) -> bool:
    """Return whether the password matches; for None (no such user) the same time passes."""
    with _SLOTS:
        matches = bool(gevent.get_hub().threadpool.apply(_matches, (stored or _NOBODY, password)))
    return matches and stored is not None


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
