"""The engine's errors: ten kinds, each with one HTTP status in `api.errors`.

    BerthError
    ├── InvalidArgument   the request can't be meant: field and expectation named
    ├── Unauthorized      a registry or caller refused our credentials
    ├── Forbidden         understood, and not allowed (policy, grants)
    ├── NotFound          no such object
    ├── Conflict          the object's state or name stands against it
    ├── NotModified       already so (start of a running container)
    ├── Exhausted         a limit or the disk is used up
    ├── Unsupported       Docker can, we say by name that we don't
    ├── Unavailable       something we depend on did not answer
    └── Internal          a fault of ours or of a program we drive

Messages are API: docker clients print and match them. Below `api/` nobody knows status codes.
"""

from __future__ import annotations


class BerthError(Exception):
    """Any failure that the engine explains; `str()` is the text a client sees."""


class InvalidArgument(BerthError):
    """The request is malformed or contradicts itself."""


class Unauthorized(BerthError):
    """Credentials are missing or wrong."""


class Forbidden(BerthError):
    """The caller may not ask for this."""


class NotFound(BerthError):
    """The named object does not exist in the caller's namespace."""


class Conflict(BerthError):
    """The object's state, name or users stand against the request."""


class NotModified(BerthError):
    """The object is already in the state asked for."""


class Exhausted(BerthError):
    """A quota, limit or the disk is used up."""


class Unsupported(BerthError):
    """A part of Docker's API that Berth does not do; the message names it."""


class Unavailable(BerthError):
    """A registry or other peer could not be reached."""


class Internal(BerthError):
    """A fault of the engine, the kernel or a program that the engine drives."""


class RuntimeFailed(Internal):
    """The OCI runtime refused to create or run a process.

    `exit_code` is what Docker's CLI reports for it: 127 not found, 126 not executable, 128 other.
    """

    def __init__(self, message: str, exit_code: int = 128) -> None:
        super().__init__(message)
        self.exit_code = exit_code
