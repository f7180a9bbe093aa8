"""The web tier's errors: a kind is a status; every body is `{"message", "field"?}`."""

from __future__ import annotations


class WebError(Exception):
    """A refusal or failure that a client sees; `field` names the input at fault, if one is."""

    status = 500

    def __init__(self, message: str, *, field: str = "", retry_after: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, str]:
        """Return the error as the one JSON shape that all answers use."""
        return {"message": self.message, **({"field": self.field} if self.field else {})}


class Invalid(WebError):
    """An input is malformed: 400."""

    status = 400


class Unauthenticated(WebError):
    """Nobody is signed in, or the credentials are wrong: 401."""

    status = 401


class Forbidden(WebError):
    """Signed in, and not allowed: 403."""

    status = 403


class NotFound(WebError):
    """No such thing, or none that the caller may know of: 404."""

    status = 404


class Conflict(WebError):
    """The state of things stands against it: 409."""

    status = 409


class TooMany(WebError):
    """Slow down: 429, with `Retry-After`."""

    status = 429


class EngineUnavailable(WebError):
    """The engine of a host does not answer: 502."""

    status = 502


class EngineRefused(WebError):
    """The engine answered with an error; status and message are its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
