"""The one table from error kinds to HTTP statuses, and the one shape of an error: `{"message": "…"}`."""

from __future__ import annotations

from collections.abc import Mapping

from engine import errors

STATUS: Mapping[type[errors.BerthError], int] = {
    errors.InvalidArgument: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.NotModified: 304,
    errors.Exhausted: 507,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
    errors.Internal: 500,
    errors.BerthError: 500,
}


class ClientGone(ConnectionError):
    """The client has closed the connection: there is nobody to answer."""


_COMMAND_FAULTS = (126, 127)


def status_of(error: errors.BerthError) -> int:
    """Return the HTTP status of an error: the most specific row of its class's ancestry.

    A runtime that can't find or execute the user's command is the request's fault (400), as Docker answers it.
    """
    if isinstance(error, errors.RuntimeFailed) and error.exit_code in _COMMAND_FAULTS:
        return 400
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500
